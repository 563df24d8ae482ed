"""Signs that a score will be too good: columns that give the target away, rows twice."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.data.loading import Data
from src.seeds import Stream, derived_seed

MOST_ROWS = 5000  # of the training rows, for `telling_columns`
LEAST_ROWS = 30
MOST_COLUMNS = 2000
ALMOST_PERFECT = 0.98
_SHOWN = 10


def leak_notices(data: Data) -> list[str]:
    """Returns a sentence for each sign of a leak."""
    notices = []
    columns = telling_columns(data)
    if columns:
        shown = ", ".join(f"'{name}'" for name in list(columns)[:_SHOWN])
        more = f" and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else ""
        measure = "R²" if data.task == "regression" else "balanced accuracy"
        notices.append(
            f"{shown}{more}: tells the target almost perfectly alone ({measure} "
            f"{max(columns.values()):.3f}). If it is not known when predicting, leave it out"
            + (f": {_drop_hint(columns)}" if data.table is not None else "")
        )
    twice = repeated_rows(data)
    if twice:
        notices.append(
            f"{twice:,} of {len(data.test):,} test rows ({twice / len(data.test):.1%}) also stand "
            "among the training and validation rows, target and all: for new rows, the test score "
            "is too good. Remove repeated rows, or keep each set of them on one side: data.group"
        )
    return notices


def telling_columns(data: Data) -> dict[str, float]:
    """Finds columns from which alone the target can be told.

    Each training row, or of a sample, is given the target of its neighbour in the order of one
    column. The mean square of what they differ by is twice the variance where the column tells
    nothing (von Neumann 1941). Images are passed over, and tables of more than 2,000 columns.

    Returns:
        Balanced accuracy or R² of those at least at 0.98, by the column's name, best first.
    """
    x, y = data.x, data.y
    if data.image_maximum is not None or x.shape[1] > MOST_COLUMNS:
        return {}
    generator = np.random.default_rng(derived_seed(data.seed, Stream.LEAKS))
    # In random order, so that rows of equal values have any others of them as neighbours.
    rows = generator.permutation(data.train)[:MOST_ROWS]
    if len(rows) < LEAST_ROWS:
        return {}
    found = {}
    for place, name in enumerate(data.feature_names):
        column = x[rows, place]
        score = _told(column, y[rows], len(data.class_names))
        if score >= ALMOST_PERFECT and len(np.unique(column[~np.isnan(column)])) > 1:
            found[name] = score
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def repeated_rows(data: Data) -> int:
    """Counts the test rows whose columns and target some training or validation row has too."""
    if not len(data.test):
        return 0
    known = set(_hashes(data, data.development).tolist())
    return sum(value in known for value in _hashes(data, data.test).tolist())


def _drop_hint(columns: Iterable[str]) -> str:
    return f"'data.drop={json.dumps(list(columns), ensure_ascii=False)}'"


def _told(column: NDArray[np.float32], y: NDArray[Any], classes: int) -> float:
    """How well a neighbour in the order of a column tells each row's target.

    It is the next row, but for the last of several with one value the one before it.
    """
    order = np.argsort(column, kind="stable")
    ordered, values = y[order], column[order]
    is_next_equal = np.append(values[1:] == values[:-1], False)
    is_last_equal = np.append(False, is_next_equal[:-1]) & ~is_next_equal
    is_last_equal[-1] = True
    guess = np.where(is_last_equal, np.roll(ordered, 1), np.roll(ordered, -1))
    if not classes:
        return float(1 - np.square(ordered - guess).mean() / max(2 * ordered.var(), 1e-300))
    hits = np.bincount(ordered[ordered == guess], minlength=classes)
    counts = np.bincount(ordered, minlength=classes)
    present = counts > 0
    return float(np.mean(hits[present] / counts[present]))


def _hashes(data: Data, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Of the values of each row and its target, 64 bits; column by column, to save memory."""
    total = pd.util.hash_array(np.asarray(data.y)[rows])
    for place in range(data.x.shape[1]):
        values = pd.util.hash_array(np.ascontiguousarray(data.x[rows, place]))
        with np.errstate(over="ignore"):
            total = total * np.uint64(0x9E3779B97F4A7C15) ^ (total >> np.uint64(29)) ^ values
    return total
