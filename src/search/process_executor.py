"""Runs trials in worker processes, and survives the death of any of them."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from multiprocessing import connection as connections
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue

from src.data.mapped import map_data
from src.errors import DiskError
from src.scratch import ScratchFolder
from src.search.events import TrialProgress
from src.search.trial import TrialResult, TrialSpec
from src.search.trial_runner import RunContext
from src.search.worker import WorkerSetup, failure, registries, work
from src.startup import start_fork_server

TRIALS_PER_WORKER = 40  # TensorFlow leaks with every fit, and collections slow down
ATTEMPTS = 2
SHUTDOWN_SECONDS = 2.0
STOP_SECONDS = 0.8  # for each of SIGTERM and SIGKILL

# `Process.start` polls the processes of other threads, and of two who poll at once, one errs.
_PROCESSES = threading.Lock()

Task = tuple[TrialSpec, "Future[TrialResult]"]


class ProcessExecutor:
    """Runs each trial in one of `workers` processes.

    One thread a worker owns its process: it hands it the next trial, passes on its progress and
    its result, and replaces it when it ends. A trial whose process ends runs again in a new one;
    when that ends too, the trial has failed.

    Args:
        context: what the trials share; its arrays are written once, and mapped by the workers.
        workers: how many processes.
        on_progress: told how far running trials are, from the workers' threads.
        stopping: not asked: `submit` returns at once, and `shutdown` ends the trials.
    """

    def __init__(
        self,
        context: RunContext,
        workers: int,
        on_progress: Callable[[TrialProgress], None],
        stopping: Callable[[], bool],
    ) -> None:
        start_fork_server()
        self.slots = workers
        self._folder = ScratchFolder()
        folder = self._folder.path
        mapped = replace(context, data=map_data(context.data, folder))
        setup = WorkerSetup(mapped, registries(), folder)
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._closed = False
        # Closing one end wakes every thread and every process that waits for the other.
        search, self._end_of_search = multiprocessing.Pipe(duplex=False)
        self._threads = [
            threading.Thread(
                target=self._serve,
                args=(_Worker(setup, index, search, on_progress),),
                name=f"worker-{index}",
                daemon=True,
            )
            for index in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        """Hands the trial to the next worker that is free."""
        if self._closed:
            raise RuntimeError("this executor has been shut down")
        future: Future[TrialResult] = Future()
        self._tasks.put((spec, future))
        return future

    def shutdown(self) -> None:
        """Ends the workers within two seconds; trials that have not ended are cancelled."""
        if self._closed:
            return
        self._closed = True
        self._end_of_search.close()
        for _ in self._threads:
            self._tasks.put(None)
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        for thread in self._threads:
            # One that still waits for its first process ends that as soon as it is there.
            thread.join(max(0.0, deadline - time.monotonic()))
        self._folder.cleanup()

    def _serve(self, worker: "_Worker") -> None:
        """Runs tasks in one worker until the executor is shut down."""
        with suppress(Exception):  # the first trial will meet the problem again, and tell it
            worker.start()
        for task in iter(self._tasks.get, None):
            spec, future = task
            try:
                if self._closed:
                    raise _ShutdownError
                future.set_result(self._run(worker, spec))
            except _ShutdownError:
                future.cancel()
                future.set_running_or_notify_cancel()
            except BaseException as error:  # a disk's too; else the search would wait for ever
                future.set_exception(error)
                with suppress(Exception):
                    worker.stop()
        worker.stop()

    def _run(self, worker: "_Worker", spec: TrialSpec) -> TrialResult:
        started, exit_code = time.time(), 0
        for _ in range(ATTEMPTS):
            result = worker.run(spec)
            if isinstance(result, TrialResult):
                return result
            if isinstance(result, DiskError):
                raise result
            exit_code = result
        return failure(_reason(exit_code), started, worker.index)


class _Worker:
    """The place of one worker; its process starts when needed. Used by a single thread."""

    def __init__(
        self,
        setup: WorkerSetup,
        index: int,
        search: Connection,
        on_progress: Callable[[TrialProgress], None],
    ) -> None:
        self.index = index
        self._setup = setup
        self._search = search
        self._on_progress = on_progress
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._trials = 0

    def start(self) -> None:
        """Starts a process; while the fork server still imports TensorFlow, this waits for it."""
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
                args=(other_end, self._search, self._setup, self.index),
                name=f"worker-{self.index}",
                daemon=True,
            )
            process.start()
        self._process, self._connection, self._trials = process, connection, 0

    def run(self, spec: TrialSpec) -> TrialResult | DiskError | int:
        """Runs a trial; returns its result, or the exit code of the process if that ended.

        Raises:
            _ShutdownError: if the executor is shut down meanwhile.
        """
        if self._trials >= TRIALS_PER_WORKER:
            self.stop()
        if self._process is None:
            self.start()
        assert self._connection is not None
        self._trials += 1
        with suppress(OSError):  # the process has ended: `_receive` will meet that too
            self._connection.send(spec)
        while isinstance(message := self._receive(), TrialProgress):
            self._on_progress(message)
        return self.stop() if message is None else message

    def _receive(self) -> TrialProgress | TrialResult | DiskError | None:
        """The next message of the process; None if it has ended."""
        assert self._process is not None
        assert self._connection is not None
        ready = connections.wait([self._connection, self._process.sentinel, self._search])
        if self._search in ready:
            raise _ShutdownError
        if self._connection in ready:  # what it said before it ended still counts
            with suppress(OSError, EOFError):
                message: TrialProgress | TrialResult | DiskError = self._connection.recv()
                return message
        connections.wait([self._process.sentinel], timeout=STOP_SECONDS)
        return None

    def stop(self) -> int:
        """Ends the process, if there is one, and returns its exit code."""
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


class _ShutdownError(Exception):
    """The executor ends, and with it the trial."""


def _reason(exit_code: int) -> str:
    """Why a trial failed whose processes ended, the last one with this exit code."""
    times = "twice" if ATTEMPTS == 2 else f"{ATTEMPTS} times"
    if exit_code >= 0:
        return f"its worker process ended {times}, last with exit status {exit_code}"
    name = signal.Signals(-exit_code).name
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"its worker process was killed {times}, last by {name}{hint}"
