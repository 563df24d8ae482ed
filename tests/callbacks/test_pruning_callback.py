"""A training is pruned where its best value so far misses the threshold of the epoch."""

import math
from typing import Any

import pytest

from callbacks import PruningCallback
from tests.callbacks.helpers import ScriptedMetric, plain_model, simulate

VALUES = [0.3, 0.5, 0.4, 0.45, 0.6]


def trained(pruning: Any, values: list[float], *others: Any, start: int = 0) -> int:
    """Epochs until it ends."""
    callbacks = [ScriptedMetric(values), *others, pruning]
    return len(simulate(plain_model(), callbacks, len(values), start).history["loss"])


@pytest.mark.parametrize(
    ("thresholds", "epochs"),
    [
        ({}, 5),
        ({1: 0.3, 3: 0.5}, 5),  # to equal a threshold is enough, and the best so far counts
        ({3: 0.51}, 3),
        ({1: 0.31, 2: 0.9}, 1),
    ],
)
def test_ends_after_the_first_epoch_whose_threshold_is_missed(
    thresholds: dict[int, float], epochs: int
) -> None:
    pruning = PruningCallback("val_score", "max", thresholds)
    for _ in range(2):  # each training begins anew
        assert trained(pruning, VALUES) == epochs
        assert pruning.stopped_epoch == (None if epochs == 5 else epochs - 1)


def test_for_an_error_the_threshold_lies_above() -> None:
    assert trained(PruningCallback("val_score", "min", {4: 0.3}), VALUES) == 5
    assert trained(PruningCallback("val_score", "min", {2: 0.29}), VALUES) == 2


def test_nothing_finite_is_not_judged_and_a_training_that_ends_anyway_is_not_claimed() -> None:
    assert trained(PruningCallback("val_score", "max", {2: 0.5}), [math.nan, math.nan, 0.4]) == 3
    first, second = (PruningCallback("val_score", "max", {2: value}) for value in (0.9, 0.8))
    assert trained(second, VALUES, first) == 2
    assert (first.stopped_epoch, second.stopped_epoch) == (1, None)


def test_a_training_that_goes_on_knows_its_best() -> None:
    first, second = (PruningCallback("val_score", "max", {3: 0.45}) for _ in range(2))
    trained(first, VALUES[:2])
    second.set_state(first.get_state())
    trained(second, VALUES[:3], start=2)
    assert (second.stopped_epoch, second.best) == (None, 0.5)
    trained(second, VALUES[:3], start=2)
    assert second.stopped_epoch == 2
