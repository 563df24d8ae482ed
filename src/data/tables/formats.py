"""How the cells of a column become texts and numbers, as expressions of DuckDB's SQL.

A cell is a text without blanks around it, NULL for a missing value. `MACROS` defines the functions
that the expressions call; `connect` in `database.py` makes them known.
"""

import re
from collections.abc import Sequence
from math import isfinite
from typing import Literal

TEXT = "text"
PLAIN = "plain"  # 1234.5, -1e-3
THOUSANDS = "1,234.5"  # also with a currency or a percent sign, which are left out
DECIMAL_COMMA = "1.234,5"  # the same; of both −5 and (5) are -5
NUMBER_FORMATS = (PLAIN, THOUSANDS, DECIMAL_COMMA)
ISO = "ISO8601"
_DAYS = (
    *("%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y"),
    *("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%y", "%b %Y", "%B %Y", "%b-%y", "%Y-%m"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
DATE_FORMATS = (
    ISO,
    *(day + time for day in _DAYS for time in _TIMES),
    *("%H:%M", "%H:%M:%S", "%I:%M %p"),
)
MONTH_FIRST = {"%m/%d/%Y": "%d/%m/%Y", "%m-%d-%Y": "%d-%m-%Y", "%m/%d/%y": "%d/%m/%y"}
"""Formats of dates, and those that read the same texts with the day first."""
COMPACT_DATES = ("%Y%m%d", "%Y%m%d%H%M%S", "%Y%m", "%Y")  # only where dates are asked for
MISSING = (
    *("", "?", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none", "nat", "#null!"),
    "#div/0!",
)
"""What stands for a missing value, in any case, unless `data.default_missing` is false."""

_BLANKS = " \t\n\r\f\v\u00a0\u2007\u202f\u3000\ufeff"
_THOUSANDS = r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?|[-+]?\d+(?:\.\d*)?|[-+]?\.\d+"
_DECIMAL_COMMA = r"[-+]?\d{1,3}(?:\.\d{3})+(?:,\d*)?|[-+]?(?:\d+(?:,\d*)?|,\d+)(?:[eE][-+]?\d+)?"
MACROS = rf"""
CREATE MACRO bare(c) AS trim(c, '{_BLANKS}');
CREATE MACRO plain(c) AS TRY_CAST(c AS DOUBLE);
-- without currencies and per cent; signs of print, and brackets of accountants, become a minus
CREATE MACRO unsigned_(c) AS regexp_replace(
    regexp_replace(c, '[$€£¥%\s\x{{a0}}\x{{202f}}'']', '', 'g'),
    '^(?:[−–]([\d.,]+)|\(([\d.,]+)\))$', '-\1\2');
CREATE MACRO thousands(c) AS plain(replace(regexp_extract(
    unsigned_(c), '^(?:{_THOUSANDS})$'), ',', ''));
CREATE MACRO decimal_comma(c) AS plain(replace(replace(regexp_extract(
    unsigned_(c), '^(?:{_DECIMAL_COMMA})$'), '.', ''), ',', '.'));
-- days since 1970-01-01 UTC
CREATE MACRO days(t) AS epoch_us(t) / 86400e6;
CREATE MACRO iso_days(c) AS
    CASE WHEN regexp_matches(c, '^\d{{4}}[-/]\d') THEN days(TRY_CAST(c AS TIMESTAMPTZ)) END;
CREATE MACRO format_days(c, f) AS
    CASE WHEN NOT contains(f, '%Y') OR regexp_matches(c, '\d{{4}}') THEN
    days(try_strptime(c, f)) END;
-- floats without a decimal point where they are whole
CREATE MACRO short_float(c) AS CASE WHEN c = trunc(c) AND abs(c) < 1e15
    THEN CAST(CAST(c AS BIGINT) AS VARCHAR) ELSE CAST(c AS VARCHAR) END;
CREATE MACRO truth(c) AS CASE c WHEN true THEN 'True' WHEN false THEN 'False' END;
"""

_FLOATS = ("FLOAT", "DOUBLE")
_NUMBERS = re.compile(r"FLOAT|DOUBLE|DECIMAL.*|U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|BIGNUM")


def is_number_type(type_: str) -> bool:
    """Whether a column of DuckDB's type holds numbers."""
    return _NUMBERS.fullmatch(type_) is not None


def is_time_type(type_: str) -> bool:
    """Whether a column of DuckDB's type holds dates."""
    return type_ == "DATE" or type_.startswith("TIMESTAMP")


def text_sql(column: str, type_: str) -> str:
    """The expression of a column's texts as they stand in the file."""
    if type_ == "BOOLEAN":
        return f"truth({column})"
    if type_ in _FLOATS:
        return f"short_float({column})"
    if type_ == "BLOB":
        return f"TRY(decode({column}))"
    return column if type_ == "VARCHAR" else f"CAST({column} AS VARCHAR)"


def missing_sql(text: str, missing: Sequence[str]) -> str:
    """The condition that a text, blanks around it or not, stands for no value; NULL of NULL.

    Of `missing`, in lower case, numbers stand for all cells of their value, as -999 for `-999.0`.
    """
    # One pattern: DuckDB plans a list of constants for each of thousands of columns for seconds.
    texts = quoted(f"(?i)[{_BLANKS}]*({'|'.join(map(re.escape, missing))})[{_BLANKS}]*")
    numbers = ", ".join(repr(float(t)) for t in missing if is_number(t) and isfinite(float(t)))
    of_numbers = f" OR coalesce(plain({text}) IN ({numbers}), false)" if numbers else ""
    return f"(regexp_full_match({text}, {texts}){of_numbers})"


def number_sql(cell: str, format_name: str) -> str:
    """The expression of a cell's number, or days since 1970-01-01 UTC; NULL where it has none."""
    if format_name == ISO:
        return f"iso_days({cell})"
    if "%" in format_name:
        return f"format_days({cell}, {quoted(format_name)})"
    names = {PLAIN: "plain", THOUSANDS: "thousands", DECIMAL_COMMA: "decimal_comma"}
    return f"{names[format_name]}({cell})"


def quoted(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name of a column or a table in SQL."""
    return '"' + name.replace('"', '""') + '"'


def preferred(
    decimal: Literal["auto", "point", "comma"],
    date_order: Literal["auto", "day_first", "month_first"],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The formats of numbers and of dates that settings prefer, the likeliest first."""
    numbers = {"auto": NUMBER_FORMATS, "point": (PLAIN, THOUSANDS), "comma": (DECIMAL_COMMA,)}
    other = {"day_first": set(MONTH_FIRST), "month_first": set(MONTH_FIRST.values())}
    refused = other.get(date_order, set())
    return numbers[decimal], tuple(n for n in DATE_FORMATS if day_part(n) not in refused)


def day_part(name: str) -> str:
    """The format of a date without that of its time."""
    return name.split(" %H")[0].split(" %I")[0]


def is_date_format(name: str) -> bool:
    """Whether texts of this format become days."""
    return name == ISO or "%" in name


def is_number(text: str) -> bool:
    """Whether Python and DuckDB both read a text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
