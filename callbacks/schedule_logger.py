"""Adds the values that callbacks set, such as the learning rate, to the logs of each epoch."""

from typing import Any

import keras

from callbacks.reduce_lr_on_plateau import PLATEAU_SCALE
from callbacks.regularization_scheduler import STRENGTHS

SCHEDULED = ("learning_rate", PLATEAU_SCALE, "batch_size", *STRENGTHS)
"""Names in the logs of values that are set, not measured; TensorBoard has a chart for each."""


class ScheduleLogger(keras.callbacks.Callback):
    """Adds `learning_rate` to the logs and, of an `EpochModel`, batch size and strengths.

    The rate is that of the epoch's first step, so that trainings with other batch sizes can be
    compared. A callback that reads the values from the logs, such as `TensorBoard`, comes after it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._strengths: dict[str, Any] = {}
        self._logs: dict[str, float] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        found = getattr(self.model, "tunables", {})
        # The variables of one strength, a layer each, hold the same value.
        self._strengths = {name: found[name][0] for name in STRENGTHS if name in found}

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if batch == 0:  # by now every callback has set its value
            self._logs = {"learning_rate": float(self.model.optimizer.learning_rate)}
            self._logs |= {name: float(variable) for name, variable in self._strengths.items()}
            if hasattr(self.model, "epoch_batch_size"):
                self._logs["batch_size"] = self.model.epoch_batch_size()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs.update(self._logs)
