"""The learning rate of every step: whole epochs in memory, whole epochs streamed, plain Keras."""

import math
from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
import pytest
import tensorflow as tf

from callbacks import LearningRateScheduler, ReduceLROnPlateau, ScheduleLogger, get_schedule
from hypermodels.epoch_model import EpochModel
from hypermodels.mlp import MLP
from hypermodels.optimizers import OPTIMIZERS
from tests.callbacks.helpers import BASE, ScriptedMetric
from tests.hypermodels.helpers import PROBLEMS, arrays, declared
from tests.hypermodels.test_epoch_model import data, linear
from tests.selection import slow_but

Mode = Literal["memory", "stream", "plain"]
MODES: list[Mode] = ["memory", "stream", "plain"]
ROWS = 10
COSINE = get_schedule("cosine", {"final": 0.1})
# Maximised, with patience 2: cuts after epochs 3, 6 and 8.
SCORES = [0.1, 0.5, 0.4, 0.4, 0.4, 0.6, 0.1, 0.1, 0.1, 0.7]
CUTS = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def warm_up(progress: float) -> float:
    return min(progress / 0.3, 1.0) * math.exp(-progress)


class RecordingSGD(keras.optimizers.SGD):
    """Writes the rate of every step into `rates` as it applies it."""

    def __init__(self, momentum: float = 0.0) -> None:
        super().__init__(BASE, momentum=momentum)
        self.rates = tf.Variable(tf.fill([200], -1.0), trainable=False)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate)
        rate = tf.reshape(tf.cast(learning_rate, tf.float32), (1,))
        step = tf.reshape(tf.cast(self.iterations.value, tf.int32), (1, 1))
        self.rates.scatter_nd_update(step, rate)


class OneWeight(keras.losses.Loss):  # type: ignore[misc, unused-ignore]
    """The mean prediction: gradient 1 for the only weight where all inputs are 1."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return y_pred[:, 0]


def one_weight(mode: Mode, momentum: float = 0.0) -> Any:
    inputs = keras.Input((1,))
    outputs = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs)
    model = (keras.Model if mode == "plain" else EpochModel)(inputs, outputs)
    model.compile(RecordingSGD(momentum), loss=OneWeight(), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def train(
    model: Any, mode: Mode, callbacks: list[Any], batch_size: int, epochs: int, start: int = 0
) -> Any:
    x, y = np.ones((ROWS, 1), "float32"), np.zeros((ROWS, 1), "float32")
    options = {"callbacks": callbacks, "epochs": epochs, "initial_epoch": start, "verbose": 0}
    if mode == "plain":
        return model.fit(x, y, batch_size=batch_size or ROWS, **options)
    model.batch_size.assign(batch_size)
    return model.fit_epochs((x, y), stream=mode == "stream", **options)


def trace(model: Any) -> list[float]:
    """The rates of all steps so far; checked against what the weight has become."""
    rates = model.optimizer.rates.numpy()[: int(model.optimizer.iterations)]
    moved = -np.sum(rates, dtype=np.float64)
    assert model.get_weights()[0].item() == pytest.approx(moved, rel=1e-5)
    assert -1.0 not in rates
    return list(rates)


def expected(
    schedule: Callable[[float], float], batch_size: int, epochs: range, planned: int, cuts: Any = ()
) -> list[Any]:
    """base × schedule(progress) × plateau factor, directly."""
    steps = -(-ROWS // (batch_size or ROWS))
    base = float(np.float32(BASE))
    return [
        np.float32(
            base * schedule((epoch + step / steps) / planned) * 0.5 ** (cuts[epoch] if cuts else 0)
        )
        for epoch in epochs
        for step in range(steps)
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("schedule", [COSINE, warm_up])
@pytest.mark.parametrize(
    ("batch_size", "epochs"),
    [(4, 3), (5, 2), (0, 4), (4, 1), (0, 1)],
    ids=["partial last batch", "whole batches", "full", "one epoch", "one step"],
)
def test_every_step_has_the_schedules_rate(
    mode: Mode, schedule: Callable[[float], float], batch_size: int, epochs: int
) -> None:
    model = one_weight(mode)
    scheduler = LearningRateScheduler(schedule, epochs, "step")
    history = train(model, mode, [ScheduleLogger(), scheduler], batch_size, epochs).history
    rates = expected(schedule, batch_size, range(epochs), epochs)
    np.testing.assert_allclose(trace(model), rates, rtol=2e-7)
    steps = len(rates) // epochs
    np.testing.assert_allclose(history["learning_rate"], rates[::steps], rtol=2e-7)
    assert float(model.optimizer.learning_rate) == np.float32(BASE)  # given back


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scheduler_first", [True, False])
def test_a_plateau_cut_holds_for_all_steps_of_an_epoch(mode: Mode, scheduler_first: bool) -> None:
    pair = [
        LearningRateScheduler(COSINE, 10, "step"),
        ReduceLROnPlateau("val_score", "max", factor=0.5, patience=2),
    ]
    callbacks = [ScriptedMetric(SCORES), *(pair if scheduler_first else reversed(pair))]
    model = one_weight(mode)
    train(model, mode, callbacks, 4, 10)
    rates = expected(COSINE, 4, range(10), 10, CUTS)
    np.testing.assert_allclose(trace(model), rates, rtol=2e-7)


@pytest.mark.parametrize("mode", MODES)
def test_a_promotion_continues_at_its_step(mode: Mode) -> None:
    model = one_weight(mode)
    for start, end in ((0, 1), (1, 4), (4, 6)):
        train(model, mode, [LearningRateScheduler(COSINE, 6, "step")], 4, end, start)
    np.testing.assert_allclose(trace(model), expected(COSINE, 4, range(6), 6), rtol=2e-7)


@pytest.mark.parametrize("mode", MODES)
def test_epochs_beyond_the_plan_stay_at_the_end_of_the_schedule(mode: Mode) -> None:
    model = one_weight(mode)
    train(model, mode, [LearningRateScheduler(COSINE, 1, "step")], 5, 2)
    rates = [np.float32(BASE * COSINE(progress)) for progress in (0, 0.5, 1, 1)]
    np.testing.assert_allclose(trace(model), rates, rtol=2e-7)


@pytest.mark.parametrize("mode", MODES)
def test_by_the_epoch_all_steps_of_one_share_its_rate(mode: Mode) -> None:
    model = one_weight(mode)
    train(model, mode, [LearningRateScheduler(COSINE, 3)], 4, 3)
    rates = [np.float32(BASE * COSINE(epoch / 3)) for epoch in (0, 0, 0, 1, 1, 1, 2, 2, 2)]
    np.testing.assert_allclose(trace(model), rates, rtol=2e-7)


@pytest.mark.parametrize("stream", [False, True])
def test_a_batch_size_that_changes_changes_the_steps(stream: bool) -> None:
    class Halve(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.batch_size.assign([8, 4, 0][epoch])

    mode: Mode = "stream" if stream else "memory"
    for callbacks in (
        [Halve(), LearningRateScheduler(COSINE, 3, "step")],
        [LearningRateScheduler(COSINE, 3, "step"), Halve()],
    ):
        model = one_weight(mode)
        train(model, mode, callbacks, 8, 3)
        progress = [0, 1 / 2, 1, 4 / 3, 5 / 3, 2]
        rates = [np.float32(BASE * COSINE(epochs / 3)) for epochs in progress]
        np.testing.assert_allclose(trace(model), rates, rtol=2e-7)


def test_rates_left_by_an_interrupted_fit_are_forgotten() -> None:
    class Interrupt(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    model = one_weight("memory")
    with pytest.raises(KeyboardInterrupt):
        train(model, "memory", [LearningRateScheduler(warm_up, 2, "step"), Interrupt()], 4, 2)
    assert len(model.step_rates.numpy()) == 3
    model.optimizer.learning_rate = BASE
    train(model, "memory", [], 5, 1)
    assert trace(model)[3:] == [np.float32(BASE)] * 2


@pytest.mark.parametrize("count", [2, 4])
def test_rates_that_are_not_one_a_step_are_refused(count: int) -> None:
    class Write(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.step_rates.assign([0.1] * count)

    model = one_weight("memory")
    with pytest.raises(ValueError, match=f"step_rates has {count} rates; valid: .* are 3, or none"):
        train(model, "memory", [Write()], 4, 1)
    assert model.get_weights()[0].item() == 0


def test_a_schedule_in_the_optimizer_works_in_the_whole_epoch_model() -> None:
    decay = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.25])
    model = one_weight("memory")
    model.compile(keras.optimizers.SGD(decay), loss=OneWeight(), jit_compile=False)
    train(model, "memory", [], 4, 1)
    assert model.get_weights()[0].item() == -(0.5 + 0.5 + 0.25)


def test_rates_need_no_trace() -> None:
    model = linear()
    for callbacks in ([], [LearningRateScheduler(COSINE, 2, "step")], []):
        model.fit_epochs(data(), epochs=2, verbose=0, callbacks=callbacks)
    assert model.optimizer.calls == 1


def test_a_plain_model_on_data_of_unknown_length_is_refused() -> None:
    model = one_weight("plain")
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([(np.ones((1, 1)), np.zeros((1, 1)))] * 4),
        output_signature=(tf.TensorSpec((1, 1)), tf.TensorSpec((1, 1))),
    )
    scheduler = LearningRateScheduler(COSINE, 2, "step")
    with pytest.raises(ValueError, match="give fit steps_per_epoch"):
        model.fit(dataset, epochs=2, shuffle=False, verbose=0, callbacks=[scheduler])
    options = {"steps_per_epoch": 4, "shuffle": False, "verbose": 0}
    model.fit(dataset.repeat(), epochs=2, callbacks=[scheduler], **options)
    rates = [np.float32(BASE * COSINE(step / 8)) for step in range(8)]
    np.testing.assert_allclose(trace(model), rates, rtol=2e-7)


class Rates(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Sets the rate of each epoch's only step."""

    values = (0.01, 0.002, 0.03)

    def __init__(self, by_step: bool) -> None:
        super().__init__()
        self.by_step = by_step

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self.by_step:
            self.model.step_rates.assign(self.values[epoch : epoch + 1])
        else:
            self.model.optimizer.learning_rate = self.values[epoch]


@pytest.mark.parametrize("name", slow_but(OPTIMIZERS, ["rmsprop", "momentum", "lion"]))
def test_every_optimizer_takes_a_steps_rate_as_its_own(name: str) -> None:
    hypermodel = MLP(PROBLEMS["binary"])
    values = {"units": 4, "layers": 1, "optimizer": name, "batch_size": 0}
    hp = declared(hypermodel, learning_rate=0.01, **values)
    weights = []
    for by_step in (True, False):
        keras.utils.set_random_seed(0)
        model = hypermodel.build(hp)
        hypermodel.fit(hp, model, *arrays("binary"), epochs=3, callbacks=[Rates(by_step)])
        weights.append(model.get_weights())
        assert float(model.optimizer.learning_rate) == np.float32(0.01 if by_step else 0.03)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
