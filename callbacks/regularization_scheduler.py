"""Strengths of regularisation that change while a model trains."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

from callbacks.base import Monitor, check_number
from callbacks.registry import TrainingPlan
from callbacks.tunable import Choices, Range, TunableCallback

STRENGTHS = ("l1", "l2", "weight_decay")  # penalties: a factor means the same for each of them
SMOOTH = {"regularization_schedule": ["linear", "exponential"]}
GAP = {"regularization_schedule": ["gap"]}


class RegularizationScheduler(TunableCallback):
    """Multiplies every strength of the model by `factor(progress)`, and restores the base.

    The strengths are `l1`, `l2` and `weight_decay`, as far as the `tunables` of the model, an
    `EpochModel`, have them. `factor` gives at least 0. Progress, epoch / `epochs`, stays at 1.
    """

    PREFIX = "regularization_"
    SPACE = {
        "regularization_schedule": Choices(("none", "linear", "exponential", "gap"), "none"),
        "regularization_final": Range(0.01, 100.0, 10.0, log=True, valid=(1e-9, 1e9), when=SMOOTH),
        "regularization_factor": Range(1.1, 3.0, 1.5, valid=(1.0, 1000.0), when=GAP),
        "regularization_patience": Range(1, 10, 3, valid=(1, 10**6), patience=True, when=GAP),
        "regularization_cap": Range(2.0, 100.0, 10.0, log=True, valid=(1.0, 1e9), when=GAP),
    }
    needs_variable: ClassVar[str] = "tunables"

    def __init__(self, factor: Callable[[float], float], epochs: int) -> None:
        super().__init__()
        self.factor, self.epochs = factor, epochs
        self._bases: list[tuple[Any, float]] = []

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "RegularizationScheduler | None":
        kind, given = hp.get("regularization_schedule"), cls.arguments(hp)
        if kind == "gap":
            return RegularizationOnGap(*given.values())
        if kind == "linear":
            return cls(lambda progress: 1 + (given["final"] - 1) * progress, plan.epochs)
        if kind == "exponential":
            return cls(lambda progress: given["final"] ** progress, plan.epochs)
        return None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        found = [v for name in STRENGTHS for v in self.model.tunables.get(name, ())]
        self._bases = [(variable, float(variable)) for variable in found]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        factor = self.factor(min(1.0, epoch / self.epochs))
        check_number("the factor on the strengths", factor, 0)
        for variable, base in self._bases:
            variable.assign(base * factor)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        for variable, base in self._bases:
            variable.assign(base)


class RegularizationOnGap(RegularizationScheduler):
    """Raises the strengths while the gap between validation and training loss grows.

    The penalties in both losses cancel. NaN and infinities end a growth. After `patience` epochs of
    growth the strengths are multiplied by `raise_by`, above 1, up to `cap` in all.
    """

    needs_validation: ClassVar[bool] = True
    STATE: ClassVar[tuple[str, ...]] = ("raises", "growing", "gap")
    raises: int = 0  # how often the strengths were raised
    growing: int = 0  # epochs in a row in which the gap has grown
    gap: float | None = None  # of the last epoch, if it was finite

    def __init__(self, raise_by: float, patience: int = 3, cap: float = 10.0) -> None:
        super().__init__(self._raised, epochs=1)
        self.raise_by, self.patience, self.cap = raise_by, patience, cap

    def _raised(self, _: float) -> float:
        return min(self.raise_by**self.raises, self.cap)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        gap = Monitor("val_loss", "min").value(logs) - Monitor("loss", "min").value(logs)
        grows = self.gap is not None and gap > self.gap
        self.growing = self.growing + 1 if grows and math.isfinite(gap) else 0
        self.gap = gap if math.isfinite(gap) else None
        if self.growing >= self.patience:
            self.growing = 0
            if self._raised(1.0) < self.cap:
                self.raises += 1
