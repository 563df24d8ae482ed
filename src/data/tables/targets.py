"""The target of a table: its values, the rows that have one, and classes with too few rows."""

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src.data.tables.cells import Cells, few_integers
from src.data.tables.formats import is_date_format, is_number
from src.data.task import MOST_INFERRED_CLASSES
from src.errors import UserError, listed
from src.text import shown

if TYPE_CHECKING:  # predictions do without what these import
    from src.config.schema import DataSettings

LONGEST_LABEL = 200  # characters
_OUT_OF_PLACE = 0.5  # of a text target's labels may differ from each other; with more it is none
_INTEGER = re.compile(r"\+?(-?)(0|[1-9]\d*)(?:\.0*)?")


def labels_of(
    goal: Cells, target: str, settings: "DataSettings", where: str
) -> tuple[NDArray[Any], NDArray[np.bool_], list[str]]:
    """Returns the target of the rows that are kept, which they are, and what is to be said.

    Raises `UserError` naming the file, the target, and a row that is no label or number.
    """
    kept = ~goal.missing
    if not kept.any():
        raise UserError(
            f"{where}: the target '{target}' has no value in any row. Valid: a label or a number "
            "in most rows; data.target names another column"
        )
    notices = []
    if not kept.all():
        notices.append(
            f"{row_count(int((~kept).sum()))} without a value of the target '{target}' left out, "
            f"the first is row {int(np.argmin(kept)) + 1}"
        )
    y = target_values(goal, kept, target, settings, where)
    if y.dtype.kind == "U":
        few, text = _rare(y, np.flatnonzero(kept), target, settings, where)
        if few is not None:
            notices.append(text)
            kept = kept.copy()
            kept[np.flatnonzero(kept)[few]] = False
            y = y[~few]
    return y, kept, notices


def target_values(
    goal: Cells,
    kept: NDArray[np.bool_],
    target: str,
    settings: "DataSettings",
    where: str,
) -> NDArray[Any]:
    """Returns float64 quantities, or labels as the file has them, of the rows that are kept.

    Raises `UserError` if they are neither all numbers nor labels that repeat.
    """
    if goal.numbers is not None:
        _check_numbers(goal, target, where)
        y = goal.numbers[kept]
        is_quantity = settings.task == "regression" or not few_integers(y)
        return y if is_quantity else y.astype(np.int64).astype(str)
    assert goal.codes is not None
    if settings.task in ("auto", "regression"):
        is_numbers = all(map(is_number, goal.categories))
        values = np.array([float(text) for text in goal.categories if is_numbers])
        if is_numbers and (settings.task == "regression" or not few_integers(values)):
            return np.asarray(values[goal.codes[kept]])
    longest = max(goal.categories, key=len)
    distinct, count = len(goal.categories), int(kept.sum())
    if len(longest) > LONGEST_LABEL:
        raise UserError(
            f"{where}: the target '{target}' has a label of {len(longest):,} characters: "
            f"{shown(longest)}. Valid: at most {LONGEST_LABEL}; data.target names another column"
        )
    if distinct > MOST_INFERRED_CLASSES and distinct > _OUT_OF_PLACE * count:
        raise UserError(
            f"{where}: the target '{target}' has {distinct:,} different texts in {count:,} rows, "
            f"such as {shown(goal.categories[0])}, too many to be classes. Valid: labels that "
            "repeat, or numbers; data.target names another column"
        )
    return np.array(merged_labels(goal.categories))[goal.codes[kept]]


def merged_labels(texts: Sequence[str], known: Sequence[str] = ()) -> list[str]:
    """Returns the label of each of distinct texts: as it stands, but one for `1`, `1.0` and `+1`.

    A label that is `known` already, or else the text that comes first, gives its name.
    """
    labels = {_whole(label): label for label in known}
    return [text if text in known else labels.setdefault(_whole(text), text) for text in texts]


def row_count(count: int) -> str:
    """Returns a number of rows in words."""
    return "1 row" if count == 1 else f"{count:,} rows"


def _whole(text: str) -> str:
    match = _INTEGER.fullmatch(text)
    if match is None:
        return text
    return match[2] if match[2] == "0" else match[1] + match[2]


def _check_numbers(goal: Cells, target: str, where: str) -> None:
    if goal.strays:
        row, text = goal.first_stray
        second = " or a second line of headers taken out" if row == 0 else ""
        raise UserError(
            f"{where}: the target '{target}' holds numbers, and {goal.strays} cells with others, "
            f"the first {shown(text)} in row {row + 1}. Valid: numbers or labels; "
            f"data.missing={json.dumps([text[:40]], ensure_ascii=False)} leaves it out{second}"
        )
    if is_date_format(goal.format):
        raise UserError(
            f"{where}: the target '{target}' holds dates. Valid: labels or numbers; "
            "data.target names another column"
        )


def _rare(
    y: NDArray[Any], rows: NDArray[np.intp], target: str, settings: "DataSettings", where: str
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
