"""Puts what else callbacks change into the logs: the batch size and the strengths of penalties."""

from typing import Any

import keras

from callbacks.reduce_lr_on_plateau import PLATEAU_SCALE
from callbacks.regularization_scheduler import STRENGTHS

CONTROLS = ("learning_rate", PLATEAU_SCALE, "batch_size", *STRENGTHS)
"""Names in the logs of what is set, not measured; TensorBoard shows each in a chart of its own."""


class RecordControls(keras.callbacks.Callback):
    """Adds `batch_size`, `l1`, `l2` and `weight_decay` to the logs, those that the model has.

    They are those of the epoch, of variables as `hypermodels.epoch_model` has them; a plain Keras
    model has none, and nothing is added. As `RecordLearningRate`, it goes with the callbacks that
    change them in any order, and before those that are to see the logs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._strengths: dict[str, Any] = {}
        self._logs: dict[str, float] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Finds the variables; those of one strength hold the same value."""
        found = getattr(self.model, "tunables", {})
        self._strengths = {name: found[name][0] for name in STRENGTHS if name in found}
        self._logs = {}

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the values of an epoch, once every callback has set them."""
        if batch == 0:
            self._logs = {name: float(variable) for name, variable in self._strengths.items()}
            if hasattr(self.model, "epoch_batch_size"):
                self._logs["batch_size"] = self.model.epoch_batch_size()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds them."""
        if logs is not None:
            logs.update(self._logs)
