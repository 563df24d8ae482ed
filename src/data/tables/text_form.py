"""The form of a CSV file, found out from its first lines: separator, header, names of columns."""

import csv as csv_format
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from src.config.separators import SEPARATORS
from src.data.tables.formats import PLAIN, is_missing, parse

BLANKS = SEPARATORS["blanks"]
_WORDS = re.compile(r'"[^"]*"|\S+')
_MOST_ABOVE = 10  # lines above a table


def find_separator(lines: Sequence[str]) -> str:
    """The first that divides every line into as many fields, else the one with most in line 1."""
    counts: dict[str, list[int]] = {}
    for separator in SEPARATORS.values():
        counts[separator] = field_counts(lines, separator)
    for separator, found in counts.items():
        if len(set(found[: max(1, len(found) - 1)])) == 1 and found[0] > 1:
            # among blanks there may be tabs, too few of them to separate all fields
            is_blank = separator == "\t" and min(counts[BLANKS]) > found[0]
            return BLANKS if is_blank and len(set(counts[BLANKS])) == 1 else separator
    del counts[BLANKS]  # in texts
    return max(counts, key=lambda separator: (counts[separator][0], separator == ","))


def field_counts(lines: Sequence[str], separator: str) -> list[int]:
    if separator == BLANKS:
        return [len(_WORDS.findall(line)) for line in lines]
    try:
        return [len(row) for row in csv_format.reader(lines, delimiter=separator) if row]
    except csv_format.Error:  # a field of more than its limit
        return [line.count(separator) + 1 for line in lines]


def lines_above(lines: Sequence[str], separator: str | None) -> int:
    """How many of the first lines, such as titles and remarks, are no part of the table."""
    for above in range(min(_MOST_ABOVE, len(lines) - 2) + 1):
        rest = lines[above:]
        known = separator or find_separator(rest)
        counts = field_counts(rest, known)
        fields = counts[0]
        if fields > 1 and len(set(counts[: max(2, len(counts) - 1)])) == 1:
            heads = zip(lines[:above], field_counts(lines[:above], known), strict=False)
            return above if all(_is_above(line, count, fields) for line, count in heads) else 0
    return 0


def _is_above(line: str, count: int, fields: int) -> bool:
    """Whether a line with so many fields stands above a table that has more in each line.

    A header that lacks the name of one column, as R writes it, does not.
    """
    if line.startswith("#") or (line.startswith("sep=") and len(line.strip()) <= len("sep=;")):
        return count < fields or line.startswith("sep=")
    return 2 * count < fields


def has_header(rows: np.ndarray[Any, Any]) -> bool:
    """Whether the first row differs in kind from those below it."""
    first, below = rows[0], rows[1:]
    counted = [str(number) for number in range(len(first))]
    if list(first) == counted or len(below) == 0:  # numbered by a program
        return True
    named = numbered = same = texts = 0
    for name, column in zip(first, below.T, strict=True):
        values = column[~is_missing(column)]
        if not len(values):
            continue
        if not np.isnan(parse(values, PLAIN)).any():
            is_number = bool(is_missing(np.array([name], object))[0]) or not np.isnan(
                parse(np.array([name], object), PLAIN)[0]
            )
            named, numbered = named + (not is_number), numbered + is_number
        else:
            texts, same = texts + 1, same + bool((values == name).any())
    if named or numbered:
        # an index without a name over numbers is no row of numbers
        return named > 0
    return same * 2 < max(texts, 1)


def distinct_names(header: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Names that differ, and which were made up."""
    given = {name for name in header if name}
    names: list[str] = []
    renamed: list[str] = []
    for place, name in enumerate(header, start=1):
        new, number = name or f"column_{place}", 1
        while new in names or (new != name and new in given):
            number += 1
            new = f"{name or f'column_{place}'}_{number}"
        if new != name:
            renamed.append(f"{new} ({f'another {name!r}' if name else 'no name'})")
        names.append(new)
    return tuple(names), renamed
