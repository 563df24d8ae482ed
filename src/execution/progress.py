"""How often a running trial is reported: often enough to watch, and without loss of an epoch."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from src.messages import TrialProgress

INTERVAL_SECONDS = 0.2


def at_intervals(report: Callable[[TrialProgress], None]) -> Callable[[TrialProgress], None]:
    """Returns a function that passes on the first report of a fit, and then five a second.

    The rows of those between come with the next one that is passed on.
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
    """A worker's end of its connection: sends reports from a thread of its own, then the answer.

    That a fit begins is sent at once. Other reports leave at once if the last of them left a fifth
    of a second ago, else as soon as it will have, though the trial may hang by then; those that
    wait are joined.

    Args:
        connection: to the parent.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changed = threading.Condition()  # guards what follows, and the connection
        self._waiting: TrialProgress | None = None
        threading.Thread(target=self._serve, name="progress", daemon=True).start()

    def report(self, progress: TrialProgress) -> None:
        """Sends it soon."""
        with self._changed:
            rows = self._waiting.rows if self._waiting is not None else ()
            self._waiting = replace(progress, rows=rows + progress.rows)
            if progress.rows:
                self._changed.notify()
            else:
                self._send_waiting()

    def answer(self, result: Any) -> None:
        """Sends what the trial came to; reports that still wait are dropped."""
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
