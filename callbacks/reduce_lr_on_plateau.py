"""Lowers the learning rate when a metric has stopped improving."""

from typing import Any, ClassVar

from callbacks.base import Monitor, check_number
from callbacks.learning_rate import LearningRate
from callbacks.registry import TrainingPlan
from callbacks.tunable import Choices, Range, TunableCallback

PLATEAU_SCALE = "plateau_scale"  # name in the logs of the factor on the rate
ON = {"plateau": [True]}


class ReduceLROnPlateau(TunableCallback):
    """Multiplies the rate by `factor` each time a metric has not improved for `patience` epochs.

    It goes together with a schedule, as it sets a factor. A cut takes effect in the next epoch. The
    logs get the factor as `plateau_scale`: with a schedule the rate alone does not show cuts.

    Base × factors never falls below `floor`, and a base below it stays as it is. The `cooldown`
    epochs after a cut do not count.
    """

    PREFIX = "plateau_"
    SPACE = {
        "plateau": Choices((False, True), False),
        "plateau_factor": Range(0.1, 0.8, 0.5, log=True, valid=(1e-6, 0.999999), when=ON),
        "plateau_patience": Range(2, 20, 5, valid=(1, 10**6), patience=True, when=ON),
        "plateau_floor": Range(1e-7, 1e-3, 1e-6, log=True, valid=(0.0, 10.0), when=ON),
        "plateau_cooldown": Range(0, 5, 0, valid=(0, 10**6), when=ON),
        "plateau_min_delta": Range(0.0, 0.01, 0.0, valid=(0.0, 1e6), when=ON),
    }
    needs_validation: ClassVar[bool] = True
    STATE: ClassVar[tuple[str, ...]] = ("best", "wait", "cuts", "cooldown_left")
    best: float | None = None  # the best value so far
    wait: int = 0  # epochs since then, or since the last cut
    cuts: int = 0
    cooldown_left: int = 0

    def __init__(
        self, monitor: Monitor, factor: float, patience: int, floor: float = 0.0, cooldown: int = 0
    ) -> None:
        super().__init__()
        if not 0 < factor < 1:
            raise ValueError(f"factor must be between 0 and 1, both excluded, but got {factor}")
        check_number("patience", patience, 1)
        self.monitor, self.factor, self.patience = monitor, factor, patience
        self.floor, self.cooldown = floor, cooldown
        self._scale = 1.0

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "ReduceLROnPlateau | None":
        if not hp.get("plateau"):
            return None
        given = cls.arguments(hp)
        return cls(Monitor(plan.monitor, plan.direction, given.pop("min_delta")), **given)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        LearningRate.of(self.model).begin()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        rate = LearningRate.of(self.model)
        lowest = self.floor / rate.base if rate.base > self.floor else 1.0
        self._scale = max(self.factor**self.cuts, lowest)
        rate.set_factor("plateau", self._scale)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.best, self.wait = self.monitor.count(self.best, self.wait, logs)
        if self.cooldown_left > 0:
            self.cooldown_left -= 1
            self.wait = 0
        if self.wait >= self.patience:
            self.cuts += 1
            self.cooldown_left = self.cooldown
            self.wait = 0
        if logs is not None:
            logs[PLATEAU_SCALE] = self._scale

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        LearningRate.of(self.model).remove_factor("plateau")
