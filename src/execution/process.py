"""The executor `process`: trials run in processes of this machine."""

import multiprocessing
import shutil
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing import connection as connections
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from hypermodels.parts import training
from src.data.loading import map_data
from src.execution.executor import RunContext, TrialHooks
from src.execution.supervisor import Message, Supervisor, WorkerDiedError
from src.execution.worker import registries, work
from src.files import disk_errors
from src.messages import EndTrial
from src.records import TrialSpec
from src.startup import start_fork_server

STOP_SECONDS = 0.8  # for each of SIGTERM and SIGKILL

# `Process.start` polls the processes of other threads, and of two that poll at once, one raises.
_PROCESSES = threading.Lock()


class ProcessExecutor(Supervisor):
    """Runs trials in `workers` processes; arguments as for `Executor`.

    The rows are written once, and mapped by the workers.
    """

    def __init__(self, context: RunContext, workers: int, hooks: TrialHooks) -> None:
        start_fork_server()
        self._rows = context.run.rows
        with disk_errors(self._rows):
            self._rows.mkdir()
            mapped = replace(context, data=map_data(context.data, self._rows))
        # Closing one end wakes every process that waits for the other.
        search, self._end_of_search = multiprocessing.Pipe(duplex=False)
        super().__init__(
            [ProcessWorker(index, search, mapped, registries()) for index in range(workers)],
            context.config.limits,
            hooks,
            graphs=training.MOST_MODELS,
        )

    def shutdown(self) -> None:
        """Ends the processes within two seconds."""
        super().shutdown()
        shutil.rmtree(self._rows, ignore_errors=True)

    def _on_shutdown(self) -> None:
        self._end_of_search.close()


class ProcessWorker:
    """A process that runs trials: `work`, with these arguments after its connection."""

    def __init__(self, index: int, *arguments: Any) -> None:
        self._index, self._arguments = index, arguments
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def start(self) -> None:
        """Forks the process; while the fork server still imports TensorFlow, this waits for it."""
        if self._process is not None:
            return
        try:
            self._fork()
        except (OSError, EOFError):  # the fork server was killed; wait until it is gone
            time.sleep(STOP_SECONDS)
            start_fork_server()
            self._fork()

    def _fork(self) -> None:
        connection, other_end = multiprocessing.Pipe()
        with other_end, _PROCESSES:
            process = multiprocessing.get_context("forkserver").Process(
                target=work,
                args=(other_end, self._index, *self._arguments),
                name=f"worker-{self._index}",
                daemon=True,
            )
            process.start()
        self._process, self._connection = process, connection

    def send(self, message: TrialSpec | EndTrial) -> None:
        """Sends a message; if the process has ended, `receive` will find out."""
        assert self._connection is not None
        with suppress(OSError):
            self._connection.send(message)

    def receive(self, seconds: float) -> Message | None:
        """Returns the next message of the process.

        Raises:
            WorkerDiedError: if the process has ended.
        """
        assert self._process is not None
        assert self._connection is not None
        sources: list[Any] = [self._connection, self._process.sentinel]
        ready = connections.wait(sources, seconds)
        if not ready:
            return None
        if self._connection in ready:  # messages that were sent before the end still count
            with suppress(OSError, EOFError):
                message: Message = self._connection.recv()
                return message
        connections.wait([self._process.sentinel], timeout=STOP_SECONDS)
        raise _died(self._end())

    def stop(self) -> None:
        """Ends the process, if there is one."""
        self._end()

    def _end(self) -> int:
        """Ends the process, and returns its exit code."""
        if self._process is None or self._connection is None:
            return 0
        process, connection = self._process, self._connection
        self._process = self._connection = None
        connection.close()
        for end in (process.terminate, process.kill):
            if not connections.wait([process.sentinel], timeout=0):
                end()
                connections.wait([process.sentinel], timeout=STOP_SECONDS)
        with _PROCESSES:
            process.join(0)
            return process.exitcode or 0


def _died(exit_code: int) -> WorkerDiedError:
    if exit_code >= 0:
        reason = f"its worker process ended twice, last with exit status {exit_code}"
        return WorkerDiedError(reason)
    name = signal.Signals(-exit_code).name
    reason = f"its worker process was killed twice, last by {name}"
    return WorkerDiedError(reason, may_be_memory=name in ("SIGKILL", "SIGABRT"))
