"""Stops training that has taken longer than it may, by wall-clock time."""

import time
from typing import Any

import keras

from callbacks.base import check_number


class TimeBudget(keras.callbacks.Callback):
    """Stops training at the end of the epoch in which its `seconds`, at least 0, have run out.

    The time began at `started`, by `time.perf_counter()`, or without it when training begins.
    """

    def __init__(self, seconds: float, started: float | None = None) -> None:
        super().__init__()
        check_number("seconds", seconds, 0)
        self.seconds, self.started = seconds, started
        self.stopped_epoch: int | None = None  # from 0, after which training was stopped
        self._began = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.stopped_epoch = None
        self._began = time.perf_counter() if self.started is None else self.started

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if time.perf_counter() - self._began > self.seconds:
            self.stopped_epoch = epoch
            self.model.stop_training = True
