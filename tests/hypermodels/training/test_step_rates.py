"""The learning rate of every step: whole epochs in memory, whole epochs streamed, plain Keras."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
import pytest
import tensorflow as tf

from callbacks import LearningRateScheduler, get_schedule
from hypermodels.training.epoch_model import EpochModel
from tests.callbacks.helpers import BASE

Mode = Literal["memory", "stream", "plain"]
ROWS = 10
COSINE = get_schedule("cosine", {"final": 0.1})
Callback: Any = keras.callbacks.Callback


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
    model: Any, mode: Mode, callbacks: Sequence[Any], batch_size: int, epochs: int, start: int = 0
) -> Any:
    x, y = np.ones((ROWS, 1), "float32"), np.zeros((ROWS, 1), "float32")
    options = {"callbacks": [*callbacks], "epochs": epochs, "initial_epoch": start}
    if mode == "plain":
        return model.fit(x, y, batch_size=batch_size or ROWS, verbose=0, **options)
    return model.fit_epochs((x, y), batch_size=batch_size, stream=mode == "stream", **options)


def trace(model: Any) -> list[float]:
    """The rates of all steps so far; checked against the weight."""
    rates = model.optimizer.rates.numpy()[: int(model.optimizer.iterations)]
    assert model.get_weights()[0].item() == pytest.approx(-np.sum(rates, dtype=float), rel=1e-5)
    return list(rates)


def test_rates_left_by_an_interrupted_fit_are_forgotten() -> None:
    class Interrupt(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            assert len(self.model.step_rates.numpy()) == 3
            raise KeyboardInterrupt

    model = one_weight("memory")
    with pytest.raises(KeyboardInterrupt):
        train(model, "memory", [LearningRateScheduler(COSINE, 2, "step"), Interrupt()], 4, 2)
    model.optimizer.learning_rate = BASE
    train(model, "memory", [], 5, 1)
    assert trace(model) == [np.float32(BASE)] * 2
