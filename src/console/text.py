"""Lines and words that the console and the log share."""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.messages import TrialProgress
from src.records import Reevaluation, TrialRecord, TrialResult
from src.search.progress import SearchProgress
from src.text import short_number as number

NAME_WIDTH = 26


def show_notice(console: Console, notice: str) -> None:
    """Prints something to know before the search; where all else is quiet, to stderr."""
    if console.quiet:
        print(f"notice: {notice}", file=sys.stderr)
    show_line(console, "notice", Text(notice, style="yellow"))


def worker_line(running: TrialProgress, objective: str) -> Text:
    """What a worker is doing."""
    line = Text(f"  worker {running.worker}  trial {running.trial_id}", style="dim")
    if running.fits > 1:
        line.append(f"  fit {running.fit}/{running.fits}")
    line.append(f"  epoch {running.epoch}/{running.epochs}")
    if running.learning_rate is not None:
        line.append(f"  rate {running.learning_rate:.2g}")
    if running.value is not None:
        line.append(f"  {objective} {number(running.value)}")
    return line


def trial_line(record: TrialRecord, progress: SearchProgress | None = None) -> Text:
    """A trial that has ended: its score, how far it is from the best, what it took; or its failure.

    Args:
        record: the trial.
        progress: of which it is part; None for an attempt that is not counted.
    """
    result, spec = record.result, record.spec
    line = Text(f"  {spec.trial_id}  ")
    if result.status == "FAILED":
        line.append(f"failed: {result.reason}", style="red")
        return line
    best = None if progress is None else progress.best
    line.append(score_text(record), style="bold green" if best is record else "")
    if result.stopped_by is None:
        line.append(f"  epoch {result.best_epoch} of {result.epochs}")
    line.append(f"  {result.seconds:.1f} s")
    if spec.parent_id is not None:
        line.append(f"  continues {spec.parent_id}", style="dim")
    if result.stopped_by is not None:
        line.append(f"  {result.reason.partition(':')[0]}", style="dim")  # all is in trials.csv
    if best is record:
        line.append("  best so far", style="green")
    elif best is not None and result.stopped_by is None:
        line.append(f"  {_behind(record, best, progress)}", style="dim")
    return line


def confirmation_line(record: TrialRecord, result: TrialResult) -> Text:
    """A training that confirms a trial: its score; after the last one their mean.

    Args:
        record: the trial.
        result: of the training.
    """
    line = Text(f"  {record.spec.trial_id}  ")
    if result.status == "FAILED":
        return line.append(f"failed in another training: {result.reason}", style="red")
    line.append(f"again {number(result.score)}")
    line.append(f"  epoch {result.best_epoch} of {result.epochs}  {result.seconds:.1f} s")
    if record.reevaluation is not None and record.reevaluated_score is not None:
        line.append(f"  mean {confirmed_text(record.reevaluation)}", style="green")
    return line


def confirmed_text(confirmation: Reevaluation) -> str:
    """The mean of the trainings that confirm a trial, with ± its standard error; or `failed`."""
    if confirmation.score is None:
        return "failed" if confirmation.reason else "–"
    return _with_error(confirmation.score, confirmation.score_error)


def _behind(record: TrialRecord, best: TrialRecord, progress: SearchProgress | None) -> str:
    """How far a score is from the best one's, in two digits."""
    distance = (record.result.score or 0.0) - (best.result.score or 0.0)
    if not distance:
        return f"as good as {best.spec.trial_id}"
    text = number(float(f"{abs(distance):.2g}"))
    maximised = progress is None or progress.objective.direction == "max"
    if best.reevaluated_score is not None and (distance > 0) == maximised:
        return f"{text} ahead of {best.spec.trial_id}, which is confirmed"
    return f"{text} behind {best.spec.trial_id}"


def score_text(record: TrialRecord) -> str:
    """The score, with ± its standard error where there are repeats."""
    return _with_error(record.result.score, record.result.score_error)


def _with_error(value: float | None, error: float | None) -> str:
    spread = "" if error is None else f" ± {number(float(f'{error:.2g}'))}"
    return f"{number(value)}{spread}"


def best_text(progress: SearchProgress) -> str:
    """The best score, or `–`."""
    return "–" if progress.best is None else score_text(progress.best)


def show_path(console: Console, name: str, path: Path) -> None:
    """A path is never broken, so that it can be copied."""
    console.print(Text(f"{'  ' + name:<{NAME_WIDTH + 2}}{path}"), soft_wrap=True)


def show_line(console: Console, name: str, value: str | Text, width: int = NAME_WIDTH) -> None:
    """A name and its value, which is folded beside it."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=width)
    table.add_column(overflow="fold")
    table.add_row(Text(f"  {name}"), Text(value) if isinstance(value, str) else value)
    console.print(table)
