"""Gathers the columns of a table that comes in pieces: numbers as numbers, texts as codes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.data.tables.columns import cell_texts
from src.data.tables.formats import (
    COMPACT_DATES,
    ENOUGH,
    ISO,
    NUMBER_FORMATS,
    PLAIN,
    TEXT,
    Candidates,
    guess,
    is_date_format,
    is_missing,
    looks_coded,
    parse,
    to_days,
)

MOST_CATEGORIES = 100_000  # texts kept of a column; with more it is no category anyway
FEW_NUMBERS = 20  # a column with a stray text and so few numbers is one of codes
MOST_SMALL = 32  # pieces of a column
FEWER_TEXTS = 1 - ENOUGH

ReadChunks = Callable[[Sequence[str] | None], Iterator[pd.DataFrame]]
Forced = str | tuple[str, ...]


@dataclass
class Cells:
    """The cells of one column, in the order of the rows.

    Attributes:
        format: how texts became numbers, or `text`.
        numbers: float32, or float64 for dates, large integers and the target; NaN for missing
            values; None of texts.
        codes: int32 places in `categories`, −1 for missing values; None of numbers.
        categories: distinct texts, in the order in which they come.
        strays: texts in a column of numbers, which count as missing, with how often they come.
        first_stray: the row of the first, from 0.
        overflow: whether there were more texts than are kept; those have the code −1 too.
    """

    format: str = TEXT
    numbers: NDArray[np.floating[Any]] | None = None
    codes: NDArray[np.int32] | None = None
    categories: tuple[str, ...] = ()
    strays: dict[str, int] = field(default_factory=dict)
    first_stray: int = 0
    overflow: bool = False

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows have no value."""
        if self.numbers is not None:
            return np.asarray(np.isnan(self.numbers))
        assert self.codes is not None
        return self.codes < 0


def gather(
    read: ReadChunks,
    formats: Mapping[str, Forced],
    categories: Mapping[str, Sequence[str]],
    exact: str,
    candidates: Candidates = Candidates(),  # noqa: B008 - frozen
) -> dict[str, Cells]:
    """Reads all columns.

    Where a column that began with numbers turns out to hold texts, it is read a second time.

    Args:
        read: gives the table in pieces, of the columns that it is asked for.
        formats: of columns, the format that they have, or formats of which they have one; the
            others' are found out.
        categories: of columns of texts, those that have the first codes.
        exact: the column whose numbers are kept as they are, the target.
        candidates: the formats that columns whose format is found out may have.
    """
    found: dict[str, Cells] = {}
    wanted: list[str] | None = None
    formats = dict(formats)
    while wanted is None or wanted:
        growing: dict[str, _Growing] = {}
        for chunk in read(wanted):
            for place, name in enumerate(chunk.columns):
                if name not in growing:
                    growing[name] = _Growing(
                        *(formats.get(name), categories.get(name, ()), candidates),
                        is_exact=name == exact,
                    )
                growing[name].add(chunk.iloc[:, place])
        wanted = []
        for name in list(growing):
            column = growing.pop(name)
            if column.is_text_after_all:
                wanted.append(name)
                formats[name] = TEXT
            else:
                found[name] = column.cells()
    return found


class _Growing:
    """A column of which more and more rows are known."""

    def __init__(
        self,
        forced: Forced | None,
        categories: Sequence[str],
        candidates: Candidates,
        *,
        is_exact: bool,
    ) -> None:
        self._forced = forced
        self._candidates = candidates
        self._is_exact = is_exact
        self._format = forced if isinstance(forced, str) else None
        self._rows = self._strays = self._values = self._first_stray = 0
        self._numbers: list[NDArray[np.floating[Any]]] = []
        self._codes: list[NDArray[np.int32]] = []
        self._index = {text: code for code, text in enumerate(categories)}
        self._stray_texts: dict[str, int] = {}
        self._overflow = False

    @property
    def is_text_after_all(self) -> bool:
        """Whether it was read as numbers, and has too many texts for that."""
        if self._forced is not None or not self._stray_texts or self._format == TEXT:
            return False
        if self._strays > FEWER_TEXTS * self._values:
            return True
        distinct: set[float] = set()
        for numbers in self._numbers:
            distinct.update(np.unique(numbers[~np.isnan(numbers)])[: FEW_NUMBERS + 1].tolist())
            if len(distinct) > FEW_NUMBERS:
                return False
        return True

    def add(self, series: "pd.Series[Any]") -> None:
        """Takes the next rows."""
        if self._format != TEXT and pd.api.types.is_datetime64_any_dtype(series.dtype):
            self._format = self._format or ISO
            self._add_numbers(to_days(series))
            return
        is_bool = pd.api.types.is_bool_dtype(series.dtype)
        if not is_bool and pd.api.types.is_numeric_dtype(series.dtype):
            if self._format is None and (self._forced is None or self._forced[0] in NUMBER_FORMATS):
                self._format = PLAIN
            if self._format in NUMBER_FORMATS:
                self._add_numbers(series.to_numpy(dtype=np.float64, na_value=np.nan))
                return
        values = series.to_numpy(dtype=object)
        if self._format == PLAIN and series.dtype == object:
            # most columns: their texts need not be told apart
            numbers = np.asarray(pd.to_numeric(values, errors="coerce"), dtype=np.float64)
            unread = np.flatnonzero(np.isnan(numbers))
            if len(unread):
                numbers[unread] = self._read(cell_texts(pd.Series(values[unread])), unread)
            self._add_numbers(numbers)
            return
        texts = cell_texts(series, is_target=self._is_exact)
        codes, distinct = pd.factorize(texts)
        distinct = np.asarray(distinct, dtype=object)
        present = distinct[distinct != ""]
        if self._format is None:
            if not len(present):
                self._numbers.append(np.full(len(series), np.nan))
                self._rows += len(series)
                return
            self._format = self._guess(present)
        if self._format == TEXT:
            self._add_texts(codes, distinct)
        else:
            self._add_numbers(self._read(texts, np.arange(len(texts))))

    def cells(self) -> Cells:
        """All rows; nothing can be added after that."""
        if self._codes or (self._format == TEXT and not self._numbers):
            before = [np.full(len(n), -1, np.int32) for n in self._numbers]
            codes = np.concatenate([np.empty(0, np.int32), *before, *self._codes])
            return Cells(TEXT, codes=codes, categories=tuple(self._index), overflow=self._overflow)
        numbers = np.concatenate(self._numbers) if self._numbers else np.empty(0)
        self._numbers.clear()
        return Cells(
            self._format or PLAIN,
            numbers=numbers,
            strays=self._stray_texts,
            first_stray=self._first_stray,
        )

    def _guess(self, present: NDArray[np.object_]) -> str:
        if isinstance(self._forced, tuple):
            return guess(present, self._forced, enough=1e-9) or self._forced[0]
        if not looks_coded(present):
            # What settings leave; a column that can be read otherwise alone is read otherwise.
            for may_be in (self._candidates, Candidates()):
                found = guess(present, may_be.numbers) or guess(present, may_be.dates)
                if found:
                    return found
        return TEXT

    def _read(self, texts: NDArray[np.object_], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Numbers of texts; notes those that are none.

        Args:
            texts: stripped, empty where missing.
            rows: their places in the piece.
        """
        assert self._format is not None
        codes, distinct = pd.factorize(texts)
        distinct = np.asarray(distinct, dtype=object)
        numbers = parse(distinct, self._format)
        stray = np.isnan(numbers) & ~is_missing(distinct)
        if stray.any():
            counts = np.bincount(codes, minlength=len(distinct))
            if not self._stray_texts:
                self._first_stray = self._rows + int(rows[np.argmax(stray[codes])])
            self._strays += int(counts[stray].sum())
            for place in np.flatnonzero(stray)[:FEW_NUMBERS]:
                text = distinct[place]
                self._stray_texts[text] = self._stray_texts.get(text, 0) + int(counts[place])
        return numbers[codes]

    def _add_numbers(self, numbers: NDArray[np.float64]) -> None:
        assert self._format is not None
        is_date = is_date_format(self._format)
        self._numbers.append(numbers if self._is_exact or is_date else _narrowed(numbers))
        self._join(self._numbers)
        self._rows += len(numbers)
        self._values += int((~np.isnan(numbers)).sum())

    @staticmethod
    def _join(pieces: list[Any]) -> None:
        """Makes one array of many small ones, which would leave holes in the memory."""
        if len(pieces) > MOST_SMALL:
            pieces[-MOST_SMALL:] = [np.concatenate(pieces[-MOST_SMALL:])]

    def _add_texts(self, codes: NDArray[Any], distinct: NDArray[np.object_]) -> None:
        index = self._index
        places = np.empty(len(distinct), np.int32)
        for place, text in enumerate(distinct):
            if text == "":
                places[place] = -1
            elif text in index or len(index) < MOST_CATEGORIES:
                places[place] = index.setdefault(text, len(index))
            else:
                places[place], self._overflow = -1, True
        self._codes.append(places[codes])
        self._join(self._codes)
        self._rows += len(codes)


def _narrowed(numbers: NDArray[np.float64]) -> NDArray[np.floating[Any]]:
    """As float32, which takes half the memory, but for integers that it cannot tell apart."""
    if np.any((np.abs(numbers) > 2**24) & (numbers == np.round(numbers))):
        return numbers
    return numbers.astype(np.float32)


def formats_for(kind: str, candidates: Candidates) -> Forced | None:
    """The formats of a column whose kind a setting gives; None where any may be found.

    Args:
        kind: a value of `data.columns`.
        candidates: those that other settings leave.
    """
    if kind == "categorical":
        return TEXT
    if kind == "numeric":
        return candidates.numbers
    return (*candidates.dates, *COMPACT_DATES) if kind == "date" else None


def is_dates(cells: Cells) -> bool:
    """Whether the numbers are days."""
    return is_date_format(cells.format)
