"""Keeps the logs of a trial's epochs, and ends a training that leads nowhere."""

import math
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from src.config.schema import LimitSettings
from src.search.failures import TrialFailedError, too_slow


class EpochRecorder(keras.callbacks.Callback):
    """Collects one row an epoch, and ends the training when it should fail.

    That is when a loss or the objective is no longer finite, when the loss has grown to
    `limits.divergence` times its first value (or times 1, if that is larger), or when the trial has
    taken longer than `limits.trial_seconds`.

    Args:
        monitor: the objective.
        limits: of the trial.
        started: when the trial began, by `time.perf_counter()`.
        rows: the epochs that it had trained before its process was killed.

    Attributes:
        rows: execution, fold, epoch (from 1) and every log, the batch size and the rate included.
        parameters: of the model; for whoever reports them.
        batch_size: rows of a step, in the last epoch.
        epochs: the epoch reached.
    """

    def __init__(
        self,
        monitor: str,
        limits: LimitSettings,
        started: float,
        rows: Sequence[dict[str, float]] = (),
    ) -> None:
        super().__init__()
        self.watched = ("loss", "val_loss", monitor)
        self.limits = limits
        self.started = started
        self.rows: list[dict[str, float]] = list(rows)
        self.parameters = self.batch_size = 0
        self.execution = self.fold = self.epochs = 0
        self._first_loss: float | None = None
        self._problem = ""

    def begin(self, execution: int, fold: int) -> None:
        """Starts the rows of another fit, or goes on with them."""
        self.execution, self.fold = execution, fold
        self._problem = ""
        self._first_loss = next((row["loss"] for row in self.rows_of(execution, fold)), None)

    def rows_of(self, execution: int, fold: int) -> list[dict[str, float]]:
        """The rows of one fit."""
        return [row for row in self.rows if (row["execution"], row["fold"]) == (execution, fold)]

    def check(self) -> None:
        """Raises `TrialFailedError` if the last fit should fail."""
        if self._problem:
            raise TrialFailedError(self._problem)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps the logs, and looks whether to go on."""
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
        self._problem = self._infinite(logs) or self._diverged(logs) or self._too_slow()
        if self._problem:
            self.model.stop_training = True

    def _infinite(self, logs: dict[str, Any]) -> str:
        for name in self.watched:
            if name in logs and not math.isfinite(logs[name]):
                return f"{name} became {float(logs[name])} in epoch {self.epochs}"
        return ""

    def _diverged(self, logs: dict[str, Any]) -> str:
        factor, loss = self.limits.divergence, logs.get("loss")
        if factor is None or loss is None:
            return ""
        if self._first_loss is None:
            self._first_loss = float(loss)
        if loss <= factor * max(self._first_loss, 1.0):
            return ""
        return (
            f"diverged: loss {float(loss):.4g} in epoch {self.epochs}, after "
            f"{self._first_loss:.4g} in its first (limits.divergence={factor:g})"
        )

    def _too_slow(self) -> str:
        limit = self.limits.trial_seconds
        slow = limit is not None and time.perf_counter() - self.started > limit
        return f"{too_slow(self.limits)}, in epoch {self.epochs}" if slow else ""
