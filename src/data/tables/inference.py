"""What each column of a table is taken for, and why."""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.data.tables.cells import Cells
from src.data.tables.columns import INPUT_KINDS, Column, Kind
from src.data.tables.encoding import levels
from src.data.tables.formats import MONTH_FIRST, day_part, is_date_format
from src.errors import UserError
from src.text import shown

NEARLY = 0.9  # of the values of an identifier differ
FEWEST_ROWS = 20  # of which identifiers are told from what differs by chance
_BOOLEANS = (
    *({"yes", "no"}, {"true", "false"}, {"y", "n"}, {"t", "f"}, {"on", "off"}),
    *({"ja", "nein"}, {"oui", "non"}, {"si", "no"}),
)
# What "userid" and the like begin with; "paid" and "humid" are no identifiers.
_OWNERS = frozenset(
    (
        *("user", "customer", "client", "row", "record", "sample", "passenger", "patient", "order"),
        *("product", "item", "house", "loan", "case", "person", "member", "employee", "student"),
        *("image", "session", "transaction", "account", "object", "subject", "visit", "trip"),
    )
)
_IDENTIFIER_WORDS = frozenset(
    (
        *("id", "ids", "uid", "uuid", "guid", "key", "index", "idx", "number", "no", "nr", "num"),
        *("code", "serial", "rownames", "rownum", "record", "account", "ssn", "ticket", "phone"),
    )
)
_DATE_NOTE = "days, and where in day, week and year"
_EITHER = {**MONTH_FIRST, **{day: month for month, day in MONTH_FIRST.items()}}


def describe(name: str, cells: Cells, setting: str | None, where: str) -> Column:
    """Returns what a column is taken for; `setting` is what `data.columns` says of it.

    Raises `UserError`, which names `where`, if the cells are not what the setting says.
    """
    missing = cells.missing
    found = cells.codes if cells.numbers is None else cells.numbers
    assert found is not None
    values = np.sort(found[~missing])
    distinct = int(np.count_nonzero(values[1:] != values[:-1])) + min(1, len(values))
    if setting is not None:
        kind, done = _as_set(name, cells, values, distinct, setting, where)
    else:
        kind, done = _kind(name, cells, values, distinct, has_missing=bool(missing.any()))
    if missing.any() and kind not in ("constant", "identifier", "dropped"):
        done += "; missing is a category" if cells.codes is not None else "; missing: median, flag"
    if cells.strays:
        row, text = cells.first_stray
        are = "is no number" if cells.strays == 1 else "are no numbers"
        done += f"; {cells.strays} that {are}, such as {shown(text)} in row {row + 1}, are missing"
    first: Any = next(iter(cells.categories), "") if cells.codes is not None else ""
    if cells.numbers is not None and len(values):
        first = cells.numbers[np.argmin(missing)]
    return Column(
        name=name,
        kind=kind,
        format=cells.format,
        missing=int(missing.sum()),
        distinct=distinct,
        done=done,
        first=_first(first, cells.format),
        origin=float(np.floor(values[0])) if kind == "date" else 0.0,
        categories=cells.categories if kind in ("boolean", "categorical") else (),
    )


def ambiguous_dates(name: str, cells: Cells) -> str:
    """A sentence where days and months can change places, because neither is ever above 12."""
    other = _EITHER.get(day_part(cells.format))
    if other is None or cells.numbers is None:
        return ""
    days = np.floor(cells.numbers[~cells.missing]).astype(np.int64)
    # In seconds, which reach beyond the year 2262.
    dates = pd.DatetimeIndex(days.astype("datetime64[D]").astype("datetime64[s]"))
    if (dates.day > 12).any() or (dates.day == dates.month).all():
        return ""
    date = dates[dates.day != dates.month][0]
    order, set_to = "month", "day_first"
    if day_part(cells.format) not in MONTH_FIRST:
        order, set_to = "day", "month_first"
    return (
        f"dates in '{name}' are read with the {order} first, such as "
        f"{date.strftime(day_part(cells.format))} for {date:%Y-%m-%d}, though no day is above 12; "
        f"data.date_order={set_to} reads them the other way"
    )


def _first(value: Any, format_name: str) -> str:
    """The first value of a column, as it was understood."""
    if isinstance(value, str):
        return value
    if is_date_format(format_name):
        return str(np.datetime64(round(float(value) * 86400), "s")).removesuffix("T00:00:00")
    return f"{float(value):.7g}"


def _kind(
    name: str, cells: Cells, values: NDArray[Any], distinct: int, *, has_missing: bool
) -> tuple[Kind, str]:
    if not distinct:
        return "constant", "left out: no values"
    if distinct == 1 and not has_missing:
        return "constant", "left out: one value"
    if is_date_format(cells.format):
        return "date", _DATE_NOTE
    if cells.numbers is not None:
        reason = _number_identifier(name, values, distinct)
        if reason:
            return "identifier", f"left out: {reason}"
        if distinct == 2 and (values[0], values[-1]) == (0, 1):
            return "boolean", "0 and 1"
        return "numeric", _number_note(values)
    if len(values) >= FEWEST_ROWS // 2 and distinct >= NEARLY * len(values):
        return "identifier", "left out: texts that nearly all differ"
    if {text.lower() for text in cells.categories[:3]} in _BOOLEANS:
        return "boolean", "true or false"
    return "categorical", "category"


def _as_set(
    name: str, cells: Cells, values: NDArray[Any], distinct: int, setting: str, where: str
) -> tuple[Kind, str]:
    found = f"it has {distinct} different values"
    if cells.strays:
        found = f"row {cells.first_stray[0] + 1} has {shown(cells.first_stray[1])}"
    notes = {"date": _DATE_NOTE, "numeric": _number_note(values), "boolean": "two values"}
    if (not distinct and setting != "categorical") or (setting == "boolean" and distinct > 2):
        raise UserError(
            f"data.columns.{name}={setting}: {where}: column '{name}' cannot be read as {setting}: "
            f"{found}. Valid: categorical, drop, or another kind that it has"
        )
    kind = next(kind for kind in INPUT_KINDS if kind == setting)
    return kind, notes.get(setting, "category")


def _number_note(values: NDArray[Any]) -> str:
    return "number; its values too" if len(levels(values)) else "number"


def _number_identifier(name: str, values: NDArray[np.float64], distinct: int) -> str:
    """Why sorted numbers tell one row from another and nothing else; empty if they tell more."""
    count = len(values)
    is_whole = np.array_equal(values, np.round(values))
    if count < FEWEST_ROWS or distinct < NEARLY * count or not is_whole:
        return ""
    if _is_named_identifier(name):
        return "integers that nearly all differ, and its name"
    numbers_rows = count >= 5 * FEWEST_ROWS and values[-1] - values[0] + 1 == count == distinct
    return "numbers the rows" if numbers_rows else ""


def _is_named_identifier(name: str) -> bool:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    lowered = {word.lower() for word in words}
    unnamed = name in ("", "column_1") or name.startswith("Unnamed: 0")
    owned = name.lower().removesuffix("id") in _OWNERS and name.lower().endswith("id")
    return unnamed or owned or bool(lowered & _IDENTIFIER_WORDS)
