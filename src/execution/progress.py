"""Reports how far a trial is: often enough to watch, and without loss of an epoch."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
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
        """Raises then."""
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


class ProgressSender:
    """A worker's end of its connection: sends reports from a thread of its own, then the result.

    The report that a fit begins is sent at once. Further reports are sent at most five times a
    second, also while the trial hangs; reports that wait are joined.

    Args:
        connection: to the parent.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changed = threading.Condition()  # guards the next two and the connection
        self._waiting: TrialProgress | None = None
        threading.Thread(target=self._serve, name="progress", daemon=True).start()

    def report(self, progress: TrialProgress) -> None:
        """Sends a report soon."""
        with self._changed:
            rows = self._waiting.rows if self._waiting is not None else ()
            self._waiting = replace(progress, rows=rows + progress.rows)
            if progress.rows:
                self._changed.notify()
            else:
                self._send_waiting()

    def answer(self, result: Any) -> None:
        """Sends the result of the trial; reports that still wait are dropped."""
        with self._changed:
            self._waiting = None
            self._connection.send(result)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None)
                self._send_waiting()
            time.sleep(INTERVAL_SECONDS)

    def _send_waiting(self) -> None:
        try:
            self._connection.send(self._waiting)
        except OSError:
            os._exit(1)  # nobody waits for this trial any more
        self._waiting = None
