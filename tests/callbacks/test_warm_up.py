"""Warm-up in front of any schedule, against Keras's own and by hand."""

import json
from typing import Any

import keras
import numpy as np
import pytest

from callbacks import SCHEDULES, LearningRateScheduler, WarmUp, get_schedule, parameters_of
from tests.callbacks.helpers import BASE, RateTrace, plain_model, simulate

COSINE = get_schedule("cosine", {"final": 0.1})
EPOCHS = 12


def rates(scheduler: Any, epochs: int = EPOCHS, start: int = 0) -> list[float]:
    trace = RateTrace()
    simulate(plain_model(), [scheduler, trace], epochs, start)
    return [rate / float(np.float32(BASE)) for rate in trace.rates]


@pytest.mark.parametrize("warm", [1, 3, 11])
def test_linear_equals_kerass_over_the_whole_range(warm: int) -> None:
    reference = keras.optimizers.schedules.CosineDecay(
        0.2, EPOCHS - warm, alpha=0.1, warmup_target=1.0, warmup_steps=warm
    )
    schedule = WarmUp("linear", warm, start=0.2).before(COSINE, warm / EPOCHS)
    ours = [schedule(epoch / EPOCHS) for epoch in range(EPOCHS + 1)]
    np.testing.assert_allclose(ours, [float(reference(e)) for e in range(EPOCHS + 1)], rtol=1e-5)
    scheduler = LearningRateScheduler(COSINE, EPOCHS, warm_up=WarmUp("linear", warm, start=0.2))
    np.testing.assert_allclose(rates(scheduler), ours[:-1], rtol=1e-6)


def test_exponential_multiplies_by_the_same_factor_in_every_epoch() -> None:
    warm_up = WarmUp("exponential", 4, start=0.0001)
    scheduler = LearningRateScheduler(lambda _: 1.0, EPOCHS, warm_up=warm_up)
    assert rates(scheduler) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, *[1.0] * 8], rel=1e-5)


def test_a_fraction_of_an_epoch_counts() -> None:
    scheduler = LearningRateScheduler(lambda _: 1.0, EPOCHS, warm_up=WarmUp("linear", 2.5, start=0))
    assert rates(scheduler) == pytest.approx([0, 0.4, 0.8, *[1.0] * 9], rel=1e-5)


def test_a_warm_up_longer_than_the_training_never_ends_and_is_no_error() -> None:
    scheduler = LearningRateScheduler(COSINE, 2, warm_up=WarmUp("linear", 8, start=0))
    assert rates(scheduler, 2) == pytest.approx([0, 1 / 8], rel=1e-5)
    assert rates(scheduler, 3)[2] == pytest.approx(2 / 8, rel=1e-5)  # beyond the plan
    alone = LearningRateScheduler(COSINE, 1, warm_up=WarmUp("linear", 1, start=0.3))
    assert rates(alone, 1) == pytest.approx([0.3], rel=1e-5)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("shape", ["linear", "exponential"])
def test_any_schedule_begins_where_the_warm_up_ends(name: str, shape: Any) -> None:
    parameters = {key: search.default for key, search in parameters_of(name).items()}
    schedule = get_schedule(name, parameters)
    warmed = WarmUp(shape, 1, start=0.25).before(schedule, 0.2)
    assert warmed(0.0) == pytest.approx(0.25)
    assert warmed(0.1) == pytest.approx(0.625 if shape == "linear" else 0.5)
    assert [warmed(0.2 + 0.8 * p) for p in (0.0, 0.3, 0.999)] == pytest.approx(
        [schedule(p) for p in (0.0, 0.3, 0.999)]
    )


@pytest.mark.parametrize("unit", ["epoch", "step"])
def test_steps_are_counted_in_plain_keras(unit: Any) -> None:
    trace = RateTrace()
    warm_up = WarmUp("linear", 4, "step", start=0.0)
    scheduler = LearningRateScheduler(lambda _: 1.0, 3, unit, warm_up)
    x, y = np.ones((6, 1), "float32"), np.zeros((6, 1), "float32")
    plain_model().fit(x, y, batch_size=2, epochs=3, callbacks=[scheduler, trace], verbose=0)
    found = [rate / float(np.float32(BASE)) for rate in trace.rates]
    if unit == "step":
        assert found == pytest.approx([0, 1 / 4, 2 / 4, 3 / 4, *[1.0] * 5], rel=1e-5)
    else:
        assert found == pytest.approx([0, 0, 0, 3 / 4, 3 / 4, 3 / 4, 1, 1, 1], rel=1e-5)


def test_steps_are_those_of_the_first_epoch_after_a_promotion_too() -> None:
    def scheduler() -> Any:
        return LearningRateScheduler(COSINE, EPOCHS, warm_up=WarmUp("linear", 8, "step"))

    class Sized:  # a model whose batches grow: 4 steps in the first epoch, then 2
        step_rates = None

        def __init__(self) -> None:
            self.model = plain_model()
            self.steps = 4

        def __getattr__(self, name: str) -> Any:
            return getattr(self.model, name)

        def epoch_steps(self) -> int:
            return self.steps

    def run(model: Any, callback: Any, until: int, start: int) -> list[float]:
        found = []
        callback.set_model(model)
        callback.set_params({"steps": 1})
        callback.on_train_begin()
        for epoch in range(start, until):
            model.steps = 4 if epoch == 0 else 2
            callback.on_epoch_begin(epoch)
            callback.on_train_batch_begin(0)
            found.append(float(model.optimizer.learning_rate))
        callback.on_train_end()
        return found

    at_once = run(Sized(), scheduler(), 5, 0)
    first, second = scheduler(), scheduler()
    model = Sized()
    pieces = run(model, first, 1, 0)
    second.set_state(json.loads(json.dumps(first.get_state())))
    assert pieces + run(model, second, 5, 1) == at_once
    base = float(np.float32(BASE))
    assert at_once[:3] == pytest.approx([0.1 * base, 0.55 * base, base], rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("quadratic", 1.0), "shape must be 'linear' or 'exponential', but got 'quadratic'"),
        (("linear", 0.0), "length must be finite and above 0, but got 0.0"),
        (("linear", float("nan")), "length must be finite and above 0, but got nan"),
        (("linear", 1.0, "batch"), "unit must be 'epoch' or 'step', but got 'batch'"),
        (("linear", 1.0, "epoch", 1.5), "start must be from 0 to 1, but got 1.5"),
        (("exponential", 1.0, "epoch", 0.0), "start must be from 1e-09 to 1, but got 0.0"),
    ],
)
def test_mistakes_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WarmUp(*arguments)


def test_steps_of_unknown_number_are_refused() -> None:
    scheduler = LearningRateScheduler(COSINE, 3, warm_up=WarmUp("linear", 4, "step"))
    scheduler.set_params({"steps": None})
    with pytest.raises(ValueError, match="must know how many steps an epoch has"):
        scheduler.on_train_begin()
