"""What an executor is: `submit` takes a `TrialSpec` and returns the future of its result."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol

from src.execution.context import RunContext
from src.messages import TrialProgress
from src.records import TrialResult, TrialSpec
from src.signals import TrialInterruptedError

POLL_SECONDS = 0.2  # how long a signal may wait to be seen


def nothing_ends() -> str:
    """Why running trials are to end: nothing ends them."""
    return ""


class Executor(Protocol):
    """What the loop needs of an executor.

    Args:
        context: what the trials share.
        workers: how many trials to run at once.
        on_progress: told how far running trials are, perhaps from another thread.
        stopping: whether the search is to stop; an executor whose `submit` blocks then raises
            `TrialInterruptedError`.
        ending: why running trials are to end with the epochs they have trained; empty if they are
            not. May be called from another thread.

    Attributes:
        slots: how many trials run at once.
        look_ahead: how many more trials should wait, to choose from.
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


def run_all(
    executor: Executor, specs: Iterable[TrialSpec], stopping: Callable[[], bool]
) -> Iterator[tuple[TrialSpec, TrialResult]]:
    """Runs trials in parallel and yields each result as the trial ends.

    The next spec is taken when a worker is free. Raises `TrialInterruptedError` if `stopping`.
    """
    waiting = iter(specs)
    running: dict[Future[TrialResult], TrialSpec] = {}
    while True:
        while len(running) < executor.slots and (spec := next(waiting, None)) is not None:
            running[executor.submit(spec)] = spec
        if not running:
            return
        done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            yield running.pop(future), future.result()
        if stopping():
            raise TrialInterruptedError
