"""A search whose trials end at once, with made-up results: what is left is the loop itself.

Only this module knows how a search is prepared and run with an executor of one's own.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Console

from src.config import load_config
from src.console.listener import ConsoleListener
from src.execution.executor import RunContext
from src.records import FitResult, TrialRecord, TrialResult, TrialSpec
from src.registry import EXECUTORS
from src.reporting.board import BoardListener
from src.reporting.hparams import HParamsListener
from src.reporting.tables import TablesListener
from src.search import workflow
from src.search.listener import SearchListener
from src.search.preparation import prepare
from src.search.progress import SearchProgress

EPOCHS = 5  # of each trial
KEEP_TOP = 10
SETTINGS = (
    *("data.source=digits", "tuner.name=random", "run.engine=serial", "run.workers=1"),
    *("run.name=loop", f"run.keep_top={KEEP_TOP}"),
    f"training.epochs={EPOCHS}",
)


def run_search(folder: Path, trials: int, pending: int, on_end: Callable[[], None]) -> None:
    """Random search over the preset `default`, with all files and listeners of the command.

    Args:
        folder: takes the run.
        trials: how many.
        pending: how many trials are pending at once.
        on_end: called after each trial, when all other listeners have been told.

    Raises:
        ValueError: if not all trials completed.
    """
    config = load_config(None, [*SETTINGS, f"tuner.max_trials={trials}", f"run.directory={folder}"])
    prepared = prepare(config)
    InstantExecutor.slots, InstantExecutor.trials = pending, trials
    InstantExecutor.objective = prepared.objective.name
    names = ("loss", *prepared.hypermodel.metric_names)
    InstantExecutor.logs = (*names, *(f"val_{name}" for name in names))
    before = EXECUTORS["serial"]
    EXECUTORS["serial"] = f"{__name__}:InstantExecutor"
    try:
        with (folder / "output.txt").open("w") as output:
            listeners = [
                *(TablesListener(), HParamsListener(), BoardListener()),
                ConsoleListener(Console(file=output)),
                _Last(on_end),
            ]
            outcome = workflow.search(prepared, listeners)
    finally:
        EXECUTORS["serial"] = before
    completed = len(outcome.progress.completed)
    if completed < trials:
        raise ValueError(f"{completed} of {trials} trials completed: {outcome.end.reason}")


class InstantExecutor:
    """Keeps `slots` trials pending; with each that is submitted then, the oldest ends.

    Attributes:
        slots: trials that are pending at once.
        look_ahead: none more.
        trials: how many there will be; when the last is submitted, all that are pending end.
        objective: the log that scores a trial.
        logs: names of what an epoch logs.
    """

    slots: ClassVar[int] = 1
    look_ahead: ClassVar[int] = 0
    trials: ClassVar[int] = 1
    objective: ClassVar[str] = ""
    logs: ClassVar[Sequence[str]] = ()

    def __init__(self, context: RunContext, *_: Any, **__: Any) -> None:
        self._run = context.run
        self._pending: deque[tuple[TrialSpec, Future[TrialResult]]] = deque()
        self._submitted = 0

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        """Ends the oldest trial, which may be this one."""
        future: Future[TrialResult] = Future()
        self._pending.append((spec, future))
        self._submitted += 1
        while self._pending and (
            len(self._pending) >= self.slots or self._submitted == self.trials
        ):
            ended, waiting = self._pending.popleft()
            waiting.set_result(self._result(ended))
        return future

    def shutdown(self) -> None:
        """There is nothing to end."""

    def _result(self, spec: TrialSpec) -> TrialResult:
        """Made up from the trial's number; a small file of weights is left, as a worker does."""
        luck = int(spec.trial_id) * 7919 % 10_007 / 10_007
        rows = tuple(
            {"execution": 0, "fold": 0, "epoch": epoch, "learning_rate": 1e-3, "batch_size": 32}
            | {name: luck + (epoch + index) / 1000 for index, name in enumerate(self.logs)}
            for epoch in range(1, EPOCHS + 1)
        )
        metrics = {name: rows[-1][name] for name in self.logs}
        score = metrics[self.objective]
        weights = self._run.weights(spec.trial_id, 0, 0)
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.write_bytes(b"made up")
        return TrialResult(
            status="COMPLETED",
            fits=(FitResult(0, 0, score, EPOCHS, EPOCHS, metrics),),
            reason="",
            traceback="",
            history=rows,
            parameters=1000,
            started=time.time(),
            seconds=0.01,
            worker="0",
            trained=EPOCHS,
        )


class _Last(SearchListener):
    """Hears of each trial after all other listeners."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        """Passes it on."""
        self._on_end()
