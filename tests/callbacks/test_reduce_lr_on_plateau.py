"""Cuts of the learning rate. Together with a schedule: test_learning_rate_scheduler."""

from typing import Any

import keras
import numpy as np
import pytest

from callbacks import Monitor, ReduceLROnPlateau
from tests.callbacks.helpers import BASE, RateTrace, ScriptedMetric, plain_model, simulate


def trace_of(plateau: Any, scores: list[float]) -> list[float]:
    trace = RateTrace()
    simulate(plain_model(), [ScriptedMetric(scores), plateau, trace], len(scores))
    return trace.rates


def rates(*factors: float) -> list[Any]:
    return [np.float32(float(np.float32(BASE)) * factor) for factor in factors]


def test_a_cut_takes_effect_in_the_next_epoch_and_is_logged() -> None:
    plateau = ReduceLROnPlateau(Monitor("val_score", "min"), factor=0.5, patience=2)
    scores, trace = [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0], RateTrace()
    history = simulate(plain_model(), [ScriptedMetric(scores), plateau, trace], len(scores))
    scales = [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert trace.rates == rates(*scales)
    assert history.history["plateau_scale"] == scales
    assert plateau.cuts == 2


@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize("patience", [1, 3])
def test_alone_it_equals_kerass_own(direction: Any, patience: int) -> None:
    scores = np.random.default_rng(patience).random(20).round(1).tolist()
    stock = keras.callbacks.ReduceLROnPlateau(
        "val_score", mode=direction, factor=0.5, patience=patience, min_delta=0.05, min_lr=0.002
    )
    ours = ReduceLROnPlateau(Monitor("val_score", direction, 0.05), 0.5, patience, floor=0.002)
    np.testing.assert_allclose(trace_of(ours, scores), trace_of(stock, scores), rtol=1e-6)


def test_the_floor_bounds_base_times_factor_and_never_raises_the_rate() -> None:
    plateau = ReduceLROnPlateau(Monitor("val_score", "min"), factor=0.1, patience=1, floor=0.03)
    assert trace_of(plateau, [1.0] * 4) == [np.float32(rate) for rate in (0.1, 0.1, 0.03, 0.03)]
    for floor in (BASE, 10.0):
        plateau = ReduceLROnPlateau(Monitor("val_score", "min"), 0.1, patience=1, floor=floor)
        assert trace_of(plateau, [1.0] * 4) == rates(1, 1, 1, 1)


def test_a_second_fit_starts_afresh_unless_a_state_is_set() -> None:
    plateau = ReduceLROnPlateau(Monitor("val_score", "min"), factor=0.5, patience=2)
    trace_of(plateau, [1.0] * 4)
    state = plateau.get_state()
    assert state == {"best": 1.0, "wait": 1, "cuts": 1, "cooldown_left": 0}
    assert trace_of(plateau, [2.0] * 4) == rates(1, 1, 1, 0.5)
    plateau.set_state(state)
    assert trace_of(plateau, [2.0] * 4) == rates(0.5, 0.25, 0.25, 0.125)


def test_mistakes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"factor must be between 0 and 1, .* but got 1\.0"):
        ReduceLROnPlateau(Monitor("val_loss", "min"), factor=1.0, patience=1)
    with pytest.raises(ValueError, match="patience must be at least 1 and finite, but got 0"):
        ReduceLROnPlateau(Monitor("val_loss", "min"), factor=0.5, patience=0)
