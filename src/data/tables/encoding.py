"""From a table's raw numbers and codes to what a network takes, fitted on training rows alone.

Numbers are centred, scaled and drawn in by `z / √(1 + (z/3)²)` (Holzmüller et al. 2024), which
keeps outliers within ±3; missing ones become the median, with a flag beside them. Integers with few
values get a column each beside the number, dates the place in their day, week and year. Where
there are few columns of numbers, each is also encoded piecewise linearly between quantiles
(Gorishniy et al. 2022), which lets small networks bend. Texts become one column a category or,
where there are many, codes for an embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from src.data.preprocessing import aligned_empty
from src.data.splits import Rows
from src.data.tables.columns import Column
from src.data.tables.inference import levels

BOUND = 3.0  # beyond ± this no scaled number comes
FARTHEST = 1e6  # scaled numbers are cut here before: float32 cannot square much larger ones
MOST_ONE_HOT = 32  # categories of a column; with more it is embedded
MOST_EMBEDDED = 1000  # categories; the rarer ones are taken together
HARMONICS = (1, 2)
MOST_PIECED = 20  # columns of numbers that are encoded in pieces; with more they drown the others
MOST_PIECES = 16  # of a number
ROWS_A_PIECE = 100  # training rows for each piece of a number
EXTRA_CELLS = 16_000_000  # that encoded rows may have beyond one a column of the table: 64 MB
NORMAL_QUARTILES = 1.349  # their distance in a normal distribution of deviation 1
DAY, WEEK, YEAR = 1.0, 7.0, 365.2425  # days
_CHUNK_CELLS = 1_000_000

ColumnScaling = Literal["standard", "robust", "none"]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The categories of a column of texts that the training rows have often enough.

    Attributes:
        texts: the category of each index from 1; index 0 is for all others. An empty text is a
            missing value.
        indices: int32: the index of each code of the column, and last that of a missing value.
        is_embedded: whether the network gets the index instead of a column for each category.
    """

    texts: tuple[str, ...]
    indices: NDArray[np.int32]
    is_embedded: bool


@dataclass(frozen=True, eq=False)
class TableEncoding:
    """How raw rows become a network's input. Fields about numbers have an entry a number column.

    The encoded columns are, in this order: the numbers; flags of missing numbers; cycles; levels;
    pieces; categories; and indices for the embedding, counted through all embedded columns.

    Attributes:
        places: int64: the columns of the raw rows that hold numbers.
        fill: float32: what a missing number becomes, in raw units.
        center: float32, in raw units.
        scale: float32, in raw units, never 0.
        is_bounded: whether scaled numbers are drawn in.
        flags: int64: which numbers have a flag, as indices of `places`: those that the training
            rows lack; of a table too large for all flags, those that they lack most often.
        cycles: (index of `places`, days, harmonic) of pairs of a sine and a cosine.
        levels: (index of `places`, float32 values) of integers with few values.
        pieces: (index of `places`, float32 lower ends, float32 widths above 0): how far through
            each piece a number is, from 0 to 1.
        texts: (column of the raw rows, vocabulary), those with an embedding last.
    """

    places: NDArray[np.int64]
    fill: NDArray[np.float32]
    center: NDArray[np.float32]
    scale: NDArray[np.float32]
    is_bounded: bool
    flags: NDArray[np.int64]
    cycles: tuple[tuple[int, float, int], ...]
    levels: tuple[tuple[int, NDArray[np.float32]], ...]
    pieces: tuple[tuple[int, NDArray[np.float32], NDArray[np.float32]], ...]
    texts: tuple[tuple[int, Vocabulary], ...]

    @property
    def embedded(self) -> tuple[tuple[int, Vocabulary], ...]:
        """Of `texts` those with an embedding."""
        return tuple(item for item in self.texts if item[1].is_embedded)

    @property
    def embedded_categories(self) -> int:
        """Rows of the embedding: all categories, and for each column one for all others."""
        return sum(len(vocabulary.texts) + 1 for _, vocabulary in self.embedded)

    @property
    def features(self) -> int:
        """Encoded columns."""
        of_levels = sum(len(values) for _, values in self.levels)
        of_levels += sum(len(lows) for _, lows, _ in self.pieces)
        of_texts = sum(1 if v.is_embedded else len(v.texts) for _, v in self.texts)
        return len(self.places) + len(self.flags) + 2 * len(self.cycles) + of_levels + of_texts

    def apply(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns float32 `(rows, features)` in new memory, C-contiguous."""
        encoded = aligned_empty((len(x), self.features))
        rows = max(1, _CHUNK_CELLS // max(1, encoded.shape[1] + x.shape[1]))
        for start in range(0, len(x), rows):
            self._encode(x[start : start + rows], encoded[start : start + rows])
        return encoded

    def _encode(self, x: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        raw = x[:, self.places]
        is_missing = np.isnan(raw)
        raw = np.where(is_missing, self.fill, raw)
        z = (raw - self.center) / self.scale
        if self.is_bounded:
            z = np.clip(z, -np.float32(FARTHEST), np.float32(FARTHEST))
            z = z / np.sqrt(1 + np.square(z / np.float32(BOUND)))
        end = len(self.places)
        out[:, :end] = z
        out[:, end : end + len(self.flags)] = is_missing[:, self.flags]
        end += len(self.flags)
        for place, days, harmonic in self.cycles:
            angle = raw[:, place] * np.float32(harmonic / days)
            angle = (angle - np.floor(angle)) * np.float32(2 * np.pi)
            out[:, end], out[:, end + 1] = np.sin(angle), np.cos(angle)
            end += 2
        for place, values in self.levels:
            out[:, end : end + len(values)] = raw[:, place, None] == values
            end += len(values)
        for place, lows, widths in self.pieces:
            pieces = (raw[:, place, None] - lows) / widths
            out[:, end : end + len(lows)] = np.clip(pieces, 0, 1)
            end += len(lows)
        offset = 0
        for column, vocabulary in self.texts:
            codes = x[:, column]
            unknown = len(vocabulary.indices) - 1
            indices = vocabulary.indices[np.where(np.isnan(codes), unknown, codes).astype(int)]
            count = len(vocabulary.texts)
            if vocabulary.is_embedded:
                out[:, end] = indices + offset
                offset += count + 1
                end += 1
            else:
                out[:, end : end + count] = indices[:, None] == np.arange(1, count + 1)
                end += count


def fit_encoding(
    x: NDArray[np.float32], rows: Rows, columns: Sequence[Column], scaling: ColumnScaling
) -> TableEncoding:
    """Fits the encoding of a table.

    Args:
        x: float32 `(all rows, columns)`, raw numbers and codes, NaN for missing values; read
            column by column.
        rows: the training rows; nothing else is looked at.
        columns: one a column of `x`.
        scaling: of numbers: `standard` takes mean and standard deviation; `robust` the median
            and the distance of the quartiles, or where that is 0 the standard deviation.
    """
    places = [place for place, column in enumerate(columns) if not column.is_text]
    fill, center, scale = (np.zeros(len(places), np.float32) for _ in range(3))
    gaps: dict[int, int] = {}
    cycles: list[tuple[int, float, int]] = []
    found: list[tuple[int, NDArray[np.float32]]] = []
    pieces: list[tuple[int, NDArray[np.float32], NDArray[np.float32]]] = []
    fewest = _fewest(len(rows))
    for index, place in enumerate(places):
        values = x[rows, place]
        present = values[~np.isnan(values)]
        if len(present) < len(values):
            gaps[index] = len(values) - len(present)
        if not len(present):  # in these rows, though not in others
            present = np.zeros(1, np.float32)
        fill[index] = np.median(present)
        center[index], scale[index] = _fitted(present, scaling)
        if columns[place].kind == "date":
            cycles += [(index, days, h) for days in _periods(present) for h in HARMONICS]
        elif columns[place].kind == "numeric":
            distinct = levels(present)
            often = [value for value in distinct if (present == value).sum() >= fewest]
            if often:
                found.append((index, np.array(often, np.float32)))
    spare = EXTRA_CELLS // len(rows)
    flags = sorted(sorted(gaps, key=lambda index: -gaps[index])[:spare])
    texts, spare = _texts(x, rows, columns, fewest, spare - len(flags))
    fitting: list[tuple[int, NDArray[np.float32]]] = []
    for index, values in found:
        if len(values) <= spare:
            fitting.append((index, values))
            spare -= len(values)
    whole = {index for index, _ in fitting} | {index for index, _, _ in cycles}
    fluent = [i for i, place in enumerate(places) if columns[place].kind == "numeric"]
    fluent = [index for index in fluent if index not in whole]
    count = min(MOST_PIECES, len(rows) // ROWS_A_PIECE, spare // max(1, len(fluent)))
    if scaling != "none" and len(fluent) <= MOST_PIECED and count > 1:
        for index in fluent:
            values = x[rows, places[index]]
            ends = _quantiles(values[~np.isnan(values)], count)
            if len(ends) > 2:
                pieces.append((index, ends[:-1], np.diff(ends)))
    return TableEncoding(
        places=np.array(places, np.int64),
        fill=fill,
        center=center,
        scale=scale,
        is_bounded=scaling != "none",
        flags=np.array(flags, np.int64),
        cycles=tuple(cycles),
        levels=tuple(fitting),
        pieces=tuple(pieces),
        texts=tuple(texts),
    )


def _quantiles(present: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The ends of `count` pieces with about as many values each; fewer where values repeat.

    None if float32 cannot hold the width of a piece.
    """
    if not len(present):
        return present
    ends = np.unique(np.quantile(present, np.linspace(0, 1, count + 1)).astype(np.float32))
    with np.errstate(over="ignore"):
        widths = np.diff(ends)
    fits = np.isfinite(widths) & (widths > np.finfo(np.float32).tiny)
    return ends if fits.all() else ends[:0]


def _texts(
    x: NDArray[np.float32], rows: Rows, columns: Sequence[Column], fewest: int, spare: int
) -> tuple[list[tuple[int, Vocabulary]], int]:
    """The vocabularies of the columns of texts, and how many encoded columns may be added yet.

    Those with the fewest categories come first to a column for each of them; the other columns of
    texts are embedded, as is one with more than `MOST_ONE_HOT`.
    """
    texts = [
        (place, _vocabulary(x[rows, place], column.categories, fewest))
        for place, column in enumerate(columns)
        if column.is_text
    ]
    chosen: list[tuple[int, Vocabulary]] = []
    for place, vocabulary in sorted(texts, key=lambda item: len(item[1].texts)):
        count = len(vocabulary.texts)
        is_embedded = count > min(MOST_ONE_HOT, spare + 1)
        spare -= 0 if is_embedded else max(0, count - 1)
        chosen.append((place, replace(vocabulary, is_embedded=is_embedded)))
    return sorted(chosen, key=lambda item: (item[1].is_embedded, item[0])), spare


def _fitted(present: NDArray[np.float32], scaling: ColumnScaling) -> tuple[float, float]:
    """Centre and scale of a column's values."""
    if scaling == "none":
        return 0.0, 1.0
    wide = present.astype(np.float64)
    if wide.min() == wide.max():
        return float(wide[0]), 1.0
    deviation = float(wide.std())
    if scaling == "robust":
        low, middle, high = np.percentile(wide, [25, 50, 75])
        center, spread = float(middle), float(high - low) / NORMAL_QUARTILES
        spread = spread or deviation
    else:
        center, spread = float(wide.mean()), deviation
    smallest = float(np.finfo(np.float32).tiny)
    return center, spread if smallest < spread < 1e38 else 1.0


def _periods(days: NDArray[np.float32]) -> list[float]:
    """The cycles that dates go through: those that they tell apart, and span."""
    span = float(days.max() - days.min())
    periods = [DAY] if np.any(days != np.floor(days)) else []
    periods += [WEEK] if span > WEEK else []
    return [*periods, YEAR] if span > YEAR / 2 else periods


def _fewest(rows: int) -> int:
    """Rows that a category needs for a column of its own."""
    return min(10, max(2, rows // 1000))


def _vocabulary(codes: NDArray[np.float32], categories: tuple[str, ...], fewest: int) -> Vocabulary:
    whole = np.where(np.isnan(codes), len(categories), codes).astype(np.int64)
    counts = np.bincount(whole, minlength=len(categories) + 1)
    often = np.flatnonzero(counts >= fewest)
    often = often[np.argsort(-counts[often], kind="stable")][:MOST_EMBEDDED]
    indices = np.zeros(len(categories) + 1, np.int32)
    indices[often] = np.arange(1, len(often) + 1)
    names = (*categories, "")
    return Vocabulary(
        texts=tuple(names[code] for code in often),
        indices=indices,
        is_embedded=False,
    )


class RawTableRows:
    """Chosen rows of a table as an exported model takes them, made when they are asked for.

    Args:
        x: float32 `(all rows, columns)`, raw numbers and codes, NaN for missing values.
        rows: row numbers.
        columns: one a column of `x`.
    """

    def __init__(self, x: NDArray[np.float32], rows: Rows, columns: Sequence[Column]) -> None:
        self._x = x
        self._rows = rows
        self._columns = columns
        self._texts = {
            column.input: np.array([*column.categories, ""], dtype=object)
            for column in columns
            if column.is_text
        }

    def __len__(self) -> int:
        """The number of chosen rows."""
        return len(self._rows)

    def __getitem__(self, key: slice) -> dict[str, NDArray[Any]]:
        """Returns arrays `(rows,)` of a slice, by the names of the model's inputs."""
        x = self._x[self._rows[key]]
        arrays: dict[str, NDArray[Any]] = {}
        for place, column in enumerate(self._columns):
            values: NDArray[Any] = x[:, place]
            if column.is_text:
                texts = self._texts[column.input]
                values = texts[np.where(np.isnan(values), len(texts) - 1, values).astype(int)]
            arrays[column.input] = values
        return arrays
