"""Records the epochs of a trial, and holds the callbacks that end a training."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from callbacks import StopOnDivergence, TimeBudget
from src.config.schema import LimitSettings
from src.execution.early_end import EarlyEnd
from src.execution.failures import TrialFailedError, too_slow
from src.records import EPOCH_KEYS


class EpochRecorder(keras.callbacks.Callback):
    """Collects one row an epoch.

    Args:
        monitor: the objective.
        limits: of the trial.
        started: when the trial began, by `time.perf_counter()`.
        early_end: ends the trial early.
        rows: epochs that the trial had trained before its process was killed.

    Attributes:
        rows: execution, fold, epoch (from 1) and every log, batch size and learning rate included.
        divergence: fails the fit if a loss or the objective is not finite, or the loss has grown
            far beyond its first value.
        budget: fails the trial after `limits.trial_seconds`; None without this limit.
        parameters: of the model.
        batch_size: rows of a step, in the last epoch.
        epochs: the epoch reached.
    """

    def __init__(
        self,
        monitor: str,
        limits: LimitSettings,
        started: float,
        early_end: EarlyEnd,
        rows: Sequence[dict[str, float]] = (),
    ) -> None:
        super().__init__()
        self.limits = limits
        self.started = started
        self.early_end = early_end
        self.rows: list[dict[str, float]] = list(rows)
        self.divergence = StopOnDivergence(watched=("loss", "val_loss", monitor))
        self.budget = (
            None if limits.trial_seconds is None else TimeBudget(limits.trial_seconds, started)
        )
        self.parameters = self.batch_size = 0
        self.execution = self.fold = self.epochs = 0

    @property
    def callbacks(self) -> list[keras.callbacks.Callback]:
        """The recorder, then the callbacks that end the training."""
        budget = [] if self.budget is None else [self.budget]
        return [self, self.divergence, *budget, *self.early_end.callbacks]

    def begin(self, execution: int, fold: int) -> None:
        """Starts the rows of another fit, or continues them."""
        self.execution, self.fold = execution, fold
        rows = self.rows_of(execution, fold)
        first = next((row["loss"] for row in rows), None)
        self.divergence.set_state({"first_loss": first})
        self.early_end.begin(execution, fold, rows)

    def rows_of(self, execution: int, fold: int) -> list[dict[str, float]]:
        """The rows of one fit."""
        return [row for row in self.rows if (row["execution"], row["fold"]) == (execution, fold)]

    def logs_of(self, execution: int, fold: int) -> list[tuple[int, dict[str, float]]]:
        """Epoch (from 0) and logs of each epoch of one fit."""
        return [
            (int(row["epoch"]) - 1, {name: row[name] for name in row if name not in EPOCH_KEYS})
            for row in self.rows_of(execution, fold)
        ]

    def check(self) -> None:
        """Raises `TrialFailedError` if the last fit has failed."""
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
