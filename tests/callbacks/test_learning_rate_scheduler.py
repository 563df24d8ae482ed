"""The scheduler, alone and composed with the plateau callback."""

import json
import typing
from typing import Any

import keras
import numpy as np
import pytest

from callbacks import (
    SCHEDULES,
    LearningRateScheduler,
    RecordLearningRate,
    ReduceLROnPlateau,
    ScheduleUnit,
    TrainingPlan,
    WarmUp,
    get_schedule,
    parameters_of,
)
from tests.callbacks.helpers import BASE, RateTrace, ScriptedMetric, fit, plain_model, simulate

EPOCHS = 12
COSINE = get_schedule("cosine", {"final": 0.1})
# Maximised: improves in epochs 0, 1 and 5; with patience 2 the cuts come after epochs 3, 7, 9, 11.
SCORES = [0.1, 0.5, 0.4, 0.5, 0.4, 0.6, 0.6, float("nan"), 0.1, 0.1, 0.1, 0.1]
CUTS = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3]


def expected(schedule: Any, cuts: list[int], factor: float, base: float = BASE) -> list[Any]:
    base = float(np.float32(base))
    return [
        np.float32(base * schedule(epoch / len(cuts)) * factor**count)
        for epoch, count in enumerate(cuts)
    ]


def test_trace_alone() -> None:
    trace = RateTrace()
    simulate(plain_model(), [LearningRateScheduler(COSINE, EPOCHS), trace], EPOCHS)
    assert trace.rates == expected(COSINE, [0] * EPOCHS, 1.0)


@pytest.mark.parametrize("scheduler_first", [True, False])
def test_rate_is_base_times_schedule_times_plateau_in_either_order(scheduler_first: bool) -> None:
    pair = [
        LearningRateScheduler(COSINE, EPOCHS),
        ReduceLROnPlateau("val_score", "max", factor=0.5, patience=2),
    ]
    trace, metric = RateTrace(), ScriptedMetric(SCORES)
    model = plain_model()
    fit(model, [metric, *(pair if scheduler_first else reversed(pair)), trace], EPOCHS)
    assert trace.rates == expected(COSINE, CUTS, 0.5)
    assert float(model.optimizer.learning_rate) == np.float32(BASE)  # given back


def every_four(warm_up: WarmUp | None = None, unit: ScheduleUnit = "epoch") -> Any:
    schedule = get_schedule("step", {"factor": 0.5, "every": 4})
    return LearningRateScheduler(schedule, EPOCHS, unit, warm_up)


@pytest.mark.parametrize("initial_epoch", [0, 3, 4, 9])
def test_step_every_four_epochs_wherever_training_begins(initial_epoch: int) -> None:
    trace = RateTrace()
    simulate(plain_model(), [every_four(), trace], EPOCHS, initial_epoch)
    rates = [BASE * 0.5 ** (epoch // 4) for epoch in range(EPOCHS)]
    np.testing.assert_allclose(trace.rates, rates[initial_epoch:], rtol=1e-6)


@pytest.mark.parametrize(
    "warm_up",
    [WarmUp("linear", 3), pytest.param(WarmUp("linear", 6, "step"), marks=pytest.mark.slow)],
)
def test_epochs_count_from_the_end_of_a_warm_up_in_plain_fit(warm_up: WarmUp) -> None:
    trace = RateTrace()
    x, y = np.ones((2, 1), "float32"), np.zeros((2, 1), "float32")
    model, callbacks = plain_model(), [every_four(warm_up, "step"), trace]
    model.fit(x, y, batch_size=1, epochs=EPOCHS, callbacks=callbacks, verbose=0)
    risen = [0.1 + 0.9 * step / 6 for step in range(6)]  # 3 epochs of 2 steps
    cut = [0.5 ** (step // 8) for step in range(18)]
    np.testing.assert_allclose(trace.rates, [BASE * factor for factor in risen + cut], rtol=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("scheduler_first", [True, False])
def test_any_schedule_composes_with_the_plateau(name: str, scheduler_first: bool) -> None:
    parameters = {key: search.default for key, search in parameters_of(name).items()}
    schedule = get_schedule(name, parameters)
    pair = [
        LearningRateScheduler(schedule, EPOCHS),
        ReduceLROnPlateau("val_score", "max", factor=0.3, patience=2),
    ]
    trace, metric = RateTrace(), ScriptedMetric(SCORES)
    callbacks = [metric, *(pair if scheduler_first else reversed(pair)), trace]
    simulate(plain_model(), callbacks, EPOCHS)
    np.testing.assert_allclose(trace.rates, expected(schedule, CUTS, 0.3), rtol=2e-7)


@pytest.mark.parametrize("scheduler_first", [True, False])
def test_kerass_own_pair_loses_the_cut(scheduler_first: bool) -> None:
    rates = expected(COSINE, [0] * EPOCHS, 1.0)
    pair = [
        keras.callbacks.LearningRateScheduler(lambda epoch: float(rates[epoch])),
        keras.callbacks.ReduceLROnPlateau("val_score", mode="max", factor=0.5, patience=2),
    ]
    trace, metric = RateTrace(), ScriptedMetric(SCORES)
    simulate(plain_model(), [metric, *(pair if scheduler_first else pair[::-1]), trace], EPOCHS)
    assert trace.rates == rates  # the schedule alone, although the plateau callback made cuts


@pytest.mark.slow
def test_the_steps_of_a_momentum_optimizer_follow_the_rate() -> None:
    model = plain_model(keras.optimizers.SGD(BASE, momentum=0.9))
    callbacks = [
        ScriptedMetric(SCORES),
        LearningRateScheduler(COSINE, EPOCHS),
        ReduceLROnPlateau("val_score", "max", factor=0.5, patience=2),
    ]
    fit(model, callbacks, EPOCHS)
    weight = velocity = 0.0
    for rate in expected(COSINE, CUTS, 0.5):
        velocity = 0.9 * velocity - float(rate)  # the gradient is 1
        weight += velocity
    np.testing.assert_allclose(model.get_weights()[0].item(), weight, rtol=1e-5)


def test_a_second_fit_keeps_the_base() -> None:
    model, trace = plain_model(), RateTrace()
    callbacks = [
        ScriptedMetric(SCORES),
        LearningRateScheduler(COSINE, EPOCHS),
        ReduceLROnPlateau("val_score", "max", factor=0.5, patience=2),
        trace,
    ]
    simulate(model, callbacks, EPOCHS)
    simulate(model, callbacks, EPOCHS)
    assert trace.rates == expected(COSINE, CUTS, 0.5) * 2


def test_a_fit_after_an_interrupted_one_keeps_the_base() -> None:
    class Interrupt(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 6:
                raise KeyboardInterrupt

    model, trace = plain_model(), RateTrace()
    with pytest.raises(KeyboardInterrupt):
        fit(model, [LearningRateScheduler(COSINE, EPOCHS), Interrupt()], EPOCHS)
    plateau = ReduceLROnPlateau("val_score", "max", factor=0.5, patience=2)
    simulate(model, [ScriptedMetric(SCORES), plateau, trace], EPOCHS)
    assert trace.rates == expected(lambda _: 1.0, CUTS, 0.5)


def test_a_rate_set_before_the_second_fit_is_its_base() -> None:
    model, trace = plain_model(), RateTrace()
    scheduler = LearningRateScheduler(COSINE, EPOCHS)
    simulate(model, [scheduler], EPOCHS)
    model.optimizer.learning_rate = 0.3
    simulate(model, [scheduler, trace], EPOCHS)
    assert trace.rates == expected(COSINE, [0] * EPOCHS, 1.0, base=0.3)


def test_beside_kerass_plateau_callback_it_raises_rather_than_lose_the_cut() -> None:
    stock = keras.callbacks.ReduceLROnPlateau("val_score", mode="max", factor=0.5, patience=2)
    callbacks = [ScriptedMetric(SCORES), LearningRateScheduler(COSINE, EPOCHS), stock]
    with pytest.raises(RuntimeError, match="do not mix these callbacks with Keras's own"):
        simulate(plain_model(), callbacks, EPOCHS)


def test_continuing_in_pieces_gives_the_rates_of_training_at_once() -> None:
    trace = RateTrace()
    state: dict[str, Any] | None = None
    for start, end in ((0, 4), (4, 9), (9, 12)):  # as the rungs of a Hyperband bracket
        plateau = ReduceLROnPlateau("val_score", "max", factor=0.5, patience=2)
        if state is not None:
            plateau.set_state(json.loads(json.dumps(state)))
        scheduler = LearningRateScheduler(COSINE, EPOCHS)
        callbacks = [ScriptedMetric(SCORES), plateau, scheduler, trace]
        simulate(plain_model(), callbacks, end, initial_epoch=start)
        state = plateau.get_state()
    assert trace.rates == expected(COSINE, CUTS, 0.5)


def test_epochs_beyond_the_plan_stay_at_the_end_of_the_schedule() -> None:
    trace = RateTrace()
    simulate(plain_model(), [LearningRateScheduler(COSINE, 2), trace], 5)
    assert trace.rates == [
        np.float32(float(np.float32(BASE)) * COSINE(progress)) for progress in (0, 0.5, 1, 1, 1)
    ]


@pytest.mark.parametrize("epochs", [0, -3])
def test_a_plan_without_epochs_is_refused(epochs: int) -> None:
    with pytest.raises(ValueError, match=f"epochs must be at least 1, but got {epochs}"):
        LearningRateScheduler(COSINE, epochs)


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="unit must be 'epoch' or 'step', but got 'batch'"):
        LearningRateScheduler(COSINE, 3, "batch")  # type: ignore[arg-type]


def test_the_plan_decides_the_unit() -> None:
    hp = {"schedule": "linear", "schedule_final": 0.5, "warmup": "none"}
    for unit in typing.get_args(ScheduleUnit):
        plan = TrainingPlan(4, "val_loss", "min", unit)
        scheduler = LearningRateScheduler.from_hyperparameters(hp, plan)
        assert scheduler is not None
        assert (scheduler.unit, scheduler.epochs) == (unit, 4)
    assert TrainingPlan(4, "val_loss", "min").schedule_unit == "epoch"


@pytest.mark.parametrize("scheduler_first", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_by_the_step_the_plateaus_factor_holds_for_all_steps(scheduler_first: bool) -> None:
    pair = [
        LearningRateScheduler(COSINE, EPOCHS, "step"),
        ReduceLROnPlateau("val_score", "max", factor=0.5, patience=2),
    ]
    trace, metric, record = RateTrace(), ScriptedMetric(SCORES), RecordLearningRate()
    callbacks = [metric, record, *(pair if scheduler_first else reversed(pair)), trace]
    x, y = np.ones((5, 1), "float32"), np.zeros((5, 1), "float32")
    history = plain_model().fit(x, y, 2, epochs=EPOCHS, callbacks=callbacks, verbose=0).history
    base = float(np.float32(BASE))
    expected_rates = [
        np.float32(base * 0.5**cut * COSINE((epoch + step / 3) / EPOCHS))
        for epoch, cut in enumerate(CUTS)
        for step in range(3)
    ]
    assert trace.rates == expected_rates
    assert history["learning_rate"] == expected_rates[::3]  # the first step's


def test_kerass_schedule_in_the_optimizer_is_refused() -> None:
    model = plain_model(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 9)))
    with pytest.raises(ValueError, match="two things would control the rate"):
        fit(model, [LearningRateScheduler(COSINE, EPOCHS)], 1)


def test_history_holds_the_rate_of_every_epoch() -> None:
    callbacks = [
        ScriptedMetric(SCORES),
        RecordLearningRate(),
        ReduceLROnPlateau("val_score", "max", factor=0.5, patience=2),
        LearningRateScheduler(COSINE, EPOCHS),
    ]
    for order in (callbacks, callbacks[:1] + callbacks[:0:-1]):
        history = simulate(plain_model(), order, EPOCHS).history
        assert history["learning_rate"] == expected(COSINE, CUTS, 0.5)
    assert (
        fit(plain_model(), callbacks, EPOCHS).history["learning_rate"] == history["learning_rate"]
    )
