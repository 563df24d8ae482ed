"""Reads the columns of an open table: finds each column's format, then numbers and codes."""

import re
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
from src.errors import UserError

ENOUGH = 0.95  # the share of a column's cells that a format must read to be taken for it
FEW_NUMBERS = 20  # a column with a stray text and so few numbers is one of codes
_LIKE_NUMBER = re.compile(r"[-+−–()$€£¥%.,\d\s'eE]+")
_COLUMNS = 1000  # read at once: DuckDB plans more of them ever more slowly
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
    if cells.numbers is None or not cells.strays:
        return False
    values = cells.numbers[np.isfinite(cells.numbers)]
    if cells.strays > (1 - ENOUGH) * len(values):
        return True
    is_number_ = not formats.is_date_format(cells.format)
    return is_number_ and len(np.unique(values[:100_000])) <= FEW_NUMBERS


def _samples(
    table: OpenTable, wanted: Mapping[str, Format | None], target: str, preferred: Preferred
) -> dict[str, _Sample]:
    limit = min(_SAMPLE_ROWS, max(1000, _SAMPLE_CELLS // len(table.names)))
    found: dict[str, set[str]] = {name: set() for name in wanted}
    for frame in table.chunks({name: table.text(name) for name in wanted}, limit):
        for name in wanted:
            found[name].update(text for text in frame[name].tolist() if isinstance(text, str))
    samples: dict[str, _Sample] = {}
    for name, texts in found.items():
        given = wanted[name]
        numbers = [float(text) for text in texts if is_number(text)]
        is_wide = any(abs(number) > 2**24 and number % 1 == 0 for number in numbers)
        format_ = _known_format(table.type_of(name), given)
        if len(numbers) == len(texts) > 0 and not any(map(_is_coded, texts)):
            format_ = format_ or (PLAIN if PLAIN in (given or preferred[0]) else "")
        samples[name] = _Sample(format_, {}, is_wide)
    rest = [name for name in wanted if samples[name].format != PLAIN or name == target]
    # One query for all columns, of which a table may have thousands.
    features = {text for name in rest if name != target for text in found[name]}
    cells = {False: cells_of(table, features), True: {}}
    if target in rest:
        cells[True] = cells_of(table, found[target], is_label=True)
    for name in rest:
        sample, given, known = samples[name], wanted[name], cells[name == target]
        sample.texts = dict([known[text] for text in found[name]])
        if not sample.format and not isinstance(given, str):
            present = sorted(set(sample.texts.values()) - {""})
            sample.format = _guess(table, present, given, preferred)
    return samples


def cells_of(
    table: OpenTable, texts: Collection[str | None], *, is_label: bool = False
) -> dict[str | None, tuple[int, str]]:
    """The hash of each text, and the cell that it makes, which is empty for a missing value."""
    query = f"SELECT c, hash(c), coalesce({table.cell('c', is_label=is_label)}, '') FROM "
    query += "(SELECT unnest(?::VARCHAR[]) AS c)"
    rows = table.connection.execute(query, [[*texts, None]]).fetchall()
    return {text: (code, cell) for text, code, cell in rows}


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
    if given is None and any(map(_is_coded, texts)):
        return TEXT
    if PLAIN in (given or preferred[0]) and all(map(is_number, texts)):
        return PLAIN
    groups = [given] if given else []
    if not given and sum(_LIKE_NUMBER.fullmatch(text) is not None for text in texts) >= enough:
        groups = [preferred[0], NUMBER_FORMATS]
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


def _is_coded(text: str) -> bool:
    """Whether a number would lose the zero in front."""
    return text[:1] == "0" and len(text) > 1 and text.isdecimal()


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
            if not texts[name].keys() >= set(found[name][1].tolist()):  # a missing one, too
                unknown.append(name)
        if unknown:
            distinct = (f"list(DISTINCT {self._table.text(name)})" for name in unknown)
            for name, list_ in zip(unknown, self._table.one(", ".join(distinct)), strict=True):
                cells = cells_of(self._table, list_, is_label=name == self._target)
                texts[name] = dict(cells.values())
        return {
            name: self._text_cells(name, *found[name], texts[name])
            if name in texts
            else self._number_cells(name, sample.format, arrays.pop(name))
            for name, sample in samples.items()
        }

    def _arrays(self, samples: Mapping[str, _Sample]) -> dict[str, NDArray[Any]]:
        columns: dict[str, str] = {}
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
        pieces: dict[str, list[NDArray[Any]]] = {name: [] for name in columns}
        names = list(columns)
        for start in range(0, len(names), _COLUMNS):
            some = names[start : start + _COLUMNS]
            for frame in self._table.chunks({name: columns[name] for name in some}):
                for name in some:
                    pieces[name].append(frame[name].to_numpy(copy=True))
        if not any(pieces.values()):
            raise UserError(f"{self._table.where}: has no rows; valid: at least one row")
        return {name: np.concatenate(pieces.pop(name)) for name in columns}

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
