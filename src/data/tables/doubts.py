"""What a table leaves open: dates that read both ways, points that may be thousands, totals."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from src.config.schema import DataSettings
from src.data.tables.columns import Column
from src.data.tables.formats import DECIMAL_COMMA, MONTH_FIRST, PLAIN, day_part
from src.data.tables.gathering import Cells
from src.data.tables.inference import shown
from src.errors import listed

_TOTALS = frozenset(("total", "totals", "grand total", "sum", "summe", "gesamt", "all", "average"))
_WITH_UNIT = re.compile(r"[-+]?\d[\d.,]*\s*([^\W\d_][\w/²³%]*)")
_MANY = 10  # different numbers that are no categories
_EITHER = {**MONTH_FIRST, **{day: month for month, day in MONTH_FIRST.items()}}


def doubts_about(
    columns: Sequence[Column], cells: Mapping[str, Cells], goal: Cells, settings: DataSettings
) -> list[str]:
    """Returns what a user should look at, a sentence each.

    Args:
        columns: all of the table.
        cells: of the columns beside the target that were read, by name.
        goal: the target's.
        settings: which say what of it is settled.
    """
    said = []
    if settings.date_order == "auto":
        said += [_date_doubt(c, cells[c.name]) for c in columns if c.kind == "date"]
    if settings.decimal == "auto":
        said.append(_decimal_doubt(columns, cells, goal))
    said.append(_total_doubt(cells, goal))
    texts = [column for column in columns if column.kind in ("categorical", "identifier")]
    said += [_unit_doubt(column, cells[column.name]) for column in texts]
    said.append(_case_doubt(goal))
    return [sentence for sentence in said if sentence]


def _date_doubt(column: Column, cells: Cells) -> str:
    """Days and months can change places where neither is ever above 12."""
    other = _EITHER.get(day_part(cells.format))
    if other is None or cells.numbers is None:
        return ""
    days = np.floor(cells.numbers[~cells.missing].astype(np.float64)).astype(np.int64)
    # In seconds, which reach beyond the year 2262.
    dates = pd.DatetimeIndex(days.astype("datetime64[D]").astype("datetime64[s]"))
    if (dates.day > 12).any() or (dates.day == dates.month).all():
        return ""
    date = dates[dates.day != dates.month][0]
    order, set_to = "month", "day_first"
    if day_part(cells.format) not in MONTH_FIRST:
        order, set_to = "day", "month_first"
    return (
        f"dates in '{column.name}' are read with the {order} first, such as "
        f"{date.strftime(day_part(cells.format))} for {date:%Y-%m-%d}, though no day is above 12; "
        f"data.date_order={set_to} reads them the other way"
    )


def _decimal_doubt(columns: Sequence[Column], cells: Mapping[str, Cells], goal: Cells) -> str:
    """Where some columns have decimal commas, points before three digits are no decimal points."""
    by_name = {column.name: cells[column.name] for column in columns if column.name in cells}
    formats = {found.format for found in by_name.values()} | {goal.format}
    if DECIMAL_COMMA not in formats:
        return ""
    plain = [name for name, found in by_name.items() if _may_be_thousands(found)]
    if not plain and not _may_be_thousands(goal):
        return ""
    names = ", ".join(f"'{name}'" for name in plain) or "the target"
    return (
        f"numbers in {names} are read with decimal points, though other columns have decimal "
        "commas; data.decimal=comma takes their points for thousands"
    )


def _may_be_thousands(cells: Cells) -> bool:
    if cells.format != PLAIN or cells.numbers is None:
        return False
    values = np.abs(cells.numbers[~cells.missing].astype(np.float64))
    thousands = values * 1000
    whole = np.abs(thousands - np.round(thousands)) < 1e-3 + 1e-7 * thousands  # of float32
    return bool(len(values) and whole.all() and (values < 1000).all() and (values % 1 > 0).any())


def _unit_doubt(column: Column, cells: Cells) -> str:
    """Numbers that all have the same unit behind them are texts all the same."""
    if len(cells.categories) < _MANY:
        return ""
    units = set()
    for text in cells.categories:
        match = _WITH_UNIT.fullmatch(text)
        units.add(match[1] if match else "")
        if len(units) > 1:
            return ""
    if units == {""}:
        return ""
    return (
        f"'{column.name}' holds numbers with a unit, such as {shown(cells.categories[0])}, which "
        "makes texts of them; take the unit out of the file to have numbers"
    )


def _case_doubt(goal: Cells) -> str:
    """Labels that differ in capitals alone are different classes."""
    spellings: dict[str, list[str]] = {}
    for label in goal.categories:
        spellings.setdefault(label.casefold(), []).append(label)
    several = [labels for labels in spellings.values() if len(labels) > 1]
    if not several:
        return ""
    return (
        "classes of the target differ in capital letters alone: "
        + listed(" and ".join(map(repr, labels)) for labels in several)
        + "; write them alike if they are the same"
    )


def _total_doubt(cells: Mapping[str, Cells], goal: Cells) -> str:
    """A last row that sums up the others is no row like them."""
    row = len(goal.missing)
    for name, found in cells.items():
        text = ""
        if found.codes is not None and found.codes[-1] >= 0:
            code = int(found.codes[-1])
            text = found.categories[code] if (found.codes == code).sum() == 1 else ""
        elif found.strays and found.first_stray == row - 1:
            text = next(iter(found.strays))
        if text.lower() in _TOTALS and row > 2:
            return (
                f"the last row, {row}, looks like a total of the others: {shown(text)} in "
                f"'{name}'; take it out of the file if it is one"
            )
    return ""
