"""A model small enough to compute by hand, and callbacks that script and trace its training."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

BASE = 0.1


class ScriptedMetric(keras.callbacks.Callback):
    """Puts `val_score` into the logs, one given value an epoch; first in the list."""

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        logs["val_score"] = self.values[epoch]


class RateTrace(keras.callbacks.Callback):
    """Collects the learning rate at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.rates.append(float(self.model.optimizer.learning_rate))


def plain_model(optimizer: Any = None) -> Any:
    """A stock Keras model of one weight, which starts at 0 and has gradient 1 at every step."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    )
    model.compile(
        optimizer or keras.optimizers.SGD(BASE),
        loss=lambda _, predicted: keras.ops.mean(predicted),
        run_eagerly=True,  # nothing to trace: a fit takes milliseconds
    )
    return model


def fit(model: Any, callbacks: list[Any], epochs: int) -> Any:
    """Trains with one step an epoch and returns the `History`."""
    x, y = np.ones((1, 1), "float32"), np.zeros((1, 1), "float32")
    return model.fit(x, y, epochs=epochs, callbacks=callbacks, verbose=0)


def simulate(model: Any, callbacks: list[Any], epochs: int, initial_epoch: int = 0) -> Any:
    """Calls the hooks as `fit` does, without the steps in between: a hundred times faster."""
    hooks = keras.callbacks.CallbackList(callbacks, add_history=True, model=model)
    model.stop_training = False
    hooks.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        hooks.on_epoch_begin(epoch)
        hooks.on_train_batch_begin(0)
        hooks.on_train_batch_end(0, {"loss": 0.0})
        hooks.on_epoch_end(epoch, {"loss": 0.0})
        if model.stop_training:
            break
    hooks.on_train_end()
    return model.history
