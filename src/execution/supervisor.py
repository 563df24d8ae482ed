"""The supervisor: hands trials to workers, and bears whatever happens to a worker.

It is written once, over a small protocol: a worker may be this process, a process of this machine,
or an actor anywhere.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from src.config.schema import LimitSettings
from src.errors import DiskError
from src.execution.executor import TrialHooks
from src.execution.failures import failed_result, out_of_memory, too_slow
from src.messages import EndTrial, TrialProgress
from src.records import EPOCH_KEYS, TrialResult, TrialSpec

ATTEMPTS = 2  # runs of a trial whose worker dies
TRIALS_PER_WORKER = 40  # TensorFlow leaks with every fit, and garbage collections slow down
LOOK_AHEAD = 2  # waiting trials for each worker, to choose one whose graph it has traced
STARTUP_SECONDS = 60.0  # before its first message, a worker may have to start and to map its rows
GRACE, GRACE_SECONDS = 1.1, 2.0  # for the epoch in which a trial's time runs out
ASK_SECONDS = 0.2  # between two checks whether running trials are to end
SHUTDOWN_SECONDS = 2.0

Message = TrialProgress | TrialResult | DiskError
Task = tuple[TrialSpec, "Future[TrialResult]"]


class WorkerDiedError(Exception):
    """A worker ended by itself; `reason` is that of a trial whose worker ended so twice.

    `may_be_memory` says whether a lack of memory ends a worker like this.
    """

    def __init__(self, reason: str, *, may_be_memory: bool = False) -> None:
        super().__init__(reason)
        self.may_be_memory = may_be_memory


class Worker(Protocol):
    """Runs one trial at a time; used by a single thread."""

    def start(self) -> None:
        """Makes the worker ready; does nothing if it runs."""

    def send(self, message: TrialSpec | EndTrial) -> None:
        """Sends a trial to run, or asks the running trial to end."""

    def receive(self, seconds: float) -> Message | None:
        """Returns the next message about the trial; None if none came within so many seconds.

        Raises:
            WorkerDiedError: if the worker has ended.
        """

    def stop(self) -> None:
        """Ends the worker, and with it the trial that it runs; may be called again."""


@dataclass
class _Seat:
    """A worker, and what the supervisor knows of it."""

    index: int
    worker: Worker
    traced: tuple[str, ...] = ()  # structures whose graphs the worker keeps, the latest last
    trials: int = 0  # since the worker started
    last: TrialProgress | None = None  # of the trial that it runs
    # Epochs of that trial; after a death, only those since the last saved state come again.
    history: dict[tuple[Any, ...], dict[str, float]] = field(default_factory=dict)


class Supervisor:
    """An executor over workers.

    A thread for each worker hands over trials and passes on progress and results. A trial whose
    worker dies runs again; if that worker dies too, the trial fails. A waiting trial prefers a
    worker that has traced its graph; results do not depend on it. A worker is replaced after
    `TRIALS_PER_WORKER` trials.

    Args:
        workers: at least one.
        limits: `trial_seconds` is enforced on workers that hang.
        graphs: how many traced graphs a worker keeps.
        in_thread: whether trials run in threads; else `submit` runs the trial before it returns.

    Attributes:
        slots: how many trials run at once.
        look_ahead: how many more trials should wait, to choose from.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        limits: LimitSettings,
        hooks: TrialHooks,
        *,
        graphs: int,
        in_thread: bool = True,
    ) -> None:
        self.slots = len(workers)
        self.look_ahead = LOOK_AHEAD * len(workers) if in_thread else 0
        self._limits, self._hooks = limits, hooks
        self._graphs = graphs
        self._changed = threading.Condition()  # guards the following three
        self._waiting: list[Task] = []
        self._idle: list[_Seat] = []
        self._closed = False
        self._seats = [_Seat(index, worker) for index, worker in enumerate(workers)]
        self._threads = [
            threading.Thread(target=self._serve, args=(seat,), name=f"worker-{seat.index}")
            for seat in (self._seats if in_thread else ())
        ]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        """Hands a trial to a worker as soon as one is free.

        Raises:
            TrialInterruptedError, DiskError: from a trial that runs in this thread.
        """
        future: Future[TrialResult] = Future()
        if not self._threads:
            future.set_result(self._run(self._seats[0], spec))
            return future
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
        self._on_shutdown()
        for _, future in self._waiting:
            _cancel(future)
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        for thread in self._threads:
            # A worker that is still starting ends as soon as it has started.
            thread.join(max(0.0, deadline - time.monotonic()))

    def _on_shutdown(self) -> None:
        """Wakes workers that do not notice the end by themselves."""

    def _serve(self, seat: _Seat) -> None:
        """Runs tasks in one worker until the supervisor is shut down."""
        with suppress(Exception):  # the first trial will meet the problem again, and report it
            seat.worker.start()
        while (task := self._next(seat)) is not None:
            spec, future = task
            try:
                future.set_result(self._run(seat, spec))
            except _ShutdownError:
                _cancel(future)
            except BaseException as error:  # else the search would wait for ever
                future.set_exception(error)
                with suppress(Exception):
                    seat.worker.stop()
        seat.worker.stop()

    def _next(self, seat: _Seat) -> Task | None:
        """Waits for a trial for this worker; None when the supervisor is shut down."""
        with self._changed:
            self._idle.append(seat)
            self._changed.wait_for(lambda: self._closed or self._choice(seat) is not None)
            self._idle.remove(seat)
            self._changed.notify_all()  # trials that were left to this worker may be others' now
            choice = self._choice(seat)
            return None if self._closed or choice is None else self._waiting.pop(choice)

    def _choice(self, seat: _Seat) -> int | None:
        """Index of the waiting trial that a free worker takes; None leaves the trials to others.

        Best is a trial whose graph the worker has traced, then one whose graph no worker has, then
        any trial that no other free worker has traced.
        """
        others = [other for other in self._seats if other is not seat]
        choices: list[tuple[int, int]] = []
        for index, (spec, _) in enumerate(self._waiting):
            owners = [other for other in others if spec.structure in other.traced]
            if spec.structure in seat.traced:
                choices.append((0, index))
            elif not any(owner in self._idle for owner in owners):
                choices.append((2 if owners else 1, index))
        return min(choices)[1] if choices else None

    def _run(self, seat: _Seat, spec: TrialSpec) -> TrialResult:
        """Runs a trial, again if its worker dies."""
        started = time.time()
        seat.history = {}
        for attempt in range(1, ATTEMPTS + 1):
            seat.last = None
            try:
                return self._attempt(seat, spec)
            except WorkerDiedError as error:
                seat.worker.stop()
                seat.traced, seat.trials = (), 0
                if self._closed:  # processes end with the search by themselves
                    raise _ShutdownError from error
                if attempt == ATTEMPTS:
                    reason = str(error)
                    if error.may_be_memory and (last := seat.last) is not None:
                        memory = out_of_memory(last.batch_size, last.parameters)
                        reason = f"{reason}, perhaps {memory}"
            except _TimeoutError:
                seat.worker.stop()
                seat.traced, seat.trials = (), 0
                reason = f"{too_slow(self._limits)}; its process was ended"
                break
        parameters = 0 if seat.last is None else seat.last.parameters
        return failed_result(
            reason, started, seat.index, history=tuple(seat.history.values()), parameters=parameters
        )

    def _attempt(self, seat: _Seat, spec: TrialSpec) -> TrialResult:
        """Runs a trial once.

        Raises:
            WorkerDiedError: if the worker dies.
            DiskError: if the worker could not write.
            _TimeoutError: if the trial takes longer than it may.
            _ShutdownError: if the supervisor is shut down meanwhile.
        """
        if seat.trials >= TRIALS_PER_WORKER:
            seat.worker.stop()
            seat.traced, seat.trials = (), 0
        seat.worker.start()
        seat.trials += 1
        seat.worker.send(spec)
        limit, asked = self._limits.trial_seconds, False
        deadline = None if limit is None else time.monotonic() + limit + STARTUP_SECONDS
        while True:
            message = seat.worker.receive(ASK_SECONDS)
            if self._closed:
                raise _ShutdownError
            if isinstance(message, DiskError):
                raise message
            if isinstance(message, TrialResult):
                if spec.structure is not None:
                    others = (traced for traced in seat.traced if traced != spec.structure)
                    seat.traced = (*others, spec.structure)[-self._graphs :]
                return message
            if message is not None:
                if seat.last is None and limit is not None:
                    deadline = time.monotonic() + GRACE * limit + GRACE_SECONDS
                seat.last = message
                seat.history |= {tuple(map(row.get, EPOCH_KEYS)): row for row in message.rows}
                self._hooks.on_progress(message)
            if deadline is not None and time.monotonic() > deadline:
                raise _TimeoutError
            if not asked and (reason := self._hooks.ending()):
                seat.worker.send(EndTrial(spec.trial_id, reason))
                asked = True


def _cancel(future: "Future[TrialResult]") -> None:
    future.cancel()
    future.set_running_or_notify_cancel()


class _ShutdownError(Exception):
    """The supervisor is shut down, and with it the trial."""


class _TimeoutError(Exception):
    """The trial did not end its epoch in time."""
