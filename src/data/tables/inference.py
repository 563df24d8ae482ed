"""What each column of a table is taken for, and why."""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.data.tables.columns import Column, Kind
from src.data.tables.formats import DECIMAL_COMMA, THOUSANDS
from src.data.tables.gathering import Cells, is_dates
from src.errors import UserError

MOST_LEVELS = 12  # integers with at most so many values get a column each beside the number
NEARLY = 0.9  # of the values of an identifier differ
FEWEST_ROWS = 20  # of which identifiers are told from what differs by chance
_MOST_SHOWN = 40  # characters of a cell in a message
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


def describe(name: str, cells: Cells, setting: str | None, where: str) -> Column:
    """Returns what a column that is not the target is taken for.

    Infinite numbers become missing values in `cells`.

    Args:
        name: the column's.
        cells: all of them.
        setting: what `data.columns` says of it; None for nothing.
        where: the key and the path, for messages.

    Raises:
        UserError: if the cells are not what the setting says.
    """
    notes = _notes(cells)
    missing = int(cells.missing.sum())
    values = _values(cells)
    distinct = len(cells.categories) if cells.codes is not None else len(pd.unique(values))
    kind, done = _kind(name, cells, values, distinct, missing, setting, where)
    origin = 0.0
    if kind == "date":
        origin = float(np.floor(values.min()))
    if missing and kind not in ("constant", "identifier", "dropped"):
        done += "; missing is a category" if cells.codes is not None else "; missing: median, flag"
    return Column(
        name=name,
        kind=kind,
        format=cells.format,
        missing=missing,
        distinct=distinct,
        done="; ".join([done, *notes]),
        origin=origin,
        categories=cells.categories if kind in ("boolean", "categorical") else (),
    )


def levels(values: NDArray[Any]) -> NDArray[Any]:
    """The values that get a column each beside the number; none but for few different integers.

    Args:
        values: of a column, without missing ones.
    """
    distinct = np.unique(values)
    few = 2 < len(distinct) <= MOST_LEVELS and bool(np.all(distinct == np.round(distinct)))
    return distinct if few else distinct[:0]


def shown(text: str) -> str:
    """A cell's text as messages show it."""
    return repr(text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…")


def _values(cells: Cells) -> NDArray[Any]:
    """Those that are not missing: numbers, or codes."""
    values: NDArray[Any] | None = cells.codes if cells.numbers is None else cells.numbers
    assert values is not None
    return values[~cells.missing]


def _notes(cells: Cells) -> list[str]:
    notes = []
    if cells.strays:
        first = next(iter(cells.strays))
        count = sum(cells.strays.values())
        notes.append(
            f"{count} that {'is' if count == 1 else 'are'} none, such as {shown(first)} in row "
            f"{cells.first_stray + 1}, count as missing"
        )
    if cells.numbers is not None:
        with np.errstate(over="ignore"):
            infinite = np.isinf(cells.numbers.astype(np.float32))
        if infinite.any():
            cells.numbers[infinite] = np.nan
            row = int(np.argmax(infinite)) + 1
            notes.append(
                f"{int(infinite.sum())} infinite or beyond ±3.4e38, the first in row {row}, "
                "count as missing"
            )
    if cells.numbers is not None and cells.format in (THOUSANDS, DECIMAL_COMMA):
        notes.append(f"read like {cells.format}")
    return notes


def _kind(
    name: str,
    cells: Cells,
    values: NDArray[Any],
    distinct: int,
    missing: int,
    setting: str | None,
    where: str,
) -> tuple[Kind, str]:
    if setting == "drop":
        return "dropped", "left out: data.columns"
    if setting is not None:
        return _as_set(name, cells, values, distinct, setting, where)
    if not distinct and not cells.overflow:
        return "constant", "left out: no values"
    if distinct == 1 and not missing:
        return "constant", "left out: one value"
    if is_dates(cells):
        return "date", _date_note(cells)
    if cells.numbers is not None:
        reason = _number_identifier(name, values, distinct)
        if reason:
            return "identifier", f"left out: {reason}"
        if distinct == 2 and set(pd.unique(values)) == {0.0, 1.0}:
            return "boolean", "0 and 1"
        return "numeric", "number" + ("; its values too" if len(levels(values)) else "")
    if cells.overflow:
        return "identifier", f"left out: more than {distinct:,} different texts"
    if len(values) >= FEWEST_ROWS // 2 and distinct >= NEARLY * len(values):
        return "identifier", "left out: texts that nearly all differ"
    return ("boolean", "true or false") if _is_boolean(cells) else ("categorical", "category")


def _as_set(
    name: str,
    cells: Cells,
    values: NDArray[Any],
    distinct: int,
    setting: str,
    where: str,
) -> tuple[Kind, str]:
    key = f"data.columns.{name}={setting}: {where}"
    if not len(values) and setting != "categorical":
        found = "it has no values"
        if cells.strays:
            found = f"none of its values is one; row {cells.first_stray + 1} has " + shown(
                next(iter(cells.strays))
            )
        noun = {"numeric": "numbers", "date": "dates", "boolean": "two values"}[setting]
        raise UserError(
            f"{key}: column '{name}' cannot be read as {noun}: {found}. Valid: categorical, drop"
        )
    match setting:
        case "date":
            return "date", _date_note(cells)
        case "numeric":
            return "numeric", "number" + ("; its values too" if len(levels(values)) else "")
        case "boolean":
            if distinct > 2:
                raise UserError(
                    f"{key}: column '{name}' has {distinct} different values. Valid: categorical, "
                    "numeric, date, drop"
                )
            return "boolean", "two values"
    return "categorical", "category"


def _date_note(cells: Cells) -> str:
    return f"days, and where in day, week and year; read like {cells.format}"


def _is_boolean(cells: Cells) -> bool:
    return {text.lower() for text in cells.categories} in _BOOLEANS


def _number_identifier(name: str, values: NDArray[np.float64], distinct: int) -> str:
    """Why numbers tell one row from another and nothing else; empty if they may tell more."""
    if len(values) < FEWEST_ROWS or distinct < NEARLY * len(values):
        return ""
    if not np.all(values == np.round(values)):
        return ""
    if _is_named_identifier(name):
        return "integers that nearly all differ, and its name"
    if distinct < len(values) or len(values) < 5 * FEWEST_ROWS:
        return ""
    if values.max() - values.min() + 1 == len(values):
        return "numbers the rows"
    return ""


def _is_named_identifier(name: str) -> bool:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    lowered = {word.lower() for word in words}
    unnamed = name in ("", "column_1") or name.startswith("Unnamed: 0")
    owned = name.lower().removesuffix("id") in _OWNERS and name.lower().endswith("id")
    return unnamed or owned or bool(lowered & _IDENTIFIER_WORDS)
