"""What an executor is: `submit` takes a `TrialSpec` and returns the future of its result."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Literal, Protocol

from callbacks import TrainingPlan
from src.config import Config
from src.data.loading import Data, FitArrays
from src.data.splits import Rows
from src.messages import TrialProgress
from src.records import TrialResult, TrialSpec
from src.signals import TrialInterruptedError
from src.store.run_directory import RunDirectory

POLL_SECONDS = 0.2  # how long a signal may wait to be seen


@dataclass(frozen=True)
class RunContext:
    """What all trials of a search share; plain data that a worker process can be given."""

    config: Config  # of the search
    data: Data  # the rows and how they are split
    plan: TrainingPlan  # most epochs of a trial, and what its callbacks monitor
    run: RunDirectory  # the run's folder

    @property
    def streams(self) -> bool:
        """Whether trials read their rows batch by batch, instead of holding them in memory."""
        return self.config.training.batches == "stream"

    @property
    def class_weight(self) -> Literal["balanced"] | None:
        """The weights of classes in the loss; None for equal ones."""
        weight = self.config.data.class_weight
        return None if weight == "none" else weight

    @property
    def saves(self) -> bool:
        """Whether running trials are saved, to go on from there if they are killed."""
        return self.config.training.save_every is not None

    def arrays(self, train: Rows, validation: Rows) -> FitArrays:
        """What a fit on these rows takes, read when it is needed where trials stream."""
        return self.data.arrays(train, validation, stream=self.streams)


@dataclass(frozen=True)
class TrialHooks:
    """What running trials tell and ask their search; each may come from another thread."""

    # Told of every fit as it begins, and of its epochs.
    on_progress: Callable[[TrialProgress], None] = lambda _: None
    # Asked after every epoch whether to give the trial up.
    stopping: Callable[[], bool] = lambda: False
    # Asked after every epoch why the trial is to end with the epochs it has trained; "" for not.
    ending: Callable[[], str] = lambda: ""


class Executor(Protocol):
    """What the loop needs of an executor, which runs up to `workers` trials at once.

    An executor whose `submit` blocks raises `TrialInterruptedError` when the search is to stop.

    Attributes:
        slots: how many trials run at once.
        look_ahead: how many more trials should wait, to choose from.
    """

    slots: int
    look_ahead: int

    def __init__(self, context: RunContext, workers: int, hooks: TrialHooks) -> None: ...

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
