"""From a table's raw numbers and codes to what a network takes, fitted on training rows alone.

Numbers are centred, scaled and drawn in by `z / √(1 + (z/3)²)` (Holzmüller et al. 2024), which
keeps outliers within ±3; missing ones become the median, with a flag beside them. Integers with few
values get a column each beside the number, dates the place in their day, week and year. Where
there are few columns of numbers, each is also encoded piecewise linearly between quantiles
(Gorishniy et al. 2022), which lets small networks bend. Texts become one column a category or,
where there are many, codes for an embedding.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.preprocessing import aligned_empty

BOUND = 3.0  # beyond ± this no scaled number comes
FARTHEST = 1e6  # scaled numbers are cut here before: float32 cannot square much larger ones
MOST_LEVELS = 12  # integers with at most so many values get a column each beside the number
_CHUNK_CELLS = 1_000_000


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The categories of a column of texts that the training rows have often enough."""

    texts: tuple[str, ...]  # of each index from 1; 0 is for all others. An empty one is missing
    indices: NDArray[np.int32]  # of each code of the column, and last of a missing value
    is_embedded: bool  # whether the network gets the index, not a column for each category


@dataclass(frozen=True, eq=False)
class TableEncoding:
    """How raw rows become a network's input. Fields about numbers have an entry a number column.

    The encoded columns are, in this order: the numbers; flags of missing numbers; cycles; levels;
    pieces; categories; and indices for the embedding, counted through all embedded columns.
    """

    places: NDArray[np.int64]  # the columns of the raw rows that hold numbers
    fill: NDArray[np.float32]  # what a missing number becomes, in raw units
    center: NDArray[np.float32]  # in raw units
    scale: NDArray[np.float32]  # in raw units, never 0
    is_bounded: bool  # whether scaled numbers are drawn in
    # Which numbers have a flag, as indices of `places`: those that the training rows lack; of a
    # table too large for all flags, those that they lack most often.
    flags: NDArray[np.int64]
    cycles: tuple[tuple[int, float, int], ...]  # (index of `places`, days, harmonic): sine, cosine
    levels: tuple[tuple[int, NDArray[np.float32]], ...]  # of integers with few values
    # (index of `places`, lower ends, widths above 0): how far through each piece a number is.
    pieces: tuple[tuple[int, NDArray[np.float32], NDArray[np.float32]], ...]
    texts: tuple[tuple[int, Vocabulary], ...]  # by raw column, those with an embedding last

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


def levels(values: NDArray[Any]) -> NDArray[Any]:
    """The values that get a column each beside the number; none but for few different integers."""
    if not np.array_equal(values, np.round(values)):
        return values[:0]
    distinct = np.unique(values)
    return distinct if 2 < len(distinct) <= MOST_LEVELS else distinct[:0]
