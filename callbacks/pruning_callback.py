"""Prunes a training whose best value has not reached a threshold by some epoch."""

from collections.abc import Mapping
from typing import Any, ClassVar

from callbacks.base import Monitor, StatefulCallback
from callbacks.registry import Direction


class PruningCallback(StatefulCallback):
    """Stops training after an epoch by which the metric has never reached the epoch's threshold.

    Medians of earlier trainings give the median rule of Golovin et al. (Google Vizier, 2017); the
    best third at epochs 3, 9 and 27 gives successive halving (Li et al. 2020). To equal a threshold
    is enough. An epoch after which another callback stops the training is not judged.

    `thresholds` has, by epoch from 1, the value that the best value so far must reach.
    """

    STATE: ClassVar[tuple[str, ...]] = ("best", "stopped_epoch")
    best: float | None = None  # the best value so far
    stopped_epoch: int | None = None  # from 0, after which training was stopped

    def __init__(self, monitor: str, direction: Direction, thresholds: Mapping[int, float]) -> None:
        super().__init__()
        self.monitor = Monitor(monitor, direction)
        self.thresholds = dict(thresholds)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.best, _ = self.monitor.count(self.best, 0, logs)
        threshold = self.thresholds.get(epoch + 1)
        if threshold is None or self.best is None or self.model.stop_training:
            return
        if self.monitor.is_better(threshold, self.best):
            self.stopped_epoch = epoch
            self.model.stop_training = True
