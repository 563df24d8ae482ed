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
from typing import Any

from hypermodels.parts import training
from src.data.mapped import map_data
from src.errors import DiskError
from src.scratch import ScratchFolder
from src.search.cutting import nothing_ends
from src.search.events import TrialProgress
from src.search.failures import out_of_memory, too_slow
from src.search.trial import TrialResult, TrialSpec
from src.search.trial_runner import RunContext
from src.search.worker import EndTrial, WorkerSetup, failure, registries, work
from src.startup import start_fork_server

GRACE, GRACE_SECONDS = 1.1, 2.0  # for the epoch in which a trial's time runs out
STARTUP_SECONDS = 60.0
TRIALS_PER_WORKER = 40  # TensorFlow leaks with every fit, and collections slow down
ATTEMPTS = 2
LOOK_AHEAD = 2  # trials a worker that wait to be chosen from
SHUTDOWN_SECONDS = 2.0
STOP_SECONDS = 0.8  # for each of SIGTERM and SIGKILL
ASK_SECONDS = 0.2  # between two looks whether running trials are to end

# `Process.start` polls the processes of other threads, and of two who poll at once, one errs.
_PROCESSES = threading.Lock()

Task = tuple[TrialSpec, "Future[TrialResult]"]


class ProcessExecutor:
    """Runs each trial in one of `workers` processes.

    One thread a worker owns its process: it hands it the next trial, passes on its progress and
    its result, and replaces it when it ends. A trial whose process ends runs again in a new one;
    when that ends too, the trial has failed. Of the trials that wait, a worker prefers one whose
    graph it has traced; what a trial results in does not depend on it.

    Args:
        context: what the trials share; its arrays are written once, and mapped by the workers.
        workers: how many processes.
        on_progress: told how far running trials are, from the workers' threads.
        stopping: not asked: `submit` returns at once, and `shutdown` ends the trials.
        ending: why running trials are to end; asked by the workers' threads, which pass it on.
    """

    def __init__(
        self,
        context: RunContext,
        workers: int,
        on_progress: Callable[[TrialProgress], None],
        stopping: Callable[[], bool],
        ending: Callable[[], str] = nothing_ends,
    ) -> None:
        start_fork_server()
        self._limits = context.limits
        self.slots, self.look_ahead = workers, LOOK_AHEAD * workers
        self._folder = ScratchFolder()
        folder = self._folder.path
        mapped = replace(context, data=map_data(context.data, folder))
        setup = WorkerSetup(mapped, registries(), folder)
        self._changed = threading.Condition()  # guards what follows
        self._waiting: list[Task] = []
        self._idle: set[_Worker] = set()
        self._closed = False
        # Closing one end wakes every thread and every process that waits for the other.
        search, self._end_of_search = multiprocessing.Pipe(duplex=False)
        self._workers = [
            _Worker(setup, index, search, on_progress, ending) for index in range(workers)
        ]
        self._threads = [
            threading.Thread(
                target=self._serve, args=(worker,), name=f"worker-{worker.index}", daemon=True
            )
            for worker in self._workers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        """Hands the trial to a worker as soon as one is free."""
        future: Future[TrialResult] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("this executor has been shut down")
            self._waiting.append((spec, future))
            self._changed.notify_all()
        return future

    def shutdown(self) -> None:
        """Ends the workers within two seconds; trials that have not ended are cancelled."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._end_of_search.close()
        for _, future in self._waiting:
            _cancel(future)
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        for thread in self._threads:
            # One that still waits for its first process ends that as soon as it is there.
            thread.join(max(0.0, deadline - time.monotonic()))
        self._folder.cleanup()

    def _serve(self, worker: "_Worker") -> None:
        """Runs tasks in one worker until the executor is shut down."""
        with suppress(Exception):  # the first trial will meet the problem again, and tell it
            worker.start()
        while (task := self._next(worker)) is not None:
            spec, future = task
            try:
                future.set_result(self._run(worker, spec))
            except _ShutdownError:
                _cancel(future)
            except BaseException as error:  # a disk's too; else the search would wait for ever
                future.set_exception(error)
                with suppress(Exception):
                    worker.stop()
        worker.stop()

    def _next(self, worker: "_Worker") -> Task | None:
        """Waits for a trial for this worker; None when the executor is shut down."""
        with self._changed:
            self._idle.add(worker)
            self._changed.wait_for(lambda: self._closed or self._choice(worker) is not None)
            self._idle.remove(worker)
            self._changed.notify_all()  # what was left to this worker may be for others now
            choice = self._choice(worker)
            return None if self._closed or choice is None else self._waiting.pop(choice)

    def _choice(self, worker: "_Worker") -> int | None:
        """The waiting trial that a free worker takes, by its index; None leaves them to others.

        Best is one whose graph the worker has traced, next one whose graph nobody has, then any but
        for those that another free worker takes.
        """
        others = [other for other in self._workers if other is not worker]
        choices: list[tuple[int, int]] = []
        for index, (spec, _) in enumerate(self._waiting):
            owners = [other for other in others if spec.structure in other.traced]
            if spec.structure in worker.traced:
                choices.append((0, index))
            elif not self._idle.intersection(owners):
                choices.append((2 if owners else 1, index))
        return min(choices)[1] if choices else None

    def _run(self, worker: "_Worker", spec: TrialSpec) -> TrialResult:
        started, exit_code = time.time(), 0
        for _ in range(ATTEMPTS):
            try:
                result = worker.run(spec)
            except _TimeoutError:
                reason = f"{too_slow(self._limits)}; its process was ended"
                return self._failed(worker, reason, started)
            if isinstance(result, TrialResult):
                return result
            if isinstance(result, DiskError):
                raise result
            exit_code = result
        return self._failed(worker, _reason(exit_code, worker.last), started)

    def _failed(self, worker: "_Worker", reason: str, started: float) -> TrialResult:
        """The result of a trial whose process ended, with what that had told of it."""
        return failure(
            reason,
            started,
            worker.index,
            history=tuple(worker.rows),
            parameters=0 if worker.last is None else worker.last.parameters,
        )


class _Worker:
    """The place of one worker; its process starts when needed. Used by a single thread."""

    def __init__(
        self,
        setup: WorkerSetup,
        index: int,
        search: Connection,
        on_progress: Callable[[TrialProgress], None],
        ending: Callable[[], str],
    ) -> None:
        self.index = index
        self._setup = setup
        self._search = search
        self._on_progress = on_progress
        self._ending = ending
        self._unasked: str | None = None  # the trial that has not been asked to end
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._trials = 0
        self.last: TrialProgress | None = None  # what its process last told of the trial
        self.rows: list[dict[str, float]] = []  # all epochs of the trial that it told of
        self.traced: tuple[str, ...] = ()  # structures whose graphs its process keeps

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
        self.traced = ()

    def run(self, spec: TrialSpec) -> TrialResult | DiskError | int:
        """Runs a trial; returns its result, or the exit code of the process if that ended.

        Raises:
            _ShutdownError: if the executor is shut down meanwhile.
            _TimeoutError: if the trial takes longer than it may; its process is ended.
        """
        if self._trials >= TRIALS_PER_WORKER:
            self.stop()
        if self._process is None:
            self.start()
        assert self._connection is not None
        self._trials += 1
        with suppress(OSError):  # the process has ended: `_receive` will meet that too
            self._connection.send(spec)
        limit = self._setup.context.limits.trial_seconds
        # Before the first message the process may have to start, and to wait for its data.
        deadline = None if limit is None else time.monotonic() + limit + STARTUP_SECONDS
        self.last, self.rows = None, []
        self._unasked = spec.trial_id
        while isinstance(message := self._receive(deadline), TrialProgress):
            if self.last is None and limit is not None:
                deadline = time.monotonic() + GRACE * limit + GRACE_SECONDS
            self.last = message
            self.rows.extend(message.rows)
            self._on_progress(message)
        if message is None:
            return self.stop()
        if spec.structure is not None:
            others = (structure for structure in self.traced if structure != spec.structure)
            self.traced = (*others, spec.structure)[-training.MOST_MODELS :]
        return message

    def _receive(self, deadline: float | None) -> TrialProgress | TrialResult | DiskError | None:
        """The next message of the process; None if it has ended."""
        assert self._process is not None
        assert self._connection is not None
        sources: list[Any] = [self._connection, self._process.sentinel, self._search]
        ready: list[Any] = []
        while not ready:
            left = ASK_SECONDS if deadline is None else deadline - time.monotonic()
            ready = connections.wait(sources, min(max(left, 0.0), ASK_SECONDS))
            if not ready and left <= 0:
                self.stop()
                raise _TimeoutError
            self._ask_to_end()
        if self._search in ready:
            raise _ShutdownError
        if self._connection in ready:  # what it said before it ended still counts
            with suppress(OSError, EOFError):
                message: TrialProgress | TrialResult | DiskError = self._connection.recv()
                return message
        connections.wait([self._process.sentinel], timeout=STOP_SECONDS)
        return None

    def _ask_to_end(self) -> None:
        """Passes on, once, that the trial is to end."""
        assert self._connection is not None
        if self._unasked is not None and (reason := self._ending()):
            with suppress(OSError):  # the process has ended
                self._connection.send(EndTrial(self._unasked, reason))
            self._unasked = None

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


def _cancel(future: "Future[TrialResult]") -> None:
    future.cancel()
    future.set_running_or_notify_cancel()


class _ShutdownError(Exception):
    """The executor ends, and with it the trial."""


class _TimeoutError(Exception):
    """The trial did not end its epoch in time."""


def _reason(exit_code: int, last: TrialProgress | None) -> str:
    """Why a trial failed whose processes ended.

    Args:
        exit_code: of the last one.
        last: what it last told of the trial.
    """
    times = "twice" if ATTEMPTS == 2 else f"{ATTEMPTS} times"
    if exit_code >= 0:
        return f"its worker process ended {times}, last with exit status {exit_code}"
    name = signal.Signals(-exit_code).name
    reason = f"its worker process was killed {times}, last by {name}"
    if name not in ("SIGKILL", "SIGABRT") or last is None:  # how a lack of memory ends a process
        return reason
    return f"{reason}, perhaps {out_of_memory(last.batch_size, last.parameters)}"
