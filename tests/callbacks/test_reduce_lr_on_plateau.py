"""Cuts of the learning rate. Together with a schedule: test_learning_rate_scheduler."""

import math
from typing import Any

import keras
import numpy as np
import pytest

from callbacks import MissingMetricError, ReduceLROnPlateau
from tests.callbacks.helpers import BASE, RateTrace, ScriptedMetric, plain_model, simulate


def trace_of(plateau: Any, scores: list[float]) -> list[float]:
    trace = RateTrace()
    simulate(plain_model(), [ScriptedMetric(scores), plateau, trace], len(scores))
    return trace.rates


def rates(*factors: float) -> list[Any]:
    return [np.float32(float(np.float32(BASE)) * factor) for factor in factors]


def test_a_cut_takes_effect_in_the_next_epoch() -> None:
    plateau = ReduceLROnPlateau("val_score", "min", factor=0.5, patience=2)
    scores, trace = [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0], RateTrace()
    history = simulate(plain_model(), [ScriptedMetric(scores), plateau, trace], len(scores))
    scales = [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert trace.rates == rates(*scales)
    assert history.history["plateau_scale"] == scales
    assert plateau.plateaus.count == 2


@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize("patience", [1, 2, 3])
def test_alone_it_equals_kerass_own(direction: Any, patience: int) -> None:
    scores = np.random.default_rng(patience).random(20).round(1).tolist()
    stock = keras.callbacks.ReduceLROnPlateau(
        "val_score", mode=direction, factor=0.5, patience=patience, min_delta=0.05, min_lr=0.002
    )
    ours = ReduceLROnPlateau(
        "val_score", direction, factor=0.5, patience=patience, min_delta=0.05, floor=0.002
    )
    np.testing.assert_allclose(trace_of(ours, scores), trace_of(stock, scores), rtol=1e-6)


def test_the_floor_bounds_base_times_factor() -> None:
    plateau = ReduceLROnPlateau("val_score", "min", factor=0.1, patience=1, floor=0.03)
    assert trace_of(plateau, [1.0] * 4) == [np.float32(rate) for rate in (0.1, 0.1, 0.03, 0.03)]


@pytest.mark.parametrize("floor", [BASE, 0.2, 10.0])
def test_a_floor_above_the_base_never_raises_the_rate(floor: float) -> None:
    plateau = ReduceLROnPlateau("val_score", "min", factor=0.1, patience=1, floor=floor)
    assert trace_of(plateau, [1.0] * 4) == rates(1, 1, 1, 1)


def test_epochs_of_the_cooldown_do_not_count() -> None:
    plateau = ReduceLROnPlateau("val_score", "min", factor=0.5, patience=1, cooldown=2)
    found = trace_of(plateau, [1.0] * 9)
    # Cut after epoch 1; epochs 2 and 3 are the cooldown; cut after epochs 4 and 7.
    assert found == rates(1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("direction", ["min", "max"])
def test_values_that_are_not_finite_are_no_improvement(value: float, direction: Any) -> None:
    plateau = ReduceLROnPlateau("val_score", direction, factor=0.5, patience=2)
    assert trace_of(plateau, [value] * 5) == rates(1, 1, 0.5, 0.5, 0.25)


def test_a_second_fit_starts_afresh_unless_a_state_is_set() -> None:
    plateau = ReduceLROnPlateau("val_score", "min", factor=0.5, patience=2)
    trace_of(plateau, [1.0] * 4)
    state = plateau.get_state()
    assert state == {"stagnation": {"best": 1.0, "epochs": 1}, "count": 1, "cooldown_left": 0}
    assert trace_of(plateau, [2.0] * 4) == rates(1, 1, 1, 0.5)
    plateau.set_state(state)
    assert trace_of(plateau, [2.0] * 4) == rates(0.5, 0.25, 0.25, 0.125)
    assert trace_of(plateau, [2.0] * 4) == rates(1, 1, 1, 0.5)  # the state was for one fit


def test_a_missing_metric_is_an_error() -> None:
    plateau = ReduceLROnPlateau("val_scor", "min")
    with pytest.raises(MissingMetricError, match=r"'val_scor' .* Did you mean 'val_score'"):
        trace_of(plateau, [1.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factor": 1.0}, "factor must be between 0 and 1, both excluded, but got 1.0"),
        ({"factor": 0.0}, "but got 0.0"),
        ({"factor": math.nan}, "but got nan"),
        ({"patience": 0}, "patience must be at least 1, but got 0"),
        ({"floor": -1e-3}, "floor must be at least 0, but got -0.001"),
        ({"cooldown": -1}, "cooldown must be at least 0, but got -1"),
        ({"min_delta": -1.0}, "min_delta must be finite and at least 0, but got -1.0"),
        ({"direction": "auto"}, "direction must be 'min' or 'max', but got 'auto'"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReduceLROnPlateau(**{"monitor": "val_loss", "direction": "min"} | arguments)
