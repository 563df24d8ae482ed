"""How the texts of a column become numbers: the formats of numbers and of dates that are known."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Texts = NDArray[np.object_]  # of str, without blanks around them
Numbers = NDArray[np.float64]

TEXT = "text"
PLAIN = "plain"  # 1234.5, -1e-3
THOUSANDS = "1,234.5"  # also with a currency or a percent sign, which are left out
DECIMAL_COMMA = "1.234,5"  # the same; of both −5 and (5) are -5
NUMBER_FORMATS = (PLAIN, THOUSANDS, DECIMAL_COMMA)
ISO = "ISO8601"
_DAYS = (
    *("%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y"),
    *("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%y", "%b %Y", "%B %Y", "%b-%y"),
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
MISSING = frozenset(
    (
        "",
        "?",
        "na",
        "n/a",
        "#n/a",
        "<na>",
        "nan",
        "-nan",
        "null",
        "none",
        "nat",
        "#null!",
        "#div/0!",
    )
)
ENOUGH = 0.95  # the share of a column's texts that a format must read to be taken for it
_SAMPLE = 100
_SIGNS = r"[$€£¥%\s  ']"
_MINUS = r"^(?:[−–]([\d.,]+)|\(([\d.,]+)\))$"  # signs of print, and brackets of accountants
_THOUSANDS = r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?|[-+]?\d+(?:\.\d*)?|[-+]?\.\d+"
_DECIMAL_COMMA = r"[-+]?\d{1,3}(?:\.\d{3})+(?:,\d*)?|[-+]?(?:\d+(?:,\d*)?|,\d+)(?:[eE][-+]?\d+)?"
_EPOCH = pd.Timestamp("1970-01-01", tz="UTC")


@dataclass(frozen=True)
class Candidates:
    """The formats that the texts of a column may have.

    Attributes:
        numbers: those of numbers, the likeliest first.
        dates: those of dates.
    """

    numbers: tuple[str, ...] = NUMBER_FORMATS
    dates: tuple[str, ...] = DATE_FORMATS


def candidates(
    decimal: Literal["auto", "point", "comma"],
    date_order: Literal["auto", "day_first", "month_first"],
) -> Candidates:
    """Returns the formats that settings prefer."""
    numbers = {"auto": NUMBER_FORMATS, "point": (PLAIN, THOUSANDS), "comma": (DECIMAL_COMMA,)}
    other = {
        "auto": frozenset[str](),
        "day_first": frozenset(MONTH_FIRST),
        "month_first": frozenset(MONTH_FIRST.values()),
    }
    return Candidates(
        numbers[decimal],
        tuple(name for name in DATE_FORMATS if day_part(name) not in other[date_order]),
    )


def day_part(name: str) -> str:
    """The format of a date without that of its time."""
    return name.split(" %H")[0].split(" %I")[0]


def is_date_format(name: str) -> bool:
    """Whether texts of this format become days."""
    return name == ISO or "%" in name


def is_missing(texts: Texts) -> NDArray[np.bool_]:
    """Which texts stand for a missing value: empty, `?`, `NA`, `null` and the like."""
    return np.fromiter((text.lower() in MISSING for text in texts), bool, len(texts))


def parse(texts: Texts, name: str) -> Numbers:
    """Returns a number for each text, NaN where the format does not read it.

    Args:
        texts: stripped.
        name: a format's name. Of a date format, numbers are days since 1970-01-01 UTC.
    """
    if is_date_format(name):
        return to_days(pd.to_datetime(pd.Series(texts), format=name, errors="coerce", utc=True))
    if name != PLAIN:
        texts = _plain(texts, name)
    return np.asarray(pd.to_numeric(texts, errors="coerce"), dtype=np.float64)


def to_days(times: Any) -> Numbers:
    """Returns days since 1970-01-01 UTC of a series of timestamps; NaN where there is none."""
    times = pd.to_datetime(times, utc=True)
    return np.asarray((times - _EPOCH) / pd.Timedelta(days=1), dtype=np.float64)


def guess(texts: Texts, names: tuple[str, ...], enough: float = ENOUGH) -> str | None:
    """Returns the first format that reads most texts, at least the share `enough` of them.

    Args:
        texts: distinct, stripped, none of them missing; at least one.
        names: the formats to choose from.
        enough: above 0.
    """
    best, most = None, enough * len(texts)
    sample = texts[:_SAMPLE]
    may_be_dates = _may_be_dates(sample)
    for name in names:
        if is_date_format(name) and not may_be_dates and name not in COMPACT_DATES:
            continue
        if np.isfinite(parse(sample, name)).sum() < enough * len(sample) * 0.9:
            continue
        read = int((~np.isnan(parse(texts, name))).sum())
        if read >= most and (best is None or read > most):
            best, most = name, read
        if best is not None and most == len(texts):
            break
    return best


def looks_coded(texts: Texts) -> bool:
    """Whether some texts are digits with a leading zero, which a number would lose."""
    return any(len(t) > 1 and t[0] == "0" and t.isdecimal() for t in texts)


def _plain(texts: Texts, name: str) -> Texts:
    """The texts as plain numbers; empty where they are none of the format."""
    series = pd.Series(texts, dtype=object).str.replace(_SIGNS, "", regex=True)
    series = series.str.replace(_MINUS, r"-\1\2", regex=True)
    fits = series.str.fullmatch(_THOUSANDS if name == THOUSANDS else _DECIMAL_COMMA)
    if name == THOUSANDS:
        series = series.str.replace(",", "", regex=False)
    else:
        series = series.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    return np.asarray(series.where(fits.astype(bool), ""), dtype=object)


def _may_be_dates(sample: Texts) -> bool:
    """Cheap, before dates are parsed: pandas reads years and other oddities as ISO dates."""
    dates = sum(
        4 <= len(text) <= 40
        and text[:1].isalnum()
        and any(map(str.isdigit, text))
        and any(sign in text[1:-1] for sign in "-/.: ")
        for text in sample
    )
    return bool(dates >= ENOUGH * len(sample))
