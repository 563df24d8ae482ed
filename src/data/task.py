"""Which task the labels pose, and labels as what a model trains on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypermodels.problem import Task
from src.errors import UserError

MOST_INFERRED_CLASSES = 20  # integers with more distinct values than this are taken for a quantity
_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Target:
    """Encoded labels.

    Attributes:
        task: the task.
        inferred: whether the task was inferred from the labels alone.
        class_names: the original labels as text, in the order of their codes; empty for regression.
        y: `(rows,)` int32 codes from 0 in the sorted order of the labels, or float64 raw values.
        y_test: the same for the separate test rows; empty without them.
    """

    task: Task
    inferred: bool
    class_names: tuple[str, ...]
    y: NDArray[Any]
    y_test: NDArray[Any]


def encode_target(
    y: NDArray[Any], y_test: NDArray[Any] | None, chosen: Task | None, key: str
) -> Target:
    """Settles the task and encodes the labels.

    Args:
        y: `(rows,)` labels as delivered, without missing values.
        y_test: labels of separate test rows, or None.
        chosen: the task that is asked for; None infers it from `y`.
        key: what asks for it or would, such as `data.task`, for messages.

    Raises:
        UserError: if the labels do not suit the task, are all the same, or the test rows have
            labels that no training row has.
    """
    labels, codes = np.unique(y, return_inverse=True)
    if len(labels) == 1:
        raise UserError(
            f"{key}: every row has the same target, {_label_text(labels[0])!r}; there is nothing "
            "to learn. Valid: a target with at least two distinct values"
        )
    task = chosen or _inferred_task(labels)
    _check_task(task, labels, key)
    if task == "regression":
        y_test = np.empty(0) if y_test is None else y_test
        if y_test.dtype.kind == "U":
            raise UserError(f"{key}: {task} needs numbers, and the test rows' target is text")
        return Target(
            task, chosen is None, (), y.astype(np.float64), y_test.astype(np.float64, copy=False)
        )
    return Target(
        task=task,
        inferred=chosen is None,
        class_names=tuple(map(_label_text, labels)),
        y=codes.astype(np.int32),
        y_test=_encode_test(labels, y_test, key),
    )


def _inferred_task(labels: NDArray[Any]) -> Task:
    is_quantity = labels.dtype.kind in "iuf" and (
        len(labels) > MOST_INFERRED_CLASSES or bool(np.any(labels != np.round(labels)))
    )
    if is_quantity:
        return "regression"
    return "binary" if len(labels) == 2 else "multiclass"


def _check_task(task: Task, labels: NDArray[Any], key: str) -> None:
    found = f"the target has {len(labels)} distinct values ({_shown(labels)})"
    if task == "regression" and labels.dtype.kind not in "iuf":
        kind = "true and false" if labels.dtype.kind == "b" else "text"
        raise UserError(
            f"{key}: regression needs a target of numbers, and this one is {kind}: {found}. "
            f"Valid here: {'binary' if len(labels) == 2 else 'multiclass'}"
        )
    if task == "binary" and len(labels) != 2:
        raise UserError(
            f"{key}: binary needs exactly 2 distinct values, and {found}. Valid here: multiclass"
            + (", regression" if labels.dtype.kind in "iuf" else "")
        )
    if task == "multiclass" and len(labels) < 3:
        raise UserError(
            f"{key}: multiclass needs at least 3 distinct values, and {found}. Valid here: binary"
        )


def _encode_test(labels: NDArray[Any], y_test: NDArray[Any] | None, key: str) -> NDArray[np.int32]:
    if y_test is None:
        return np.empty(0, np.int32)
    distinct, inverse = np.unique(y_test, return_inverse=True)
    # numpy compares text with numbers by turning both into text: '1' would equal 1
    comparable = (labels.dtype.kind == "U") == (distinct.dtype.kind == "U")
    known = np.isin(distinct, labels) if comparable else np.zeros(len(distinct), bool)
    if not known.all():
        unknown = distinct[~known]
        rows = int(np.isin(inverse, np.flatnonzero(~known)).sum())
        raise UserError(
            f"{key}: the test rows have labels that no training row has: {_shown(unknown)} "
            f"(in {rows} of {len(y_test)} test rows). The training rows have: {_shown(labels)}"
            + ("; for a quantity set data.task=regression" if labels.dtype.kind in "iuf" else "")
        )
    return np.searchsorted(labels, distinct).astype(np.int32)[inverse]


def _shown(labels: NDArray[Any]) -> str:
    more = f", … {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return ", ".join(map(_label_text, labels[:_SHOWN])) + more


def _label_text(label: Any) -> str:
    """Returns a label as text, whole numbers without a decimal point: CSV readers may add one."""
    if isinstance(label, np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)
