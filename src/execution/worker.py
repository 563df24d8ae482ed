"""A worker process: runs the trials that come through its pipe, and ends with its parent."""

import gc
import os
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from functools import partial
from multiprocessing import connection as connections
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from callbacks import SCHEDULES
from callbacks.registry import CALLBACKS
from hypermodels import HYPERMODELS
from src.errors import DiskError
from src.execution.executor import RunContext, TrialHooks
from src.execution.failures import failed_result
from src.execution.progress import at_intervals
from src.execution.trial_runner import TRACEBACK_LINES, TrialRunner
from src.messages import EndTrial, TrialProgress
from src.records import TrialResult, TrialSpec
from src.startup import start_tensorflow

# A traced graph is some hundred thousand objects that stay; Python's 700, 10, 10 would visit them
# again and again.
COLLECTION_THRESHOLDS = (20_000, 20, 20)
Tables = Mapping[str, Mapping[str, str]]
_REGISTRIES = {"hypermodels": HYPERMODELS, "callbacks": CALLBACKS, "schedules": SCHEDULES}


def registries() -> dict[str, dict[str, str]]:
    """The name tables of HyperModels, callbacks and schedules, as they are now."""
    return {name: dict(registry) for name, registry in _REGISTRIES.items()}


def work(
    connection: Connection, index: int, search: Connection, context: RunContext, tables: Tables
) -> None:
    """Runs trials until the connection ends.

    Each `TrialSpec` is answered with `TrialProgress` and then its `TrialResult`, or a `DiskError`.
    `EndTrial` ends the running trial.

    Args:
        connection: to the parent.
        index: of the worker.
        search: ends when the search or the parent does; nothing is ever sent.
        context: what the trials share; its data is mapped.
        tables: the parent's name tables, to which its program may have added.
    """
    for number in (signal.SIGINT, signal.SIGHUP):  # they reach all processes; the parent ends this
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, args=(search, context.run.rows), daemon=True).start()
    start_tensorflow(index, context.config.run.threads)
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    for name, entries in tables.items():
        _REGISTRIES[name].update(entries)
    runner: TrialRunner | None = None
    requests = _EndRequests(connection)
    report = at_intervals(partial(_send, connection))
    hooks = TrialHooks(report, ending=requests.reason)
    while True:
        try:
            spec = connection.recv()
        except EOFError:
            return
        if isinstance(spec, EndTrial):  # for a trial that has just ended
            continue
        requests.begin(spec)
        started = time.time()
        result: TrialResult | DiskError
        try:
            runner = runner or TrialRunner(context, index, hooks)
            result = runner.run(spec)
        except DiskError as error:
            result = error
        except BaseException as error:
            lines = traceback.format_exc().splitlines(True)[-TRACEBACK_LINES:]
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            result = failed_result(reason, started, index, "".join(lines))
        _send(connection, result)


def _send(connection: Connection, message: TrialProgress | TrialResult | DiskError) -> None:
    try:
        connection.send(message)
    except OSError:
        os._exit(1)  # nobody waits for this trial any more


class _EndRequests:
    """Reads the messages that come while a trial runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._trial_id = self._reason = ""

    def begin(self, spec: TrialSpec) -> None:
        """Begins another trial."""
        self._trial_id, self._reason = spec.trial_id, ""

    def reason(self) -> str:
        """Why the trial is to end; empty if it is not."""
        while self._connection.poll():
            message = self._connection.recv()
            if isinstance(message, EndTrial) and message.trial_id == self._trial_id:
                self._reason = message.reason
        return self._reason


def _end_with_parent(search: Connection, rows: Path) -> None:
    """Waits until the search or the parent has ended, and ends this process at once.

    If only the fork server was killed, the parent goes on and still needs the mapped rows.
    """
    parent = parent_process()
    sentinels: list[Any] = [search]
    if parent is not None:
        sentinels.append(parent.sentinel)
    connections.wait(sentinels)
    if connections.wait([search], timeout=0.1):
        shutil.rmtree(rows, ignore_errors=True)
    os._exit(1)
