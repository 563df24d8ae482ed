"""Inference of the task and encoding of the labels."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hypermodels.problem import Task
from src.data.task import encode_target
from src.errors import UserError


@pytest.mark.parametrize(
    ("y", "task", "class_names"),
    [
        (np.array(["no", "yes", "no"]), "binary", ("no", "yes")),
        (np.array(["c", "a", "b"]), "multiclass", ("a", "b", "c")),
        (np.array([f"name {row}" for row in range(30)]), "multiclass", None),
        (np.array([True, False, True]), "binary", ("False", "True")),
        (np.array([3, 1, 3]), "binary", ("1", "3")),
        (np.array([26.0, -1.0, 3.0]), "multiclass", ("-1", "3", "26")),
        (np.arange(20), "multiclass", tuple(map(str, range(20)))),
        (np.arange(21), "regression", ()),
        (np.array([0.0, 0.5, 1.0]), "regression", ()),
        (np.array([0.5, 1.5]), "regression", ()),
        (np.array([7, 9], np.uint8), "binary", ("7", "9")),
    ],
)
def test_infers_the_task(y: NDArray[Any], task: Task, class_names: tuple[str, ...] | None) -> None:
    target = encode_target(y, None, None, "data.task=auto")
    assert target.task == task
    assert target.inferred
    if class_names is not None:
        assert target.class_names == class_names
    assert target.y.dtype == (np.float64 if task == "regression" else np.int32)
    assert len(target.y_test) == 0


def test_codes_follow_the_sorted_order_of_numbers_not_of_their_text() -> None:
    target = encode_target(np.array([10.0, 9.0, 100.0, 9.0]), None, None, "data.task=auto")
    assert target.class_names == ("9", "10", "100")
    np.testing.assert_array_equal(target.y, [1, 0, 2, 0])


def test_names_of_fractional_labels_are_as_delivered() -> None:
    target = encode_target(np.array([0.1, 0.2, 0.5], np.float32), None, "multiclass", "data.task")
    assert target.class_names == ("0.1", "0.2", "0.5")
    assert not target.inferred


def test_chosen_regression_keeps_whole_numbers_as_a_quantity() -> None:
    target = encode_target(np.array([3, 1]), np.array([8]), "regression", "data.task=regression")
    np.testing.assert_array_equal(target.y, [3.0, 1.0])
    np.testing.assert_array_equal(target.y_test, [8.0])


def test_test_labels_get_the_codes_of_the_training_labels() -> None:
    target = encode_target(np.array([4, 2, 9]), np.array([9.0, 4.0, 9.0]), None, "data.task=auto")
    np.testing.assert_array_equal(target.y_test, [2, 1, 2])
    assert target.y_test.dtype == np.int32


@pytest.mark.parametrize(
    ("y", "y_test", "chosen", "parts"),
    [
        ([5, 5], None, None, ["'5'", "nothing to learn", "at least two distinct values"]),
        ([0, 1, 2], None, "binary", ["exactly 2", "3 distinct values (0, 1, 2)", "multiclass"]),
        ([0, 1, 1], None, "multiclass", ["at least 3", "2 distinct values (0, 1)", "binary"]),
        (["a", "b"], None, "regression", ["needs a target of numbers", "text", "(a, b)"]),
        ([True, False], None, "regression", ["true and false"]),
        ([1.5, 2.5], ["a"], None, ["needs numbers", "test rows"]),
        (
            [0, 1],
            [0, 7, 7, 8],
            None,
            ["7, 8", "in 3 of 4 test rows", "0, 1", "data.task=regression"],
        ),
        (["a", "b"], ["c"], None, ["no training row has: c (in 1 of 1 test rows)", "a, b"]),
        ([1, 2], ["1"], None, ["no training row has: 1 (in 1 of"]),
    ],
)
def test_labels_that_do_not_suit_the_task(
    y: list[Any], y_test: list[Any] | None, chosen: Task | None, parts: list[str]
) -> None:
    with pytest.raises(UserError) as raised:
        encode_target(
            np.array(y), None if y_test is None else np.array(y_test), chosen, "data.task=here"
        )
    for part in ["data.task=here", *parts]:
        assert part in str(raised.value)


def test_many_labels_are_not_all_listed() -> None:
    with pytest.raises(UserError, match=r"50 distinct values \(0, 1, .*, 7, … 42 more\)"):
        encode_target(np.arange(50), None, "binary", "data.task=binary")
