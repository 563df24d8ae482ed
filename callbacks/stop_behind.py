"""Stops training whose best value so far is behind what others had reached by the same epoch."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from callbacks.monitor import Direction, Monitor


class StopBehind(keras.callbacks.Callback):
    """Stops training after an epoch by which the metric has never reached that epoch's bar.

    What the bars are is for the caller to say: the median of earlier trainings at the same epoch
    gives the rule of Golovin et al. (Google Vizier, 2017); what the best third had reached, at
    epochs 3, 9 and 27, gives successive halving (Li et al. 2020). To equal a bar is enough. An
    epoch without a bar is not judged, nor one after which another callback stops the training.

    Example:
        ```python
        bars = {epoch: statistics.median(best[epoch] for best in earlier) for epoch in (5, 10, 20)}
        model.fit(x, y, validation_data=(x_val, y_val), epochs=30, callbacks=[
            StopBehind("val_accuracy", "max", bars),
        ])
        ```

    Args:
        monitor: the metric's name in the logs.
        direction: `min` or `max`.
        bars: by epoch, from 1, the value that the best one so far must reach; finite.

    Attributes:
        stopped_epoch: number of the epoch, from 0, after which training was stopped, or None.
        best: the best value so far; None before the first finite one.
    """

    def __init__(self, monitor: str, direction: Direction, bars: Mapping[int, float]) -> None:
        super().__init__()
        for epoch, bar in bars.items():
            if epoch < 1 or not np.isfinite(bar):
                raise ValueError(f"bars are finite, from epoch 1 on, but got {bar} at {epoch}")
        self.monitor = Monitor(monitor, direction)
        self.bars = dict(bars)
        self.stopped_epoch: int | None = None
        self.best: float | None = None
        self._resumed = False

    def get_state(self) -> dict[str, Any]:
        """Returns the best value as plain JSON data."""
        return {"best": self.best}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Lets the next fit continue from what `get_state` returned."""
        self.best = state["best"]
        self._resumed = True

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts afresh unless a state was set."""
        self.stopped_epoch = None
        if not self._resumed:
            self.best = None
        self._resumed = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compares the best value with the epoch's bar.

        Raises:
            MissingMetricError: if the logs lack the metric.
        """
        value = self.monitor.value(logs)
        if np.isfinite(value) and (self.best is None or self.monitor.is_better(value, self.best)):
            self.best = value
        bar = self.bars.get(epoch + 1)
        if bar is None or self.best is None or self.model.stop_training:
            return
        if self.monitor.is_better(bar, self.best):
            self.stopped_epoch = epoch
            self.model.stop_training = True
