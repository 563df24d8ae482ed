"""The scheduler, alone, with a warm-up, and composed with the plateau callback."""

from typing import Any

import keras
import numpy as np
import pytest

from callbacks import (
    LearningRateScheduler,
    Monitor,
    ReduceLROnPlateau,
    ScheduleLogger,
    WarmUp,
    get_schedule,
)
from tests.callbacks.helpers import BASE, RateTrace, ScriptedMetric, plain_model, simulate

EPOCHS = 12
COSINE = get_schedule("cosine", {"final": 0.1})
# Maximised: improves in epochs 0, 1 and 5; with patience 2 the cuts come after epochs 3, 7, 9, 11.
SCORES = [0.1, 0.5, 0.4, 0.5, 0.4, 0.6, 0.6, float("nan"), 0.1, 0.1, 0.1, 0.1]
CUTS = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3]


def plateau() -> ReduceLROnPlateau:
    return ReduceLROnPlateau(Monitor("val_score", "max"), factor=0.5, patience=2)


def expected(schedule: Any) -> list[Any]:
    base = float(np.float32(BASE))
    rates = [base * schedule(epoch / EPOCHS) * 0.5**cut for epoch, cut in enumerate(CUTS)]
    return [np.float32(rate) for rate in rates]


def factors(scheduler: Any, epochs: int = EPOCHS, start: int = 0) -> list[float]:
    """The rate over the base in each epoch."""
    trace = RateTrace()
    simulate(plain_model(), [scheduler, trace], epochs, start)
    return [rate / float(np.float32(BASE)) for rate in trace.rates]


@pytest.mark.parametrize("scheduler_first", [True, False])
def test_rate_is_base_times_schedule_times_plateau_in_either_order(scheduler_first: bool) -> None:
    pair = [LearningRateScheduler(COSINE, EPOCHS), plateau()]
    trace, metric, model = RateTrace(), ScriptedMetric(SCORES), plain_model()
    callbacks = [metric, ScheduleLogger(), *(pair if scheduler_first else pair[::-1]), trace]
    for _ in range(2):  # a second fit keeps the base
        history = simulate(model, callbacks, EPOCHS).history
        assert history["learning_rate"] == expected(COSINE)
        assert float(model.optimizer.learning_rate) == np.float32(BASE)  # restored
    assert trace.rates == expected(COSINE) * 2


def test_beside_kerass_own_plateau_callback_it_raises_rather_than_lose_the_cut() -> None:
    stock = keras.callbacks.ReduceLROnPlateau("val_score", mode="max", factor=0.5, patience=2)
    callbacks = [ScriptedMetric(SCORES), LearningRateScheduler(COSINE, EPOCHS), stock]
    with pytest.raises(RuntimeError, match="do not mix these callbacks with Keras's own"):
        simulate(plain_model(), callbacks, EPOCHS)


@pytest.mark.parametrize("start", [0, 4])
def test_a_length_in_epochs_counts_from_the_end_of_the_warm_up(start: int) -> None:
    schedule = get_schedule("step", {"factor": 0.5, "every": 4})
    cut = [0.5 ** (epoch // 4) for epoch in range(EPOCHS)]
    scheduler = LearningRateScheduler(schedule, EPOCHS)
    assert factors(scheduler, start=start) == pytest.approx(cut[start:], rel=1e-6)
    warmed = LearningRateScheduler(schedule, EPOCHS, "epoch", WarmUp("linear", 3))
    risen = [0.1, 0.4, 0.7, *cut[:9]]
    assert factors(warmed, start=start) == pytest.approx(risen[start:], rel=1e-6)
    assert factors(LearningRateScheduler(COSINE, 2), 4)[2:] == pytest.approx([0.1, 0.1])  # beyond


def test_the_steps_of_a_warm_up_are_counted_in_plain_keras() -> None:
    quarters = {"step": [0, 1, 2, 3, 4, 4], "epoch": [0, 0, 0, 3, 3, 3]}
    for unit in ("step", "epoch"):
        scheduler = LearningRateScheduler(lambda _: 1.0, 2, unit, WarmUp("linear", 4, "step", 0.0))
        trace = RateTrace()
        hooks = keras.callbacks.CallbackList([scheduler, trace], model=plain_model(), steps=3)
        hooks.on_train_begin()
        for epoch in range(2):
            hooks.on_epoch_begin(epoch)
            for step in range(3):
                hooks.on_train_batch_begin(step)
        assert trace.rates == pytest.approx([BASE * n / 4 for n in quarters[unit]], rel=1e-5)


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="unit must be epoch or step, but got 'batch'"):
        LearningRateScheduler(COSINE, 3, "batch")  # type: ignore[arg-type]
