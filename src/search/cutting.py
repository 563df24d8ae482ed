"""Cuts a trial short: at a pruner's bar, where its epochs are used up, or when the search ends."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np

from callbacks import PruningCallback, TrainingPlan
from src.commands import short_number
from src.config.schema import LimitSettings
from src.search.trial import Bar, Cut, TrialSpec


def nothing_ends() -> str:
    """Why running trials are to end, where nothing ends them."""
    return ""


class Cutter(keras.callbacks.Callback):
    """Ends the training of a trial before its time, and knows why.

    A trial that is cut has completed with what it reached. It is never cut before its first epoch,
    nor where it ends by itself: after its last epoch, or when early stopping has ended its last
    fit. It comes after all callbacks that may end the training.

    Args:
        spec: the trial, with the pruner's bars and the epochs that it may train.
        plan: has the objective.
        limits: those of the search.
        ending: asked after every epoch why running trials are to end; empty while they are not.
        trained: epochs of all fits that the trial had trained before its process was killed.

    Attributes:
        cut: what cut the trial short; None as long as nothing has.
        reason: why, as a sentence; empty likewise.
        pruner: holds the fit against its bars; None without any.
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
        self.cut: Cut | None = None
        self.reason = ""
        self.pruner: PruningCallback | None = None
        self._bars: dict[int, Bar] = {}
        self._fit = 0

    @property
    def callbacks(self) -> list[keras.callbacks.Callback]:
        """What a fit is given, in this order."""
        return [*([] if self.pruner is None else [self.pruner]), self]

    def begin(self, execution: int, fold: int, rows: Iterable[Mapping[str, float]] = ()) -> None:
        """Takes the bars of another fit.

        Args:
            execution: the fit's.
            fold: the fit's.
            rows: its epochs before its process was killed. Then there may have been no bars, and
                nothing that kept the best of them.
        """
        self._fit = (execution - self.spec.first_execution) * self.spec.folds + fold
        bars = self.spec.bars[self._fit] if self.spec.bars else ()
        self._bars = {bar.epoch: bar for bar in bars}
        self.pruner = None
        if bars:
            values = {bar.epoch: bar.value for bar in bars}
            self.pruner = PruningCallback(self.plan.monitor, self.plan.direction, values)
            reached = [row.get(self.plan.monitor, np.nan) for row in rows]
            if known := [value for value in reached if np.isfinite(value)]:
                best = max(known) if self.plan.direction == "max" else min(known)
                self.pruner.set_state({"best": best})

    def ends_trial(self) -> bool:
        """Whether no further fit is to follow the one that has just ended."""
        left = self.spec.planned_fits - self._fit - 1
        if self.cut is None and left and (reason := self._ending()):
            done = f"fit {self._fit + 1} of {self.spec.planned_fits}"
            self.cut, self.reason = "ended", f"ended after {done}: {reason}"
        return self.cut is not None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the epoch, and ends the training where there is a reason."""
        self.trained += 1
        if self.pruner is not None and self.pruner.stopped_epoch is not None:
            self.cut = "pruned"
            self.reason = f"pruned {self._place(epoch)}: {self._behind(self._bars[epoch + 1])}"
        elif (
            not self.model.stop_training
            and epoch + 1 < self.spec.epochs
            and (reason := self._ending())
        ):
            self.cut, self.reason = "ended", f"ended {self._place(epoch)}: {reason}"
            self.model.stop_training = True

    def _ending(self) -> str:
        if self.spec.allowance is not None and self.trained >= self.spec.allowance:
            return f"all {self.limits.epochs} epochs are used (limits.epochs)"
        return self.ending()

    def _behind(self, bar: Bar) -> str:
        assert self.pruner is not None
        below = "below" if self.plan.direction == "max" else "above"
        reached = short_number(self.pruner.best)
        return f"{self.plan.monitor} {reached} is {below} {short_number(bar.value)}, {bar.meaning}"

    def _place(self, epoch: int) -> str:
        fits = self.spec.planned_fits
        fit = f" in fit {self._fit + 1} of {fits}" if fits > 1 else ""
        return f"at epoch {epoch + 1} of {self.spec.epochs}{fit}"
