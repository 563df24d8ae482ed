"""Runs trials one after the other in this process."""

from collections.abc import Callable
from concurrent.futures import Future

from src.execution.early_end import nothing_ends
from src.execution.progress import at_intervals
from src.execution.trial_runner import RunContext, TrialRunner
from src.messages import TrialProgress
from src.records import TrialResult, TrialSpec


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
