"""The supervisor over fake workers: no process, no model; what happens to a worker is scripted."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from src.config.schema import LimitSettings
from src.errors import DiskError
from src.execution import supervisor
from src.execution.executor import TrialHooks
from src.execution.supervisor import Message, Supervisor, WorkerDiedError
from src.messages import EndTrial, TrialProgress
from src.records import TrialResult, TrialSpec

SPEC = TrialSpec("0000", "0000", None, {"space": [], "values": {}}, 0, 3)
DONE = TrialResult("COMPLETED", (), "", "", (), 1, 0.0, 0.0, "")


def progress(spec: TrialSpec, epoch: int) -> TrialProgress:
    rows: tuple[dict[str, float], ...] = ({"epoch": epoch},) if epoch else ()
    return TrialProgress(0, spec.trial_id, 1, 1, epoch, 3, 1024, 2_345_678, rows=rows)


class FakeWorker:
    """Answers each trial by what `script` returns: messages, or an exception to raise."""

    def __init__(self, script: Callable[[TrialSpec], list[Any]], index: int = 0) -> None:
        self.script, self.index = script, index
        self.sent: list[Any] = []
        self.starts = self.stops = 0
        self.runs = False
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def start(self) -> None:
        self.starts += not self.runs
        self.runs = True

    def send(self, message: TrialSpec | EndTrial) -> None:
        assert self.runs
        self.sent.append(message)
        if isinstance(message, TrialSpec):
            for answer in self.script(message):
                self.messages.put(answer)
        else:
            self.messages.put(replace(DONE, reason=message.reason, worker=str(self.index)))

    def receive(self, seconds: float) -> Message | None:
        try:
            message = self.messages.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(message, Exception) and not isinstance(message, DiskError):
            raise message
        result: Message = message
        return result

    def stop(self) -> None:
        self.stops += self.runs
        self.runs = False


@contextmanager
def supervised(
    *workers: FakeWorker, limits: LimitSettings | None = None, **hooks: Any
) -> Iterator[Supervisor]:
    executor = Supervisor(workers, limits or LimitSettings(), TrialHooks(**hooks), graphs=2)
    try:
        yield executor
    finally:
        executor.shutdown()


def run(executor: Supervisor, spec: TrialSpec = SPEC) -> TrialResult:
    return executor.submit(spec).result(timeout=10)


def test_a_result_comes_after_the_progress_that_listeners_are_told() -> None:
    told: list[int] = []
    worker = FakeWorker(lambda spec: [*(progress(spec, epoch) for epoch in range(3)), DONE])
    with supervised(worker, on_progress=lambda running: told.append(running.epoch)) as executor:
        assert run(executor) == DONE
    assert told == [0, 1, 2]
    assert not worker.runs


def test_a_trial_whose_worker_dies_runs_again() -> None:
    answers: Iterator[list[Any]] = iter([[WorkerDiedError("died twice")], [DONE]])
    worker = FakeWorker(lambda _: next(answers))
    with supervised(worker) as executor:
        assert run(executor) == DONE
    assert worker.sent == [SPEC, SPEC]
    assert worker.starts == 2


@pytest.mark.parametrize(
    ("memory", "reason"),
    [
        (False, "was killed twice"),
        (
            True,
            "was killed twice, perhaps out of memory, with batch size 1,024 and 2,345,678 "
            "parameters",
        ),
    ],
)
def test_a_trial_whose_worker_dies_twice_has_failed_with_its_epochs(
    memory: bool, reason: str
) -> None:
    death = WorkerDiedError("was killed twice", may_be_memory=memory)
    # The second attempt goes on from the state that the first saved after epoch 1.
    epochs = iter([(0, 1, 2), (1, 2, 3)])
    worker = FakeWorker(lambda spec: [*(progress(spec, epoch) for epoch in next(epochs)), death])
    with supervised(worker) as executor:
        result = run(executor)
        worker.script = lambda _: [DONE]
        assert run(executor) == DONE  # the next trial has a new worker
    assert (result.status, result.reason) == ("FAILED", reason)
    assert result.history == ({"epoch": 1}, {"epoch": 2}, {"epoch": 3})
    assert (result.trained, result.parameters) == (3, 2_345_678)
    assert worker.starts == 3


def test_a_trial_that_hangs_is_ended_and_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.0)
    worker = FakeWorker(lambda spec: [progress(spec, 0)])
    with supervised(worker, limits=LimitSettings(trial_seconds=0.05)) as executor:
        result = run(executor)
    assert result.reason == "took longer than limits.trial_seconds=0.05; its process was ended"
    assert worker.sent == [SPEC]


def test_a_worker_is_replaced_after_some_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "TRIALS_PER_WORKER", 2)
    worker = FakeWorker(lambda _: [DONE])
    with supervised(worker) as executor:
        for _ in range(5):
            assert run(executor) == DONE
    assert worker.starts == 3


def test_a_running_trial_is_asked_once_to_end() -> None:
    reason: list[str] = []
    worker = FakeWorker(lambda spec: [progress(spec, 0)])
    with supervised(worker, ending=lambda: "".join(reason)) as executor:
        future = executor.submit(SPEC)
        time.sleep(0.05)
        reason.append("30 minutes are over")
        assert future.result(timeout=10).reason == "30 minutes are over"
    assert worker.sent == [SPEC, EndTrial("0000", "30 minutes are over")]


@pytest.mark.parametrize("error", [DiskError("logs: No space left"), OSError("no")])
def test_an_error_that_is_not_the_trials_reaches_the_loop(error: Exception) -> None:
    def broken(_: TrialProgress) -> None:
        raise error

    answers = [error] if isinstance(error, DiskError) else [progress(SPEC, 0)]
    worker = FakeWorker(lambda _: answers)
    with supervised(worker, on_progress=broken) as executor, pytest.raises(type(error)):
        run(executor)


def test_shutdown_cancels_trials_and_may_be_called_again() -> None:
    workers = [FakeWorker(lambda spec: [progress(spec, 0)], index) for index in range(2)]
    with supervised(*workers) as executor:
        futures = [executor.submit(replace(SPEC, trial_id=f"000{n}")) for n in range(3)]
        while sum(len(worker.sent) for worker in workers) < 2:
            time.sleep(0.001)
        executor.shutdown()
        assert not wait(futures, timeout=1).not_done
        assert all(future.cancelled() for future in futures)
        executor.shutdown()
        with pytest.raises(RuntimeError, match="shut down"):
            executor.submit(SPEC)
    assert not any(worker.runs for worker in workers)


def test_a_worker_that_ends_with_the_search_is_not_started_again() -> None:
    worker = FakeWorker(lambda spec: [progress(spec, 0)])
    with supervised(worker) as executor:
        future = executor.submit(SPEC)
        while not worker.sent:
            time.sleep(0.001)
        executor._on_shutdown = lambda: worker.messages.put(WorkerDiedError("ended"))  # type: ignore[method-assign]
    wait([future], timeout=5)
    assert future.cancelled()
    assert worker.starts == 1


def test_a_worker_prefers_trials_whose_graph_it_has_traced() -> None:
    release = threading.Event()

    def script(index: int) -> Callable[[TrialSpec], list[Any]]:
        def answer(_: TrialSpec) -> list[Any]:
            assert release.wait(10)
            return [replace(DONE, worker=str(index))]

        return answer

    workers = [FakeWorker(script(index), index) for index in range(2)]
    with supervised(*workers) as executor:
        assert (executor.slots, executor.look_ahead) == (2, 4)

        def ran(structures: str) -> list[str]:
            """Which worker ran each of the trials that waited together."""
            release.clear()
            while len(executor._idle) < 2:
                time.sleep(0.001)
            specs = [replace(SPEC, structure=structure) for structure in structures]
            begun = sum(len(worker.sent) for worker in workers)
            futures = [executor.submit(spec) for spec in specs]
            while sum(len(worker.sent) for worker in workers) < begun + 2:
                time.sleep(0.001)
            release.set()
            return [future.result(timeout=10).worker for future in futures]

        first, second = ran("ab")
        assert {first, second} == {"0", "1"}
        owner = {"a": first, "b": second}
        for structures in ("ab", "ba", "ab", "ba"):
            assert ran(structures) == [owner[structure] for structure in structures]
        # A worker with nothing else to do helps the worker that has the graph.
        assert set(ran("b" * 12)) == {"0", "1"}
