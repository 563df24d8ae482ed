"""Training ends where the best value so far has not reached the bar of the epoch."""

from typing import Any

import pytest

from callbacks import MissingMetricError, StopBehind
from callbacks.monitor import Direction
from tests.callbacks.helpers import ScriptedMetric, fit, plain_model, simulate

VALUES = [0.3, 0.5, 0.4, 0.45, 0.6]


def trained(callback: StopBehind, values: list[float], *others: Any) -> int:
    """Epochs until it ends."""
    callbacks = [ScriptedMetric(values), *others, callback]
    return len(simulate(plain_model(), callbacks, len(values)).history["loss"])


@pytest.mark.parametrize(
    ("bars", "epochs"),
    [
        ({}, 5),
        ({1: 0.3, 3: 0.5}, 5),  # to equal a bar is enough, and the best so far counts
        ({3: 0.51}, 3),
        ({2: 0.5, 4: 0.55}, 4),
        ({1: 0.31, 2: 0.9}, 1),
        ({9: 2.0}, 5),
    ],
)
def test_ends_after_the_first_epoch_whose_bar_is_missed(
    bars: dict[int, float], epochs: int
) -> None:
    callback = StopBehind("val_score", "max", bars)
    for _ in range(2):  # each training begins anew
        assert trained(callback, VALUES) == epochs
        assert callback.stopped_epoch == (None if epochs == 5 else epochs - 1)


def test_for_an_error_the_bar_lies_above() -> None:
    assert trained(StopBehind("val_score", "min", {4: 0.3}), VALUES) == 5
    callback = StopBehind("val_score", "min", {2: 0.29})
    assert trained(callback, VALUES) == 2
    assert callback.best == 0.3


def test_nothing_finite_is_not_judged_and_a_training_that_ends_anyway_is_not_claimed() -> None:
    nan = float("nan")
    assert trained(StopBehind("val_score", "max", {1: 0.5, 3: 0.5}), [nan, nan, 0.4]) == 3
    first = StopBehind("val_score", "max", {2: 0.9})
    second = StopBehind("val_score", "max", {2: 0.8})
    assert trained(second, VALUES, first) == 2
    assert (first.stopped_epoch, second.stopped_epoch) == (1, None)


def test_a_training_that_goes_on_knows_its_best() -> None:
    first = StopBehind("val_score", "max", {3: 0.45})
    simulate(plain_model(), [ScriptedMetric(VALUES), first], 2)
    second = StopBehind("val_score", "max", {3: 0.45})
    second.set_state(first.get_state())
    simulate(plain_model(), [ScriptedMetric(VALUES), second], 3, initial_epoch=2)
    assert (second.stopped_epoch, second.best) == (None, 0.5)
    simulate(plain_model(), [ScriptedMetric(VALUES), second], 3, initial_epoch=2)
    assert second.stopped_epoch == 2


def test_it_ends_a_real_training() -> None:
    callback = StopBehind("val_score", "max", {2: 0.6})
    history = fit(plain_model(), [ScriptedMetric(VALUES), callback], 5)
    assert len(history.history["loss"]) == 2


@pytest.mark.parametrize("bars", [{0: 0.5}, {3: float("nan")}, {3: float("inf")}])
def test_bars_are_finite_and_count_from_the_first_epoch(bars: dict[int, float]) -> None:
    with pytest.raises(ValueError, match="bars are finite, from epoch 1 on"):
        StopBehind("val_score", "max", bars)


@pytest.mark.parametrize("direction", ["min", "max"])
def test_a_missing_metric_is_told(direction: Direction) -> None:
    with pytest.raises(MissingMetricError, match="'val_f1' is not in the logs"):
        trained(StopBehind("val_f1", direction, {}), VALUES)
