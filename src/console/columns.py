"""The columns of a user's table: what each is taken for, and what was done with it."""

from collections.abc import Sequence

from rich.table import Table as Grid
from rich.text import Text

from src.console.text import printable
from src.data.tables.columns import Column

MOST_LINES = 40  # of more columns, those of one kind and treatment share a line
LONGEST_NAME = 24
_MOST_NAMES = 3


def columns_grid(columns: Sequence[Column]) -> Grid:
    """Returns name, kind, missing and distinct values and treatment of each column."""
    grid = Grid(box=None, padding=(0, 2, 0, 0))
    grid.add_column("  column", max_width=LONGEST_NAME + 4)
    grid.add_column("kind", no_wrap=True)
    grid.add_column("missing", justify="right", no_wrap=True)
    grid.add_column("distinct", justify="right", no_wrap=True)
    grid.add_column("what was done", min_width=16)
    groups: dict[tuple[str, ...], list[Column]] = {}
    for place, column in enumerate(columns):
        key = (column.kind, column.done, "" if len(columns) > MOST_LINES else str(place))
        groups.setdefault(key, []).append(column)
    for group in groups.values():
        names = ", ".join(_short(printable(column.name)) for column in group[:_MOST_NAMES])
        if len(group) > _MOST_NAMES:
            names += f", … {len(group)} in all"
        grid.add_row(
            Text(f"  {names}"),
            group[0].kind,
            _span([column.missing for column in group]),
            _span([column.distinct for column in group]),
            Text(group[0].done),
        )
    return grid


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _span(counts: Sequence[int]) -> str:
    return "–".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))
