"""Lines and numbers that the terminal and the log share."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.messages import TrialProgress
from src.records import Reevaluation, TrialRecord, TrialResult
from src.search.progress import SearchProgress
from src.text import short_number as number

NAME_WIDTH = 26


def show_lines(console: Console, lines: Iterable[tuple[str, str | Text]]) -> None:
    """Prints names and values in two columns; long values are folded."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=NAME_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in lines:
        table.add_row(Text(f"  {name}"), Text(value) if isinstance(value, str) else value)
    console.print(table)


def show_path(console: Console, path: Path) -> None:
    """Prints a path on one line of any length, so that the path can be copied."""
    console.print(Text(f"  {path}"), soft_wrap=True)


def trial_line(record: TrialRecord, progress: SearchProgress) -> Text:
    """A trial that has ended: its score and duration, and the best trial; or why it failed."""
    result, best, line = record.result, progress.best, Text(f"  {record.spec.trial_id}  ")
    if result.status == "FAILED":
        return line.append(f"failed: {printable(result.reason)}", style="red")
    line.append(score_text(result), style="bold green" if best is record else "")
    if result.stopped_by is None:
        line.append(f"  epoch {result.best_epoch} of {result.epochs}")
    line.append(f"  {result.seconds:.1f} s")
    if record.spec.parent_id is not None:
        line.append(f"  continues {record.spec.parent_id}", style="dim")
    if result.stopped_by is not None:
        line.append(f"  {result.reason.partition(':')[0]}", style="dim")  # trials.csv has the rest
    elif best is record:
        line.append("  best so far", style="green")
    elif best is not None:
        line.append(f"  best {best.spec.trial_id}: {score_text(best.result)}", style="dim")
    return line


def reevaluation_line(record: TrialRecord, result: TrialResult) -> Text:
    """A training of a trial's re-evaluation, and after the last training the mean of all."""
    line = Text(f"  {record.spec.trial_id}  re-evaluation ")
    if result.status == "FAILED":
        return line.append(f"failed: {printable(result.reason)}", style="red")
    line.append(f"{score_text(result)}  epoch {result.best_epoch} of {result.epochs}")
    line.append(f"  {result.seconds:.1f} s")
    if record.reevaluation is not None and record.reevaluation.score is not None:
        line.append(f"  mean {score_text(record.reevaluation)}", style="green")
    return line


def worker_line(running: TrialProgress, objective: str) -> Text:
    """How far a worker is."""
    line = Text(f"  worker {running.worker}  trial {running.trial_id}", style="dim")
    if running.fits > 1:
        line.append(f"  fit {running.fit}/{running.fits}")
    line.append(f"  epoch {running.epoch}/{running.epochs}")
    if running.learning_rate is not None:
        line.append(f"  rate {running.learning_rate:.2g}")
    if running.value is not None:
        line.append(f"  {objective} {number(running.value)}")
    return line


def score_text(scored: TrialResult | Reevaluation) -> str:
    """The score, with ± its standard error for several fits; `failed`, or `–` while incomplete."""
    if scored.score is None:
        return "failed" if scored.reason else "–"
    if scored.score_error is None:
        return number(scored.score)
    return f"{number(scored.score)} ± {number(float(f'{scored.score_error:.2g}'))}"


def printable(text: str) -> str:
    """The text with a blank for each character that would break a line or steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def best_text(progress: SearchProgress) -> str:
    """The best score, or `–`."""
    return "–" if progress.best is None else score_text(progress.best.result)
