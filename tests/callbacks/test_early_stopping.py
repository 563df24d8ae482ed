"""Early stopping."""

import json
import math
from typing import Any

import keras
import numpy as np
import pytest

from callbacks import EarlyStopping, MissingMetricError
from tests.callbacks.helpers import ScriptedMetric, fit, plain_model, simulate


def epochs_trained(stopping: Any, scores: list[float], initial_epoch: int = 0) -> list[int]:
    metric = ScriptedMetric(scores)
    history = simulate(plain_model(), [metric, stopping], len(scores), initial_epoch)
    return list(history.epoch)


def test_stops_when_patience_has_run_out() -> None:
    stopping = EarlyStopping("val_score", "max", patience=3)
    assert epochs_trained(stopping, [0.1, 0.3, 0.2, 0.3, 0.2, 0.9, 0.9]) == [0, 1, 2, 3, 4]
    assert stopping.stopped_epoch == 4


def test_says_when_it_did_not_stop() -> None:
    stopping = EarlyStopping("val_score", "max", patience=3)
    assert epochs_trained(stopping, [0.1, 0.2, 0.3]) == [0, 1, 2]
    assert stopping.stopped_epoch is None


@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize("seed", range(4))
def test_stops_where_kerass_own_does(direction: Any, seed: int) -> None:
    scores = np.random.default_rng(seed).random(25).round(1).tolist()
    ours = EarlyStopping("val_score", direction, patience=4, min_delta=0.05)
    stock = keras.callbacks.EarlyStopping("val_score", mode=direction, patience=4, min_delta=0.05)
    assert epochs_trained(ours, scores) == epochs_trained(stock, scores)


@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize("seed", range(6))
def test_the_start_epoch_is_kerass(direction: Any, seed: int) -> None:
    scores = np.random.default_rng(100 + seed).random(25).round(1).tolist()
    options: dict[str, Any] = {"patience": 3, "min_delta": 0.05}
    ours = EarlyStopping("val_score", direction, start_epoch=seed, **options)
    stock = keras.callbacks.EarlyStopping(
        "val_score", mode=direction, start_from_epoch=seed, **options
    )
    assert epochs_trained(ours, scores) == epochs_trained(stock, scores)


def test_epochs_before_the_start_count_neither_for_nor_against() -> None:
    scores = [0.9, 0.1, 0.1, 0.1, 0.2, 0.3, 0.2, 0.2, 0.2]
    stopping = EarlyStopping("val_score", "max", patience=2, start_epoch=3)
    assert epochs_trained(stopping, scores) == list(range(8))
    assert stopping.stagnation.best == 0.3


def test_what_never_reaches_the_baseline_is_stopped_and_what_does_goes_on() -> None:
    for top, stopped in ((0.5, 3), (0.51, None)):
        stopping = EarlyStopping("val_score", "max", patience=4, baseline=0.5)
        epochs_trained(stopping, [0.1, 0.2, 0.3, top, 0.6, 0.7])
        assert stopping.stopped_epoch == stopped


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("direction", ["min", "max"])
def test_values_that_are_not_finite_are_no_improvement(value: float, direction: Any) -> None:
    stopping = EarlyStopping("val_score", direction, patience=2)
    assert epochs_trained(stopping, [0.5, value, value, 0.5, 0.5]) == [0, 1, 2]


def test_stops_a_fit_and_leaves_the_weights_as_they_are() -> None:
    model = plain_model()
    stopping = EarlyStopping("val_score", "max", patience=2)
    assert fit(model, [ScriptedMetric([0.5] * 9), stopping], 9).epoch == [0, 1, 2]
    np.testing.assert_allclose(model.get_weights()[0].item(), -0.3, rtol=1e-6)  # three steps of 0.1


def test_four_epochs_and_then_eight_stop_where_twelve_at_once_do() -> None:
    scores = [0.1, 0.5, 0.4, 0.4, 0.5, 0.4, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9]
    at_once = EarlyStopping("val_score", "max", patience=5)
    epochs_trained(at_once, scores)
    first = EarlyStopping("val_score", "max", patience=5)
    assert epochs_trained(first, scores[:4]) == [0, 1, 2, 3]
    second = EarlyStopping("val_score", "max", patience=5)
    second.set_state(json.loads(json.dumps(first.get_state())))
    assert epochs_trained(second, scores, initial_epoch=4) == [4, 5, 6]
    assert second.stopped_epoch == at_once.stopped_epoch == 6


def test_a_second_fit_starts_afresh_unless_a_state_is_set() -> None:
    stopping = EarlyStopping("val_score", "max", patience=3)
    epochs_trained(stopping, [0.5] * 3)
    state = stopping.get_state()
    assert state == {"stagnation": {"best": 0.5, "epochs": 2}}
    assert epochs_trained(stopping, [0.4] * 5) == [0, 1, 2, 3]
    stopping.set_state(state)
    assert epochs_trained(stopping, [0.4] * 5) == [0]
    assert epochs_trained(stopping, [0.4] * 5) == [0, 1, 2, 3]  # the state was for one fit


def test_a_missing_metric_is_an_error() -> None:
    with pytest.raises(MissingMetricError, match=r"'accuracy' is not .*: loss, val_score"):
        epochs_trained(EarlyStopping("accuracy", "max", patience=3), [0.5])


@pytest.mark.parametrize("patience", [0, -1])
def test_a_patience_below_one_is_refused(patience: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1, but got {patience}; to train without"):
        EarlyStopping("val_score", "max", patience)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_epoch": -1}, "start_epoch must be at least 0, but got -1"),
        ({"baseline": math.nan}, "baseline must be finite, but got nan"),
        ({"min_delta": -0.1}, "min_delta must be finite and at least 0, but got -0.1"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EarlyStopping("val_score", "max", 3, **arguments)
