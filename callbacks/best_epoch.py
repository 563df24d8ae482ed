"""Keeps the best epoch's weights in memory."""

from typing import Any

import keras
import numpy as np

from callbacks.monitor import Monitor


class BestEpoch(keras.callbacks.Callback):
    """Remembers the epoch with the best monitored value: its number, its logs, its weights.

    Nothing is written to disk: a copy in memory costs a fraction of a millisecond, a checkpoint for
    each improving epoch ten or more.

    Attributes:
        value: the best value; None before the first finite one.
        epoch: its epoch, from 1; 0 before.
        logs: all logs of that epoch.
        weights: the model's weights then, as `model.get_weights()` gives them.
    """

    def __init__(self, monitor: Monitor) -> None:
        super().__init__()
        self.monitor = monitor
        self.value: float | None = None
        self.epoch = 0
        self.logs: dict[str, float] = {}
        self.weights: list[np.ndarray[Any, Any]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compares, and copies if better; of equal values the first counts."""
        value = self.monitor.value(logs)
        if not np.isfinite(value):
            return
        if self.value is None or self.monitor.is_better(value, self.value):
            self.value = value
            self.epoch = epoch + 1
            self.logs = {name: float(number) for name, number in (logs or {}).items()}
            self.weights = self.model.get_weights()

    def get_state(self) -> dict[str, Any]:
        """Value, epoch and logs as plain data; the weights are arrays and are kept apart."""
        return {"value": self.value, "epoch": self.epoch, "logs": self.logs}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from `get_state()`; set `weights` too."""
        self.value, self.epoch, self.logs = state["value"], state["epoch"], state["logs"]
