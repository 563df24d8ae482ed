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
        (np.array([True, False, True]), "binary", ("False", "True")),
        (np.array([7, 9], np.uint8), "binary", ("7", "9")),
        (np.array([26.0, -1.0, 3.0]), "multiclass", ("-1", "3", "26")),
        (np.arange(20), "multiclass", tuple(map(str, range(20)))),
        (np.arange(21), "regression", ()),
        (np.array([0.5, 1.5]), "regression", ()),
    ],
)
def test_infers_the_task(y: NDArray[Any], task: Task, class_names: tuple[str, ...]) -> None:
    found, names, codes, test_codes = encode_target(y, None, None, "data.task=auto")
    assert (found, names, len(test_codes)) == (task, class_names, 0)
    assert codes.dtype == (np.float64 if task == "regression" else np.int32)


def test_codes_follow_the_sorted_order_of_numbers_not_of_their_text() -> None:
    y, y_test = np.array([10.0, 9.0, 100.0, 9.0]), np.array([9, 100])
    _, names, codes, test_codes = encode_target(y, y_test, None, "data.task=auto")
    assert (names, codes.tolist()) == (("9", "10", "100"), [1, 0, 2, 0])
    assert test_codes.tolist() == [0, 2]
    assert test_codes.dtype == np.int32
    fractions = np.array([0.1, 1, 0.5], np.float32)
    assert encode_target(fractions, None, "multiclass", "data.task")[1] == ("0.1", "0.5", "1")


def test_chosen_regression_keeps_whole_numbers_as_a_quantity() -> None:
    found = encode_target(np.array([3, 1]), np.array([8]), "regression", "data.task=regression")
    assert [values.tolist() for values in found[2:]] == [[3.0, 1.0], [8.0]]


@pytest.mark.parametrize(
    ("y", "y_test", "chosen", "parts"),
    [
        ([5, 5], None, None, ["'5'", "nothing to learn", "at least two distinct values"]),
        ([0, 1, 2], None, "binary", ["exactly 2", "3 distinct values (0, 1, 2)", "multiclass"]),
        (["a", "b"], None, "regression", ["a target of numbers", "(a, b)", "here: binary"]),
        (range(50), None, "binary", ["50 distinct values (0, 1, ", "19, … 30 more)", "regression"]),
        ([1.5, 2.5], ["a"], None, ["needs numbers", "test rows"]),
        ([0, 1], [0, 7, 7, 8], None, ["7, 8 (in 3 of 4 test rows)", "0, 1; for", "regression"]),
        (["a", "b"], ["c"], None, ["no training row has: c (in 1 of 1 test rows)", "a, b"]),
        ([1, 2], ["1"], None, ["no training row has: 1 (in 1 of"]),
    ],
)
def test_labels_that_do_not_suit_the_task(
    y: Any, y_test: list[Any] | None, chosen: Task | None, parts: list[str]
) -> None:
    test_labels = None if y_test is None else np.array(y_test)
    with pytest.raises(UserError) as raised:
        encode_target(np.array(y), test_labels, chosen, "data.task=here")
    for part in ["data.task=here", *parts]:
        assert part in str(raised.value)
