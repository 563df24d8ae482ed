"""A search as it runs: in the terminal, and as a log in the run's folder."""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

import keras_tuner as kt
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from src.console.log import SearchLog
from src.console.text import (
    best_text,
    confirmation_line,
    show_line,
    show_path,
    trial_line,
    worker_line,
)
from src.console.time_left import TimeLeft, in_words
from src.evaluation.winner import Winner
from src.messages import SearchEnd, TrialProgress
from src.records import TrialRecord, TrialResult, TrialSpec
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory


class ConsoleListener(SearchListener):
    """A progress bar and the workers at the bottom, above them a line for each finished trial.

    Where nothing can be drawn over, as in a file or a notebook, there are the lines alone. What
    happens is written into the run's log too.

    Args:
        console: where to; without one, standard output as plain text, which suits notebooks, and
            at the end why the search stopped.
    """

    def __init__(self, console: Console | None = None) -> None:
        # A notebook's standard output claims to be a terminal, and would keep every frame of a bar.
        self.console = console or Console(
            file=sys.stdout, force_jupyter=False, force_terminal=False, color_system=None
        )
        self._is_alone = console is None  # nobody else says how it ended
        self._display = _Display(self.console)

    def on_search_begin(
        self,
        run: RunDirectory,
        space: kt.HyperParameters,
        metrics: Sequence[str],
        progress: SearchProgress,
    ) -> None:
        """Starts the bar."""
        self._log = SearchLog(run.log)
        self.console.rule("[bold]Trials", align="left")
        show_path(self.console, "run", run.path)
        self._log.write(f"search of {run.name} begins")
        if progress.records:
            for record in progress.records:
                self._display.time_left.note_end(record.result.seconds)
            trials = f"{len(progress.records)} trial{'s' if len(progress.records) > 1 else ''}"
            resumed = f"after {trials}, best {best_text(progress)}"
            show_line(self.console, "resumed", resumed)
            self._log.write(f"resumed {resumed}")
        if progress.warm_start:
            if self._is_alone:
                show_line(self.console, "warm start", progress.warm_start)
            self._log.write(f"warm start: {progress.warm_start}")
        self._display.show(progress)
        if self.console.is_interactive:
            self._display.start()

    def on_trial_begin(self, spec: TrialSpec, progress: SearchProgress) -> None:
        """Sets the total, which is known now."""
        self._display.objective = progress.objective.name
        self._display.show(progress)

    def on_progress(self, running: TrialProgress) -> None:
        """Notes it for the next time that the display is drawn."""
        self._display.note(running)

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        """Prints the trial's line."""
        self._display.note_end(record)
        self._display.show(progress)
        self._tell(trial_line(record, progress))

    def on_reevaluation_begin(self, trainings: int, progress: SearchProgress) -> None:
        """Says that the best trials are trained again."""
        plural = "" if trainings == 1 else "s"
        text = f"the best trials from new seeds, {trainings} training{plural}"
        show_line(self.console, "confirming", text)
        self._log.write(f"confirming {text}")
        self._display.show_confirmation(trainings)

    def on_reevaluation(
        self, record: TrialRecord, result: TrialResult, progress: SearchProgress
    ) -> None:
        """Prints what came of one of these trainings."""
        self._display.note_end(replace(record, result=result))
        self._display.advance_confirmation()
        self._tell(confirmation_line(record, result))

    def on_trial_retry(self, record: TrialRecord) -> None:
        """Prints why the trial runs again."""
        self._tell(trial_line(record).append("; it runs again", style="yellow"))

    def on_stopping(self, signal_name: str) -> None:
        """Notes it for the next time that the display is drawn."""
        self._display.stopping = f"  {signal_name}: stopping; once more stops at once"

    def on_search_end(self, end: SearchEnd, progress: SearchProgress) -> None:
        """Removes the bar, and says why the search ended where no command does."""
        if self.console.is_interactive:
            self._display.stop()
        if self._is_alone:
            show_line(self.console, end.kind, end.reason)
        self._log.write(f"search ends, {end.kind}: {end.reason}; best {best_text(progress)}")

    def on_export(self, run: RunDirectory, winner: Winner) -> None:
        """Writes the winner's test metrics into the log."""
        metrics = ", ".join(f"{name} {value}" for name, value in winner.test.items())
        trial_id = winner.record.spec.trial_id
        self._log.write(f"trial {trial_id} is exported; test rows: {metrics or 'none'}")

    def _tell(self, line: Text) -> None:
        self.console.print(line)
        self._log.write(line.plain)


class _Display(Progress):
    """A progress bar, and below it what each worker is doing."""

    def __init__(self, console: Console) -> None:
        self.objective = self.stopping = ""
        self.time_left = TimeLeft()
        self.left: int | None = None  # trials
        self._running: dict[int, tuple[TrialProgress, float]] = {}  # by worker, and since when
        super().__init__(
            SpinnerColumn(),
            TextColumn("{task.fields[what]}"),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            _TimeLeftColumn(self),
            console=console,
            transient=True,
        )
        self._bar = self.add_task("best –, 0 failed", total=None, what="trial")

    def note(self, running: TrialProgress) -> None:
        """A worker tells how far it is; from any thread."""
        before = self._running.get(running.worker)
        same = before is not None and before[0].trial_id == running.trial_id
        since = before[1] if before is not None and same else time.monotonic()
        self._running[running.worker] = running, since

    def note_end(self, record: TrialRecord) -> None:
        """A trial has ended."""
        self.time_left.note_end(record.result.seconds)
        for worker, (running, _) in self._running.copy().items():
            if running.trial_id == record.spec.trial_id:
                self._running.pop(worker, None)

    def show(self, progress: SearchProgress) -> None:
        """Brings the bar up to date."""
        ended = len(progress.records)
        self.left = None if progress.total is None else max(progress.total - ended, 0)
        description = f"best {best_text(progress)}, {progress.failures} failed"
        self.update(self._bar, total=progress.total, completed=ended, description=description)

    def show_confirmation(self, trainings: int) -> None:
        """Begins the bar anew, for trainings after the search."""
        self.left = trainings
        self.reset(self._bar, total=trainings, completed=0, what="confirmation", description="")

    def advance_confirmation(self) -> None:
        """One of these trainings has ended."""
        self.left = max((self.left or 0) - 1, 0)
        self.advance(self._bar)

    def seconds_left(self) -> float | None:
        """Until the last trial ends."""
        now = time.monotonic()
        since = {worker: now - begun for worker, (_, begun) in self._running.copy().items()}
        return self.time_left.estimate(self.left, since)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar's line, then a line for each worker that runs a trial."""
        yield from super().get_renderables()
        for _, (running, _) in sorted(self._running.copy().items()):
            yield worker_line(running, self.objective)
        if self.stopping:
            yield Text(self.stopping, style="yellow")


class _TimeLeftColumn(ProgressColumn):
    """What `TimeLeft` estimates; rich's own column would take all trials for equally long."""

    def __init__(self, display: _Display) -> None:
        self._display = display
        super().__init__()

    def render(self, task: Task) -> Text:
        """The time, drawn anew as often as the bar."""
        return Text(in_words(self._display.seconds_left()), style="progress.remaining")
