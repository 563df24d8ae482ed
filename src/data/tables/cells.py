"""Reads the columns of an open table: finds each column's format, then numbers and codes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.data.tables import formats
from src.data.tables.database import OpenTable
from src.data.tables.formats import DATE_FORMATS, ISO, NUMBER_FORMATS, PLAIN, TEXT, is_number
from src.data.task import MOST_INFERRED_CLASSES

ENOUGH = 0.95  # the share of a column's cells that a format must read to be taken for it
FEW_NUMBERS = 20  # a column with a stray text and so few numbers is one of codes
_SAMPLE_CELLS, _SAMPLE_ROWS = 200_000, 10_000

Format = str | tuple[str, ...]
"""A format that a column has, or formats of which it has one."""
Preferred = tuple[tuple[str, ...], tuple[str, ...]]
"""Formats of numbers and of dates, the likeliest first."""


@dataclass(eq=False)
class Cells:
    """The cells of one column, in the order of the rows."""

    format: str = TEXT  # how texts became numbers
    # float32, or float64 for dates, large integers and the target; NaN for missing values
    numbers: NDArray[np.floating[Any]] | None = None
    codes: NDArray[np.int32] | None = None  # places in `categories`, −1 for missing values
    categories: tuple[str, ...] = ()  # distinct texts, in the order in which they come
    strays: int = 0  # cells that are no number that float32 can hold; they count as missing
    first_stray: tuple[int, str] = (0, "")  # its row, from 0, and its text

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows have no value."""
        if self.numbers is not None:
            return np.asarray(np.isnan(self.numbers))
        assert self.codes is not None
        return self.codes < 0


@dataclass
class _Sample:
    """What the first rows tell of a column."""

    format: str
    texts: dict[int, str]  # distinct cells by the hash of their text; empty for a missing value
    is_wide: bool = False  # whether it has integers that float32 cannot tell apart


def read_cells(
    table: OpenTable,
    wanted: Mapping[str, Format | None],
    target: str = "",
    *,
    labels: bool = False,
    categories: Mapping[str, Sequence[str]] | None = None,
    preferred: Preferred = (NUMBER_FORMATS, DATE_FORMATS),
) -> dict[str, Cells]:
    """Reads columns.

    Where a column that began with numbers turns out to hold texts, it is read a second time.

    Args:
        table: the open table.
        wanted: the columns, with the format that a setting or another file gives; None where it
            is found out.
        target: its numbers stay float64, and `none` is a label.
        labels: whether few different integers in the target are labels, and stay texts.
        categories: of columns of texts, those that have the first codes.
        preferred: what settings prefer.
    """
    samples = _samples(table, wanted, target, preferred)
    if labels and wanted.get(target) is None and samples[target].format == PLAIN:
        values = [float(text) for text in samples[target].texts.values() if is_number(text)]
        if few_integers(np.array(values)):
            samples[target].format = TEXT
    reader = _Reader(table, target, categories or {})
    cells = reader.read(samples)
    texts = [name for name, given in wanted.items() if given is None and _is_text(cells[name])]
    cells |= reader.read({name: _Sample(TEXT, samples[name].texts) for name in texts})
    return {name: cells[name] for name in wanted}


def column_formats(
    table: OpenTable, wanted: Mapping[str, Format | None], preferred: Preferred
) -> dict[str, str]:
    """Returns the formats that the first rows of columns have; see `read_cells`."""
    samples = _samples(table, wanted, "", preferred)
    return {name: sample.format for name, sample in samples.items()}


def few_integers(values: NDArray[Any]) -> bool:
    """Whether numbers are so few different integers that they are classes."""
    is_whole = np.array_equal(values, np.round(values)) and bool(np.isfinite(values).all())
    return is_whole and len(np.unique(values)) <= MOST_INFERRED_CLASSES


def _is_text(cells: Cells) -> bool:
    """Whether a column that was read as numbers has too many other texts for that."""
    if cells.numbers is None or not cells.strays or formats.is_date_format(cells.format):
        return False
    values = cells.numbers[np.isfinite(cells.numbers)]
    is_often = cells.strays > (1 - ENOUGH) * len(values)
    return is_often or len(np.unique(values[:100_000])) <= FEW_NUMBERS


def _samples(
    table: OpenTable, wanted: Mapping[str, Format | None], target: str, preferred: Preferred
) -> dict[str, _Sample]:
    limit = min(_SAMPLE_ROWS, max(1000, _SAMPLE_CELLS // len(table.names)))
    found: dict[str, set[str | None]] = {name: set() for name in wanted}
    for frame in table.chunks({name: table.text(name) for name in wanted}, limit):
        for name in wanted:
            found[name].update(frame[name].tolist())
    samples = {}
    for name, texts in found.items():
        given = wanted[name]
        format_ = _known_format(table.type_of(name), given)
        numbers = [float(text) for text in texts if isinstance(text, str) and is_number(text)]
        is_wide = any(abs(number) > 2**24 and number % 1 == 0 for number in numbers)
        cells = texts_by_hash(table, texts, is_label=name == target)
        forced = None if isinstance(given, str) else given
        present = sorted(set(cells.values()) - {""})
        samples[name] = _Sample(
            format_ or _guess(table, present, forced, preferred), cells, is_wide
        )
    return samples


def texts_by_hash(
    table: OpenTable, texts: Collection[Any], *, is_label: bool = False
) -> dict[int, str]:
    """The cells that texts make, by the texts' hashes; a missing value is an empty one."""
    known = [text if isinstance(text, str) else None for text in texts]
    query = f"SELECT hash(c), coalesce({table.cell('c', is_label=is_label)}, '') FROM "
    query += "(SELECT unnest(?::VARCHAR[]) AS c)"
    return dict(table.connection.execute(query, [[*known, None]]).fetchall())


def _known_format(type_: str, given: Format | None) -> str:
    """The format that is given, or that follows from the column's type; empty if open."""
    if isinstance(given, str):
        return given
    if formats.is_time_type(type_):
        return ISO
    if type_ == "BOOLEAN" and given is None:
        return TEXT
    may_be_number = given is None or given[0] in NUMBER_FORMATS
    return PLAIN if formats.is_number_type(type_) and may_be_number else ""


def _guess(
    table: OpenTable, texts: Sequence[str], given: tuple[str, ...] | None, preferred: Preferred
) -> str:
    """The format that reads most of the distinct cells."""
    enough = ENOUGH * len(texts)
    if PLAIN in (given or preferred[0]) and all(map(is_number, texts)):
        # a number would lose the zero in front
        coded = given is None and any(t[0] == "0" and t.isdecimal() and len(t) > 1 for t in texts)
        return TEXT if coded else PLAIN
    groups = [given] if given else [preferred[0], NUMBER_FORMATS]
    # Cheap, before a hundred formats are tried one by one.
    if not given and sum(map(_is_like_date, texts)) >= enough:
        names = ", ".join(formats.quoted(name) for name in DATE_FORMATS if name != ISO)
        any_ = f"coalesce({formats.number_sql('c', ISO)}, days(try_strptime(c, [{names}])))"
        some = texts[:: 1 + len(texts) // 100]
        if _counts(table, some, [any_])[0] >= 0.8 * len(some):
            groups = [preferred[0], preferred[1], NUMBER_FORMATS, DATE_FORMATS]
    for group in groups:
        counts = _counts(table, texts, [formats.number_sql("c", name) for name in group])
        if given or max(counts) >= enough:
            return group[int(np.argmax(counts))]
    return TEXT


def _is_like_date(text: str) -> bool:
    signs = any(sign in text[1:-1] for sign in "-/.: ")
    return 4 <= len(text) <= 40 and text[0].isalnum() and signs and any(map(str.isdigit, text))


def _counts(table: OpenTable, texts: Sequence[str], sqls: Sequence[str]) -> list[int]:
    """How many texts `c` each expression reads."""
    counts = ", ".join(f"count({sql})" for sql in sqls)
    query = f"SELECT {counts} FROM (SELECT unnest(?::VARCHAR[]) AS c)"
    return list(table.connection.execute(query, [list(texts)]).fetchall()[0])


class _Reader:
    """Reads columns whose format is known.

    A text is read as its hash, which DuckDB computes in parallel and NumPy counts fast. Two texts
    of a million have the same one of 64 bits once in some 10⁷ columns.
    """

    def __init__(
        self, table: OpenTable, target: str, categories: Mapping[str, Sequence[str]]
    ) -> None:
        self._table, self._target, self._known = table, target, categories

    def read(self, samples: Mapping[str, _Sample]) -> dict[str, Cells]:
        """Reads columns in one pass, and in a second one the texts that the samples lack."""
        if not samples:
            return {}
        arrays = self._arrays(samples)
        found, texts, unknown = {}, {}, []
        for name in [name for name, sample in samples.items() if sample.format == TEXT]:
            found[name] = pd.factorize(arrays.pop(name))
            texts[name] = samples[name].texts
            if not texts[name].keys() >= set(found[name][1].tolist()):
                unknown.append(name)
        if unknown:
            distinct = (f"list(DISTINCT {self._table.text(name)})" for name in unknown)
            for name, list_ in zip(unknown, self._table.one(", ".join(distinct)), strict=True):
                texts[name] = texts_by_hash(self._table, list_, is_label=name == self._target)
        return {
            name: self._text_cells(name, *found[name], texts[name])
            if name in texts
            else self._number_cells(name, sample.format, arrays.pop(name))
            for name, sample in samples.items()
        }

    def _arrays(self, samples: Mapping[str, _Sample]) -> dict[str, NDArray[Any]]:
        columns: dict[str, str] = {}
        arrays: dict[str, NDArray[Any]] = {}
        for name, sample in samples.items():
            text = self._table.text(name)
            missing = f"{self._table.is_missing(text)} IS NOT FALSE"
            is_exact = sample.is_wide or formats.is_date_format(sample.format)
            type_ = "DOUBLE" if is_exact or name == self._target else "FLOAT"
            # A finite float32, NaN for a missing value (NULL would cost pandas a mask), infinite
            # for anything else, which DuckDB computes for the few cells alone that are no number.
            columns[name] = (
                f"hash({text})"
                if sample.format == TEXT
                else f"coalesce(TRY_CAST({self._table.number(name, sample.format)} AS {type_}), "
                f"CASE WHEN {missing} THEN 'nan'::{type_} ELSE 'inf'::{type_} END)"
            )
            dtype = np.uint64 if sample.format == TEXT else {"FLOAT": np.float32}.get(type_, float)
            arrays[name] = np.empty(self._table.rows, dtype)
        start = 0
        for frame in self._table.chunks(columns):
            for name, array in arrays.items():
                array[start : start + len(frame)] = frame[name].to_numpy()
            start += len(frame)
        return arrays

    def _text_cells(
        self, name: str, codes: NDArray[Any], hashes: NDArray[Any], texts: Mapping[int, str]
    ) -> Cells:
        """Numbers the texts: first those that were known, then as they come."""
        places = {text: place for place, text in enumerate(self._known.get(name, ()))}
        lookup = np.full(len(hashes), -1, np.int32)
        for place, value in enumerate(hashes.tolist()):
            if text := texts[value]:
                lookup[place] = places.setdefault(text, len(places))
        return Cells(TEXT, codes=lookup[codes], categories=tuple(places))

    def _number_cells(self, name: str, format_: str, numbers: NDArray[Any]) -> Cells:
        with np.errstate(over="ignore"):
            stray = np.isinf(numbers if name == self._target else numbers.astype(np.float32))
        if not stray.any():
            return Cells(format_, numbers)
        row = int(np.argmax(stray))
        text = self._table.one(f"bare({self._table.text(name)})", f"LIMIT 1 OFFSET {row}")[0]
        numbers[stray] = np.nan
        return Cells(format_, numbers, strays=int(stray.sum()), first_stray=(row, str(text)))
