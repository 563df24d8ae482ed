"""Reports how far a trial is, often enough to watch."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras

from src.execution.epoch_recorder import EpochRecorder
from src.messages import TrialProgress
from src.signals import TrialInterruptedError

INTERVAL_SECONDS = 0.2


class ProgressReporter(keras.callbacks.Callback):
    """Reports when a fit begins, and after every epoch; comes after the recorder.

    Args:
        begin: the report of the beginning.
        recorder: has the rows of the epochs.
        monitor: the objective.
        report: called with each report.
    """

    def __init__(
        self,
        begin: TrialProgress,
        recorder: EpochRecorder,
        monitor: str,
        report: Callable[[TrialProgress], None],
    ) -> None:
        super().__init__()
        self.begin, self.recorder, self.monitor, self.report = begin, recorder, monitor, report

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reports that the fit begins."""
        self.report(self.begin)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Reports the epoch."""
        row = self.recorder.rows[-1]
        rate, value = row.get("learning_rate"), row.get(self.monitor)
        self.report(
            replace(self.begin, epoch=epoch + 1, learning_rate=rate, value=value, rows=(row,))
        )


class StopOnRequest(keras.callbacks.Callback):
    """Raises `TrialInterruptedError` at the end of an epoch, if a stop was requested.

    Args:
        stopping: asked whether it was.
    """

    def __init__(self, stopping: Callable[[], bool]) -> None:
        super().__init__()
        self.stopping = stopping

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Raises if a stop was requested."""
        if self.stopping():
            raise TrialInterruptedError


def at_intervals(report: Callable[[TrialProgress], None]) -> Callable[[TrialProgress], None]:
    """Returns a function that passes on the first report of a fit, and then five a second.

    The rows of the reports between come with the next report that is passed on.
    """
    passed_on = 0.0
    rows: tuple[dict[str, float], ...] = ()

    def report_sometimes(progress: TrialProgress) -> None:
        nonlocal passed_on, rows
        if not progress.rows:  # a fit begins
            passed_on, rows = 0.0, ()
        rows += progress.rows
        now = time.monotonic()
        if now - passed_on >= INTERVAL_SECONDS:
            report(replace(progress, rows=rows))
            passed_on, rows = now, ()

    return report_sometimes
