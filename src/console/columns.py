"""The table that tells what was taken of each column of a user's table."""

from collections.abc import Sequence

from rich.table import Table as Grid
from rich.text import Text

from src.data.tables.columns import Column

MOST_LINES = 40  # with more columns, those of which the same was done share a line
NAME_WIDTH = 28
_MOST_NAMES = 3


def columns_grid(columns: Sequence[Column]) -> Grid:
    """Returns column, kind, missing and distinct values, and what was done, a line a column.

    Where there are more than `MOST_LINES` columns, a line for all those of one kind and treatment.
    """
    grid = Grid(box=None, padding=(0, 2, 0, 0))
    grid.add_column("  column", max_width=NAME_WIDTH)
    grid.add_column("kind", no_wrap=True)
    grid.add_column("missing", justify="right", no_wrap=True)
    grid.add_column("distinct", justify="right", no_wrap=True)
    grid.add_column("what was done", min_width=16)
    groups: dict[tuple[str, ...], list[Column]] = {}
    for place, column in enumerate(columns):
        key = (column.kind, column.done, "" if len(columns) > MOST_LINES else str(place))
        groups.setdefault(key, []).append(column)
    for group in groups.values():
        names = ", ".join(_printable(column.name) for column in group[:_MOST_NAMES])
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


def _printable(name: str) -> str:
    text = "".join(character if character.isprintable() else "?" for character in name)
    longest = NAME_WIDTH - 4
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _span(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"
