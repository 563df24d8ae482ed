"""Keeps the best epoch's weights in memory."""

from typing import Any, ClassVar

import numpy as np

from callbacks.base import Monitor, StatefulCallback


class BestEpoch(StatefulCallback):
    """Remembers the epoch with the best monitored value: its number, its logs, its weights.

    A checkpoint for each improving epoch would cost ten milliseconds or more. The state lacks
    `weights`, which are as `model.get_weights()` gives them.
    """

    STATE: ClassVar[tuple[str, ...]] = ("value", "epoch", "logs")
    value: float | None = None  # None before the first finite one
    epoch: int = 0  # from 1; 0 before
    logs: dict[str, float] = {}  # all of that epoch

    def __init__(self, monitor: Monitor) -> None:
        super().__init__()
        self.monitor = monitor
        self.weights: list[np.ndarray[Any, Any]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = self.monitor.value(logs)
        if self.monitor.is_better(value, self.value):
            self.value = value
            self.epoch = epoch + 1
            self.logs = {name: float(number) for name, number in (logs or {}).items()}
            self.weights = self.model.get_weights()
