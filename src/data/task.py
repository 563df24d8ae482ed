"""Which task the labels pose, and labels as what a model trains on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypermodels.problem import Task
from src.errors import UserError, listed

MOST_INFERRED_CLASSES = 20  # integers with more distinct values than this are taken for a quantity


def encode_target(
    y: NDArray[Any], y_test: NDArray[Any] | None, chosen: Task | None, key: str
) -> tuple[Task, tuple[str, ...], NDArray[Any], NDArray[Any]]:
    """Settles the task and encodes labels `(rows,)` without missing values.

    Without a `chosen` task, `y` decides. Messages name the setting `key`. Returns the task; the
    labels as text in the order of their codes, none for regression; for `y` and `y_test`, int32
    codes in the sorted order of the labels, or float64 raw values. Raises `UserError` if labels do
    not suit the task, are all the same, or only separate test rows have them.
    """
    labels, codes = _unique(y)
    if len(labels) == 1:
        raise UserError(
            f"{key}: every row has the same target, {_texts(labels)[0]!r}; there is nothing "
            "to learn. Valid: a target with at least two distinct values"
        )
    is_number, count = labels.dtype.kind in "iuf", len(labels)
    is_quantity = is_number and (count > MOST_INFERRED_CLASSES or (labels != labels.round()).any())
    of_classes: Task = "binary" if count == 2 else "multiclass"
    task: Task = chosen or ("regression" if is_quantity else of_classes)
    fits, needed = {
        "regression": (is_number, "numbers"),
        "binary": (count == 2, "exactly 2 distinct values"),
        "multiclass": (count > 2, "at least 3 distinct values"),
    }[task]
    if not fits:
        raise UserError(
            f"{key}: {task} needs a target of {needed}, and this target has {count} distinct "
            f"values ({listed(_texts(labels))}). Valid here: {of_classes}"
            + (", regression" if is_number else "")
        )
    if task == "regression":
        y_test = np.empty(0) if y_test is None else y_test
        if y_test.dtype.kind == "U":
            raise UserError(f"{key}: {task} needs numbers, and the test rows' target is text")
        return task, (), y.astype(np.float64), y_test.astype(np.float64)
    names = tuple(_texts(labels))
    return task, names, codes.astype(np.int32), _test_codes(labels, y_test, key)


def _test_codes(labels: NDArray[Any], y_test: NDArray[Any] | None, key: str) -> NDArray[np.int32]:
    if y_test is None:
        return np.empty(0, np.int32)
    distinct, inverse = np.unique(y_test, return_inverse=True)
    # NumPy compares text with numbers by turning both into text: '1' would equal 1.
    comparable = (labels.dtype.kind == "U") == (distinct.dtype.kind == "U")
    places = {label: place for place, label in enumerate(labels.tolist() if comparable else ())}
    codes = np.array([places.get(label, -1) for label in distinct.tolist()], np.int32)
    if (codes < 0).any():
        unknown, rows = listed(_texts(distinct[codes < 0])), int((codes < 0)[inverse].sum())
        raise UserError(
            f"{key}: the test rows have labels that no training row has: {unknown} (in {rows} of "
            f"{len(y_test)} test rows). The training rows have: {listed(_texts(labels))}"
            + ("; for a quantity set data.task=regression" if labels.dtype.kind in "iuf" else "")
        )
    return codes[inverse]


def _unique(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Returns the sorted labels, and the place of each row's; texts of numbers go by value."""
    labels, codes = np.unique(y, return_inverse=True)
    if labels.dtype.kind != "U":
        return labels, codes
    try:
        order = np.array(sorted(range(len(labels)), key=lambda place: float(labels[place])))
    except ValueError:
        return labels, codes
    return labels[order], np.argsort(order)[codes]


def _texts(labels: NDArray[Any]) -> list[str]:
    """Returns labels as texts, whole numbers without a decimal point: CSV readers may add one."""
    whole = labels == np.round(labels) if labels.dtype.kind == "f" else np.zeros(len(labels), bool)
    return [str(int(x) if is_whole else x) for x, is_whole in zip(labels, whole, strict=True)]
