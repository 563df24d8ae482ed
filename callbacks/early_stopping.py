"""Stops training when a metric has not improved for a number of epochs."""

from typing import Any, ClassVar

from callbacks.base import Monitor, check_number
from callbacks.registry import TrainingPlan
from callbacks.tunable import Range, TunableCallback


class EarlyStopping(TunableCallback):
    """Stops training after `patience` epochs without improvement; weights stay as they are.

    The first `start_epoch` epochs do not count. `BestEpoch` keeps the best epoch's weights.
    """

    PREFIX = "early_stopping_"
    SPACE = {
        "early_stopping_patience": Range(0, 20, 0, valid=(0, 10**6), patience=True),  # 0 is off
        "early_stopping_start": Range(0, 20, 0, valid=(0, 10**6)),
        "early_stopping_min_delta": Range(0.0, 0.01, 0.0, valid=(0.0, 1e6)),
    }
    needs_validation: ClassVar[bool] = True
    STATE: ClassVar[tuple[str, ...]] = ("best", "wait", "stopped_epoch")
    best: float | None = None  # the best value so far
    wait: int = 0  # epochs since then
    stopped_epoch: int | None = None  # from 0, after which training was stopped

    def __init__(self, monitor: Monitor, patience: int, start_epoch: int = 0) -> None:
        super().__init__()
        check_number("patience", patience, 1)
        self.monitor, self.patience, self.start_epoch = monitor, patience, start_epoch

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "EarlyStopping | None":
        patience, start, min_delta = cls.arguments(hp).values()
        if patience == 0:
            return None
        return cls(Monitor(plan.monitor, plan.direction, min_delta), patience, start)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if epoch < self.start_epoch:
            self.monitor.value(logs)  # a missing metric is an error from the first epoch on
            return
        self.best, self.wait = self.monitor.count(self.best, self.wait, logs)
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
