"""The target of a table: its values, the rows that have one, and classes with too few rows."""

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.config.schema import DataSettings
from src.data.tables.formats import NUMBER_FORMATS
from src.data.tables.gathering import Cells
from src.data.tables.inference import shown
from src.data.task import MOST_INFERRED_CLASSES
from src.errors import UserError, listed

LONGEST_LABEL = 200  # characters
_OUT_OF_PLACE = 0.5  # of a text target's labels may differ from each other; with more it is none


def labels_of(
    goal: Cells, target: str, settings: DataSettings, where: str
) -> tuple[NDArray[Any], NDArray[np.bool_], list[str]]:
    """Returns the target of the rows that are kept, which they are, and what is to be said.

    Infinite numbers become missing values in `goal`.

    Raises:
        UserError: naming the file, the target, and a row that is no label or number.
    """
    if goal.numbers is not None:
        goal.numbers[np.isinf(goal.numbers)] = np.nan
    kept = ~goal.missing
    notices = []
    if not kept.any():
        raise UserError(
            f"{where}: the target '{target}' has no value in any row. Valid: a label or a number "
            "in most rows; data.target names another column"
        )
    if not kept.all():
        row = int(np.argmin(kept)) + 1
        notices.append(
            f"{row_count(int((~kept).sum()))} without a value of the target '{target}' left out, "
            f"the first is row {row}"
        )
    y = target_values(goal, kept, target, where)
    has_classes = settings.task != "regression" and (y.dtype.kind == "U" or is_classes(y, settings))
    if has_classes:
        few, text = _rare(y, np.flatnonzero(kept), target, settings, where)
        if few is not None:
            notices.append(text)
            kept = kept.copy()
            kept[np.flatnonzero(kept)[few]] = False
            y = y[~few]
    return y, kept, notices


def target_values(goal: Cells, kept: NDArray[np.bool_], target: str, where: str) -> NDArray[Any]:
    """Returns integers, floats or texts of the rows that are kept.

    Raises:
        UserError: if they are neither all numbers nor labels that repeat.
    """
    if goal.strays:
        text = next(iter(goal.strays))
        count = sum(goal.strays.values())
        first = goal.first_stray + 1
        second = " or a second line of headers taken out" if first == count == 1 else ""
        raise UserError(
            f"{where}: the target '{target}' holds numbers, and {count} "
            f"cell{' that is' if count == 1 else 's that are'} none, the first {shown(text)} in "
            f"row {first}. Valid: numbers or labels; empty cells are left out, as are those of "
            f"data.missing={json.dumps([text[:40]], ensure_ascii=False)}{second}"
        )
    if goal.numbers is not None:
        if goal.format not in NUMBER_FORMATS:
            raise UserError(
                f"{where}: the target '{target}' holds dates. Valid: labels or numbers; "
                "data.target names another column"
            )
        y = goal.numbers[kept]
        whole = np.all(y == np.round(y)) and np.abs(y).max() < 2**53
        return y.astype(np.int64) if whole else y
    assert goal.codes is not None
    longest = max(goal.categories, key=len)
    distinct, count = len(goal.categories), int(kept.sum())
    if len(longest) > LONGEST_LABEL:
        row = int(np.argmax(goal.codes == goal.categories.index(longest))) + 1
        raise UserError(
            f"{where}: the target '{target}' has a label of {len(longest):,} characters in row "
            f"{row}: {shown(longest)}. Valid: at most {LONGEST_LABEL}; data.target names another "
            "column"
        )
    if goal.overflow or (distinct > MOST_INFERRED_CLASSES and distinct > _OUT_OF_PLACE * count):
        raise UserError(
            f"{where}: the target '{target}' has {distinct:,} different texts in {count:,} rows, "
            f"such as {shown(goal.categories[0])}, too many to be classes. Valid: labels that "
            "repeat, or numbers; data.target names another column"
        )
    return np.array(goal.categories)[goal.codes[kept]]


def is_classes(y: NDArray[Any], settings: DataSettings) -> bool:
    """Returns whether numbers are classes, unless the task is regression."""
    if settings.task != "auto":
        return True
    return y.dtype.kind == "i" and len(pd.unique(y)) <= MOST_INFERRED_CLASSES


def _rare(
    y: NDArray[Any], rows: NDArray[np.intp], target: str, settings: DataSettings, where: str
) -> tuple[NDArray[np.bool_] | None, str]:
    """Which rows are of a class with fewer rows than there are parts, and how to say that."""
    parts = 2 + (settings.test_path is None and settings.test_fraction > 0)
    labels, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    rare = counts < parts
    if not rare.any():
        return None, ""
    few = rare[codes]
    names = listed(f"'{label}'" for label in labels[rare])
    said = (
        f"{row_count(int(few.sum()))} of the target '{target}' in classes of fewer than {parts} "
        f"rows ({names}; the first is row {int(rows[np.argmax(few)]) + 1})"
    )
    if len(labels) - rare.sum() < 2:
        raise UserError(
            f"{where}: {said}, too few to share among {parts} parts, and fewer than two classes "
            f"are left. Valid: two classes with {parts} rows each; for a quantity set "
            "data.task=regression"
        )
    return few, f"{said} left out"


def row_count(count: int) -> str:
    """Returns a number of rows in words."""
    return "1 row" if count == 1 else f"{count:,} rows"
