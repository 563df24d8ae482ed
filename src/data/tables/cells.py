"""Reads the columns of an open table: finds each column's format, then numbers and codes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.tables import formats
from src.data.tables.database import OpenTable
from src.data.tables.formats import DATE_FORMATS, ISO, NUMBER_FORMATS, PLAIN, TEXT, is_number
from src.data.task import MOST_INFERRED_CLASSES

ENOUGH = 0.95  # the share of a column's cells that a format must read to be taken for it
FEW_NUMBERS = 20  # a column with a stray text and so few numbers is one of codes
_SAMPLE_CELLS, _SAMPLE_ROWS = 200_000, 10_000
_UNKNOWN = -2  # the code of a text that is not in the dictionary

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
    texts: list[str]  # distinct cells, sorted
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
        texts = samples[target].texts
        if few_integers(np.array([float(text) for text in texts if is_number(text)])):
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
    sqls = {name: table.cell(name, is_label=name == target) for name in wanted}
    found: dict[str, set[str]] = {name: set() for name in wanted}
    for frame in table.chunks(sqls, limit):
        for name in wanted:
            found[name].update(frame[name].dropna())
    samples = {}
    for name, texts in found.items():
        known, ordered = _known_format(table.type_of(name), wanted[name]), sorted(texts)
        values = [abs(float(text)) for text in texts if is_number(text)]
        is_wide = any(value > 2**24 and value % 1 == 0 for value in values)
        given = wanted[name]
        forced = None if isinstance(given, str) else given
        format_ = known or _guess(table, ordered, forced, preferred)
        samples[name] = _Sample(format_, ordered, is_wide)
    return samples


def _known_format(type_: str, given: Format | None) -> str:
    """The format that is given, or that follows from the column's type; empty if open."""
    if isinstance(given, str):
        return given
    if formats.is_time_type(type_):
        return ISO
    if type_ == "BOOLEAN" and given is None:
        return TEXT
    is_number_ = formats.is_number_type(type_) or type_ == "INTERVAL"
    return PLAIN if is_number_ and (given is None or given[0] in NUMBER_FORMATS) else ""


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
        if _counts(table, texts, [any_])[0] >= enough:
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
    """Reads columns whose format is known."""

    def __init__(
        self, table: OpenTable, target: str, categories: Mapping[str, Sequence[str]]
    ) -> None:
        self._table, self._target, self._known = table, target, categories
        self._dictionaries: dict[str, tuple[str, ...]] = {}

    def read(self, samples: Mapping[str, _Sample]) -> dict[str, Cells]:
        """Reads columns in one pass, and a second one for texts that the samples lack."""
        if not samples:
            return {}
        texts = [name for name, sample in samples.items() if sample.format == TEXT]
        self._learn({name: samples[name].texts for name in texts})
        arrays = self._arrays(samples)
        if unknown := [name for name in texts if (arrays[name] == _UNKNOWN).any()]:
            lists = ", ".join(f"list(DISTINCT {self._cell(name)})" for name in unknown)
            self._learn(dict(zip(unknown, self._table.one(lists), strict=True)))
            arrays |= self._arrays({name: samples[name] for name in unknown})
        return {
            name: self._text_cells(name, arrays.pop(name))
            if sample.format == TEXT
            else self._number_cells(name, sample.format, arrays.pop(name))
            for name, sample in samples.items()
        }

    def _cell(self, name: str) -> str:
        return self._table.cell(name, is_label=name == self._target)

    def _learn(self, texts: Mapping[str, Collection[str | None]]) -> None:
        """Makes a dictionary, and a type in the database, of the distinct texts of each column."""
        for name, found in texts.items():
            known = self._known.get(name, ())
            more = {text for text in found if text is not None} - set(known)
            self._dictionaries[name] = (*known, *sorted(more))
            kind = f"texts_{self._table.raw(name)}"
            values = ", ".join(map(formats.quoted, self._dictionaries[name])) or "''"
            self._table.connection.execute(f"DROP TYPE IF EXISTS {kind}")
            self._table.connection.execute(f"CREATE TYPE {kind} AS ENUM ({values})")

    def _arrays(self, samples: Mapping[str, _Sample]) -> dict[str, NDArray[Any]]:
        columns: dict[str, str] = {}
        arrays: dict[str, NDArray[Any]] = {}
        for name, sample in samples.items():
            if sample.format == TEXT:
                columns[name] = self._code_sql(name)
                arrays[name] = np.empty(self._table.rows, np.int32)
                continue
            is_date = formats.is_date_format(sample.format)
            is_exact = name == self._target or is_date or sample.is_wide
            type_ = "DOUBLE" if is_exact else "FLOAT"
            # A finite float32, NaN for a missing value (NULL would cost pandas a mask), infinite
            # for anything else, which DuckDB computes for the few cells alone that are no number.
            columns[name] = (
                f"coalesce(TRY_CAST({self._table.number(name, sample.format)} AS {type_}), CASE "
                f"WHEN {self._table.is_missing(name)} IS NOT FALSE THEN 'nan'::{type_} "
                f"ELSE 'inf'::{type_} END)"
            )
            arrays[name] = np.empty(self._table.rows, np.float64 if is_exact else np.float32)
        start = 0
        for frame in self._table.chunks(columns):
            for name, array in arrays.items():
                array[start : start + len(frame)] = frame[name].to_numpy()
            start += len(frame)
        return arrays

    def _code_sql(self, name: str) -> str:
        cell, raw = self._cell(name), self._table.raw(name)
        is_text = self._table.type_of(name) == "VARCHAR"  # most need not be made cells
        cases = ""
        for text in (raw if is_text else cell, cell):
            code = f"enum_code(TRY_CAST({text} AS texts_{raw}))"
            cases += f"WHEN {code} IS NOT NULL THEN {code}::INTEGER "
        return f"CASE {cases} WHEN {cell} IS NULL THEN -1 ELSE {_UNKNOWN} END"

    def _text_cells(self, name: str, codes: NDArray[np.int32]) -> Cells:
        """Numbers the texts anew: first those that were known, then as they come."""
        texts, known = self._dictionaries[name], len(self._known.get(name, ()))
        first = np.full(len(texts) + 1, len(codes))
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        first[:known] = np.arange(known) - known
        order = np.argsort(first[:-1], kind="stable")
        places = np.empty(len(texts) + 1, np.int32)
        places[order], places[-1] = np.arange(len(texts)), -1
        kept = [texts[place] for place in order if first[place] < len(codes)]
        return Cells(TEXT, codes=places[codes], categories=tuple(kept))

    def _number_cells(self, name: str, format_: str, numbers: NDArray[Any]) -> Cells:
        with np.errstate(over="ignore"):
            stray = np.isinf(numbers if name == self._target else numbers.astype(np.float32))
        if not stray.any():
            return Cells(format_, numbers)
        row = int(np.argmax(stray))
        text = self._table.one(self._cell(name), f"LIMIT 1 OFFSET {row}")[0]
        numbers[stray] = np.nan
        return Cells(format_, numbers, strays=int(stray.sum()), first_stray=(row, str(text)))
