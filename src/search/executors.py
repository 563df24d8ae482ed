"""Executors run trials: `submit` takes a `TrialSpec` and gives the future of its result."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from src.search.cutting import nothing_ends
from src.search.events import TrialProgress
from src.search.progress_reports import at_intervals
from src.search.trial import TrialResult, TrialSpec
from src.search.trial_runner import RunContext, TrialRunner


class Executor(Protocol):
    """What the loop needs of an executor.

    Args:
        context: what the trials share.
        workers: how many trials to run at once.
        on_progress: told how far running trials are, perhaps from another thread.
        stopping: whether the search is to stop; an executor whose `submit` blocks gives its trial
            up then, and raises `TrialInterruptedError`.
        ending: why running trials are to end with what they have reached; empty while they are
            not. It may be asked from another thread.

    Attributes:
        slots: how many trials it can run at once.
        look_ahead: how many more it likes to be given, to choose from.
    """

    slots: int
    look_ahead: int

    def __init__(
        self,
        context: RunContext,
        workers: int,
        on_progress: Callable[[TrialProgress], None],
        stopping: Callable[[], bool],
        ending: Callable[[], str] = nothing_ends,
    ) -> None: ...

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        """Starts a trial."""

    def shutdown(self) -> None:
        """Ends the workers, and with them the trials that run; may be called again."""


class SerialExecutor:
    """Runs each trial in this process, before `submit` returns."""

    slots = 1
    look_ahead = 0

    def __init__(
        self,
        context: RunContext,
        workers: int,
        on_progress: Callable[[TrialProgress], None],
        stopping: Callable[[], bool],
        ending: Callable[[], str] = nothing_ends,
    ) -> None:
        self._runner = TrialRunner(
            context, on_progress=at_intervals(on_progress), stopping=stopping, ending=ending
        )

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        """Runs the trial; the future is done."""
        future: Future[TrialResult] = Future()
        future.set_result(self._runner.run(spec))
        return future

    def shutdown(self) -> None:
        """There is nothing to end."""
