"""Puts the learning rate of each epoch into its logs."""

from typing import Any

import keras


class RecordLearningRate(keras.callbacks.Callback):
    """Adds `learning_rate`, the rate of the epoch's first step, to the logs of each epoch.

    Where the rate changes by the step, the first one's is the schedule's value at the epoch's
    number, whatever the number of steps: the curves of trainings with other batch sizes, or with a
    rate that changes by the epoch, can be laid over each other.

    It works with and without the callbacks that change the rate, in any order with them: they
    write it when an epoch begins. Keras gives one dict of logs to its callbacks in turn, `History`
    last; a callback that is to see the rate, such as `TensorBoard`, comes after this one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rate = 0.0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the rate of the first step; a model that runs whole epochs in a call begins one."""
        if batch == 0:
            self._rate = float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the rate."""
        if logs is not None:
            logs["learning_rate"] = self._rate
