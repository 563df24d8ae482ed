"""Executors run trials: `submit` takes a `TrialSpec` and gives the future of its result."""

from concurrent.futures import Future
from typing import Protocol

from src.search.trial import TrialResult, TrialSpec
from src.search.trial_runner import TrialRunner


class Executor(Protocol):
    """What the loop needs of an executor.

    Attributes:
        slots: how many trials it can run at once.
    """

    slots: int

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        """Starts a trial."""

    def shutdown(self) -> None:
        """Ends the workers."""


class SerialExecutor:
    """Runs each trial in this process, before `submit` returns."""

    slots = 1

    def __init__(self, runner: TrialRunner) -> None:
        self._runner = runner

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        """Runs the trial; the future is done."""
        future: Future[TrialResult] = Future()
        future.set_result(self._runner.run(spec))
        return future

    def shutdown(self) -> None:
        """There is nothing to end."""
