"""Keeps the logs of a trial's epochs, and tells why a training that led nowhere has failed."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from callbacks import StopOnDivergence, TimeBudget
from src.config.schema import LimitSettings
from src.execution.early_end import Cutter
from src.execution.failures import TrialFailedError, too_slow


class EpochRecorder(keras.callbacks.Callback):
    """Collects one row an epoch, and has the callbacks that end the training when it should fail,
    or be cut short.

    Args:
        monitor: the objective.
        limits: of the trial.
        started: when the trial began, by `time.perf_counter()`.
        cutter: cuts the trial short.
        rows: the epochs that it had trained before its process was killed.

    Attributes:
        rows: execution, fold, epoch (from 1) and every log, the batch size and the rate included.
        divergence: of the fit: ends it when a loss or the objective is no longer finite, or the
            loss has grown far beyond its first value.
        budget: of the trial: ends it after `limits.trial_seconds`; None where there is no limit.
        parameters: of the model; for whoever reports them.
        batch_size: rows of a step, in the last epoch.
        epochs: the epoch reached.
    """

    def __init__(
        self,
        monitor: str,
        limits: LimitSettings,
        started: float,
        cutter: Cutter,
        rows: Sequence[dict[str, float]] = (),
    ) -> None:
        super().__init__()
        self.limits = limits
        self.started = started
        self.cutter = cutter
        self.rows: list[dict[str, float]] = list(rows)
        self.divergence = StopOnDivergence(watched=("loss", "val_loss", monitor))
        self.budget = (
            None if limits.trial_seconds is None else TimeBudget(limits.trial_seconds, started)
        )
        self.parameters = self.batch_size = 0
        self.execution = self.fold = self.epochs = 0

    @property
    def guards(self) -> list[keras.callbacks.Callback]:
        """The callbacks that end the training."""
        budget = [] if self.budget is None else [self.budget]
        return [self.divergence, *budget, *self.cutter.callbacks]

    def begin(self, execution: int, fold: int) -> None:
        """Starts the rows of another fit, or goes on with them."""
        self.execution, self.fold = execution, fold
        rows = self.rows_of(execution, fold)
        first = next((row["loss"] for row in rows), None)
        self.divergence.set_state({"first_loss": first})
        self.cutter.begin(execution, fold, rows)

    def rows_of(self, execution: int, fold: int) -> list[dict[str, float]]:
        """The rows of one fit."""
        return [row for row in self.rows if (row["execution"], row["fold"]) == (execution, fold)]

    def check(self) -> None:
        """Raises `TrialFailedError` if the last fit should fail."""
        if self.divergence.reason:
            raise TrialFailedError(self.divergence.reason)
        if self.budget is not None and self.budget.stopped_epoch is not None:
            epoch = self.budget.stopped_epoch + 1
            raise TrialFailedError(f"{too_slow(self.limits)}, in epoch {epoch}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps the logs."""
        logs = logs or {}
        self.epochs = epoch + 1
        self.batch_size = int(logs.get("batch_size", self.batch_size))
        self.rows.append(
            {name: float(value) for name, value in logs.items() if np.ndim(value) == 0}
            | {
                "execution": self.execution,
                "fold": self.fold,
                "epoch": self.epochs,
                "batch_size": self.batch_size,
            }
        )
