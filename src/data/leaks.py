"""Signs that a score will be too good: columns that give the target away, rows twice."""

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.data.loading import Data
from src.errors import listed
from src.seeds import Stream, derived_seed

MOST_ROWS = 5000  # of the training rows, for `telling_columns`
LEAST_ROWS = 30
MOST_COLUMNS = 2000
ALMOST_PERFECT = 0.98


def leak_notices(data: Data) -> list[str]:
    """Returns a sentence for each sign of a leak."""
    notices = []
    if columns := telling_columns(data):
        measure = "R²" if data.task == "regression" else "balanced accuracy"
        names = listed(f"'{name}'" for name in columns)
        hint = f": 'data.drop={json.dumps(list(columns), ensure_ascii=False)}'"
        notices.append(
            f"{names}: tells the target almost perfectly alone "
            f"({measure} {max(columns.values()):.3f}). If it is not known when predicting, leave "
            f"it out{hint if data.table is not None else ''}"
        )
    if twice := repeated_rows(data):
        notices.append(
            f"{twice:,} of {len(data.test):,} test rows ({twice / len(data.test):.1%}) are also "
            "among the training and validation rows, with the same target, so the test score is "
            "too good. Remove repeated rows, or keep each set of them together: data.group"
        )
    return notices


def telling_columns(data: Data) -> dict[str, float]:
    """Returns the columns that tell the target alone: balanced accuracy or R² of 0.98, best first.

    Each row of a sample of the training rows is given the target of its neighbour in the order of
    one column. The mean square of the differences is twice the variance where the column tells
    nothing (von Neumann 1941). Images and tables of more than 2,000 columns are not looked at.
    """
    x, y = data.x, data.y
    generator = np.random.default_rng(derived_seed(data.seed, Stream.LEAKS))
    # In random order, so that among rows of equal values any can be neighbours.
    rows = generator.permutation(data.train)[:MOST_ROWS]
    if data.image_maximum is not None or x.shape[1] > MOST_COLUMNS or len(rows) < LEAST_ROWS:
        return {}
    found = {}
    for place, name in enumerate(data.feature_names):
        column = x[rows, place]
        score = _neighbour_score(column, y[rows], data.task == "regression")
        if score >= ALMOST_PERFECT and len(np.unique(column[~np.isnan(column)])) > 1:
            found[name] = score
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def repeated_rows(data: Data) -> int:
    """Counts the test rows whose columns and target some training or validation row has too."""
    frame = pd.DataFrame(data.x).assign(target=data.y)
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return int(np.isin(hashes[data.test], hashes[data.development]).sum())


def _neighbour_score(column: NDArray[np.float32], y: NDArray[Any], is_quantity: bool) -> float:
    """How well the neighbour in the order of a column predicts each row's target.

    The neighbour is the next row, but for the last of several rows with one value the row before.
    """
    order = np.argsort(column, kind="stable")
    ordered, values = y[order], column[order]
    is_next_equal = np.append(values[1:] == values[:-1], False)
    is_last_equal = np.append(False, is_next_equal[:-1]) & ~is_next_equal
    is_last_equal[-1] = True
    guess = np.where(is_last_equal, np.roll(ordered, 1), np.roll(ordered, -1))
    if is_quantity:
        return float(1 - np.square(ordered - guess).mean() / max(2 * ordered.var(), 1e-300))
    hits = np.bincount(ordered, weights=ordered == guess)
    counts = np.bincount(ordered)
    return float(np.mean(hits[counts > 0] / counts[counts > 0]))
