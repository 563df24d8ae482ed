"""The report in the terminal: the leaderboard and the sentences."""

import re
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from src.reporting.page.comparison import comparison_table
from src.reporting.page.leaderboard import leaderboard, terminal_table
from src.reporting.page.sections import STATES, what_was_tuned
from src.reporting.rules.compared import compared
from src.reporting.rules.finding import Finding
from src.reporting.run_data import RunData
from src.reporting.story import Story
from src.reporting.text import printable

MARKS = {"good": ("✓", "green"), "note": ("•", "dim"), "warning": ("!", "yellow")}


def show_report(console: Console, data: RunData, story: Story) -> None:
    """Prints what was tuned, the best trials, the sentences and what to run next."""
    console.rule(Text(printable(data.run.name), style="bold"), align="left")
    state = f"{STATES.get(data.state, data.state)}: {data.reason}" if data.reason else data.state
    console.print(Text(printable(state), style="dim"))
    console.print(_marked(what_was_tuned(data)))
    _show(console, [Finding("warning", notice) for notice in data.notices])
    if len(data.completed):
        board = leaderboard(data, story.ordered)
        console.print()
        console.print(terminal_table(board, console.width))
        console.print()
    else:
        console.print("No trial has completed.")
    _show(console, story.findings)
    console.print(Text(f"\nto {story.purpose}:", style="dim"))
    console.print(Text(printable(story.command)), soft_wrap=True)


def show_comparison(console: Console, runs: Sequence[RunData], stories: Sequence[Story]) -> None:
    """Prints the runs below each other, and how their best trials compare."""
    for run in runs:
        _show(console, [Finding("warning", f"{run.run.name}: {text}") for text in run.notices])
    console.print(comparison_table(runs))
    console.print()
    _show(console, compared(runs, [story.noise for story in stories]))


def _show(console: Console, found: Sequence[Finding]) -> None:
    for finding in found:
        mark, style = MARKS[finding.kind]
        line = Text(f"{mark} ", style=style).append_text(_marked(finding.text))
        console.print(line)


def _marked(text: str) -> Text:
    """A sentence whose code is bold."""
    parts = re.split(r"`([^`]*)`", printable(text))
    return Text.assemble(*((part, "bold" if i % 2 else "") for i, part in enumerate(parts)))
