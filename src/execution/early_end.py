"""Ends a trial early: the pruner's threshold, the epoch budget, or a limit of the search."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np

from callbacks import PruningCallback, TrainingPlan
from src.config.schema import LimitSettings
from src.records import PruningThreshold, StoppedBy, TrialSpec
from src.text import short_number


class EarlyEnd(keras.callbacks.Callback):
    """Ends a trial before its last epoch, and knows why. The trial has completed all the same.

    A trial is never ended before its first epoch, nor where it ends by itself. The callback comes
    after all callbacks that may end the training.

    Args:
        spec: has the pruning thresholds and the epoch budget.
        plan: has the objective.
        limits: of the search.
        ending: asked after every epoch why running trials are to end; empty if they are not.
        trained: epochs that the trial had trained before its process was killed.

    Attributes:
        stopped_by: what ended the trial; None if nothing has.
        reason: why, as a sentence; empty if nothing has.
        pruner: compares the fit with its thresholds; None without any.
    """

    def __init__(
        self,
        spec: TrialSpec,
        plan: TrainingPlan,
        limits: LimitSettings,
        ending: Callable[[], str],
        trained: int = 0,
    ) -> None:
        super().__init__()
        self.spec, self.plan, self.limits = spec, plan, limits
        self.ending = ending
        self.trained = trained
        self.stopped_by: StoppedBy | None = None
        self.reason = ""
        self.pruner: PruningCallback | None = None
        self._thresholds: dict[int, PruningThreshold] = {}  # of the fit, by epoch
        self._fit = 0

    @property
    def callbacks(self) -> list[keras.callbacks.Callback]:
        """The callbacks of a fit, in this order."""
        return [*([] if self.pruner is None else [self.pruner]), self]

    def begin(self, execution: int, fold: int, rows: Iterable[Mapping[str, float]] = ()) -> None:
        """Takes the thresholds of another fit; `rows` are its epochs before a kill."""
        self._fit = (execution - self.spec.first_execution) * self.spec.folds + fold
        thresholds = self.spec.thresholds[self._fit] if self.spec.thresholds else ()
        self._thresholds = {threshold.epoch: threshold for threshold in thresholds}
        self.pruner = None
        if thresholds:
            values = {threshold.epoch: threshold.value for threshold in thresholds}
            self.pruner = PruningCallback(self.plan.monitor, self.plan.direction, values)
            reached = [row.get(self.plan.monitor, np.nan) for row in rows]
            if known := [value for value in reached if np.isfinite(value)]:
                best = max(known) if self.plan.direction == "max" else min(known)
                self.pruner.set_state({"best": best})

    def ends_trial(self) -> bool:
        """Whether no further fit follows the fit that has just ended."""
        left = self.spec.planned_fits - self._fit - 1
        if self.stopped_by is None and left and (reason := self._limit()):
            done = f"fit {self._fit + 1} of {self.spec.planned_fits}"
            self.stopped_by, self.reason = "limit", f"ended after {done}: {reason}"
        return self.stopped_by is not None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the epoch, and ends the training if there is a reason."""
        self.trained += 1
        if self.pruner is not None and self.pruner.stopped_epoch is not None:
            self.stopped_by = "pruner"
            self.reason = f"pruned {self._place(epoch)}: {self._comparison(epoch + 1)}"
        elif (
            not self.model.stop_training
            and epoch + 1 < self.spec.epochs
            and (reason := self._limit())
        ):
            self.stopped_by, self.reason = "limit", f"ended {self._place(epoch)}: {reason}"
            self.model.stop_training = True

    def _limit(self) -> str:
        if self.spec.epoch_budget is not None and self.trained >= self.spec.epoch_budget:
            return f"all {self.limits.epochs} epochs are used (limits.epochs)"
        return self.ending()

    def _comparison(self, epoch: int) -> str:
        assert self.pruner is not None
        threshold = self._thresholds[epoch]
        below = "below" if self.plan.direction == "max" else "above"
        reached, value = short_number(self.pruner.best), short_number(threshold.value)
        return f"{self.plan.monitor} {reached} is {below} {value}, {threshold.meaning}"

    def _place(self, epoch: int) -> str:
        fits = self.spec.planned_fits
        fit = f" in fit {self._fit + 1} of {fits}" if fits > 1 else ""
        return f"at epoch {epoch + 1} of {self.spec.epochs}{fit}"
