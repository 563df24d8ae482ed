"""A search in the terminal or in a notebook: its plan, its trials as they end, its outcome."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from src.console import text
from src.console.outcome import show_outcome
from src.console.plan import show_plan
from src.messages import SearchEnd, TrialProgress
from src.records import TrialRecord, TrialResult
from src.search.listener import SearchListener
from src.search.preparation import PreparedSearch
from src.search.progress import SearchProgress
from src.search.workflow import SearchOutcome
from src.store.run_directory import RunDirectory

SPEED_SECONDS = 1800  # rich forgets speeds after 30 s, but a trial may take minutes


class ConsoleListener(SearchListener):
    """Prints a line for each trial that ends; on a terminal, a bar and the workers stand below.

    Without a `console` it prints to standard output, which is plain text in a notebook.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        if self.console.is_jupyter:  # the notebook would keep every frame of the bar
            self.console = Console(file=sys.stdout, force_jupyter=False, force_terminal=False)
        self._bar = Progress(
            *(SpinnerColumn(), "{task.description}", BarColumn(24), "{task.fields[best]}"),
            *(TimeElapsedColumn(), "left", TimeRemainingColumn(compact=True)),
            console=self.console,
            get_time=self.console.get_time,
            speed_estimate_period=SPEED_SECONDS,
        )
        self._task = self._bar.add_task("", total=None, best="")
        self._running: dict[int, TrialProgress] = {}  # by worker
        self._ended = self._trainings = 0
        self._objective = self._stopping = ""
        self._live = Live(get_renderable=self.draw, console=self.console, transient=True)

    def on_plan(self, prepared: PreparedSearch, notices: Sequence[str]) -> None:
        self._prepared = prepared
        show_plan(self.console, prepared, notices)

    def on_search_begin(
        self, run: RunDirectory, space: Any, metrics: Any, progress: SearchProgress
    ) -> None:
        self.console.rule("[bold]Trials", align="left")
        text.show_path(self.console, run.path)
        if progress.records:
            before = f"trials before: {len(progress.records)}, best {text.best_text(progress)}"
            text.show_lines(self.console, [("resumed", before)])
        self._objective = progress.objective.name
        self._update(progress)
        if self.console.is_interactive:
            self._live.start()

    def on_progress(self, running: TrialProgress) -> None:
        self._running[running.worker] = running

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        self._end(record, progress, text.trial_line(record, progress))

    def on_reevaluation_begin(self, trainings: int, progress: SearchProgress) -> None:
        what = f"the best trials train from new seeds, trainings: {trainings}"
        text.show_lines(self.console, [("re-evaluation", what)])
        self._trainings = trainings
        self._update(progress)

    def on_reevaluation(
        self, record: TrialRecord, result: TrialResult, progress: SearchProgress
    ) -> None:
        self._end(record, progress, text.reevaluation_line(record, result))

    def on_stopping(self, signal_name: str) -> None:
        self._stopping = f"  {signal_name}: stopping; once more stops at once"

    def on_search_end(self, end: SearchEnd, progress: SearchProgress) -> None:
        self._live.stop()

    def on_outcome(self, outcome: SearchOutcome) -> None:
        show_outcome(self.console, self._prepared, outcome)

    def draw(self) -> Group:
        """What stands below the lines: the bar, and a line for each worker that runs a trial."""
        workers = [running for _, running in sorted(self._running.copy().items())]
        # Running trials count in part, so that the time left is known before the first trial ends.
        parts = [(one.fit - 1 + one.epoch / one.epochs) / one.fits for one in workers]
        self._bar.update(self._task, completed=self._ended + sum(parts))
        lines = [text.worker_line(running, self._objective) for running in workers]
        stopping = [Text(self._stopping, style="yellow")] if self._stopping else []
        return Group(self._bar.get_renderable(), *lines, *stopping)

    def _end(self, record: TrialRecord, progress: SearchProgress, line: Text) -> None:
        running = self._running.copy().items()  # another thread may add to the dict
        trial_id = record.spec.trial_id
        self._running = {worker: one for worker, one in running if one.trial_id != trial_id}
        self._update(progress)
        self.console.print(line)

    def _update(self, progress: SearchProgress) -> None:
        """Brings the bar up to date: of the trials, then of the trainings of the re-evaluation."""
        what, self._ended, total = "trial", len(progress.records), progress.total
        if self._trainings:
            what, self._ended, total = "training", progress.reevaluations, self._trainings
        count = f"{what} {self._ended}{'' if total is None else f'/{total}'}"
        best = f"best {text.best_text(progress)}, {progress.failures} failed"
        self._bar.update(self._task, total=total, description=count, best=best)
