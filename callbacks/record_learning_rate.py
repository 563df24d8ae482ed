"""Puts the learning rate of each epoch into its logs."""

from typing import Any

import keras


class RecordLearningRate(keras.callbacks.Callback):
    """Adds `learning_rate`, the rate that the epoch was trained with, to the logs of each epoch.

    It works with and without the callbacks that change the rate, in any order with them: they
    write it when an epoch begins. Keras gives one dict of logs to its callbacks in turn, `History`
    last; a callback that is to see the rate, such as `TensorBoard`, comes after this one.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the rate."""
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
