"""Texts and numbers that stand for missing values because a setting says so."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def blank_out(series: "pd.Series[Any]", texts: Sequence[str]) -> "pd.Series[Any]":
    """Returns the cells without those that stand for a missing value.

    Args:
        series: texts, which become empty, or numbers, which become NaN; others stay.
        texts: in any case; one that is a number stands for all cells of its value, as -999 for
            `-999.0`, but not for texts with decimal commas or thousands, which are to be given as
            they are: `-999,00`.
    """
    if not texts or pd.api.types.is_bool_dtype(series.dtype):
        return series
    numbers = pd.to_numeric(pd.Series(list(texts), dtype=object), errors="coerce").dropna()
    if pd.api.types.is_numeric_dtype(series.dtype):
        hit = series.isin(numbers.to_list())
        return series.where(~hit) if hit.any() else series
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return series
    codes, distinct = pd.factorize(series.astype(object).to_numpy())
    cells = pd.Series([str(cell).strip().lower() for cell in distinct], dtype=object)
    found = cells.isin([text.strip().lower() for text in texts])
    if len(numbers):
        found |= pd.to_numeric(cells, errors="coerce").isin(numbers.to_list())
    hits = np.append(found.to_numpy(), False)[codes]  # NaN and None have the code -1
    return series.astype(object).mask(hits, "") if hits.any() else series
