"""Fits the encoding of a table to its training rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from src.data.splits import Rows
from src.data.tables.columns import Column
from src.data.tables.encoding import TableEncoding, Vocabulary, levels

MOST_ONE_HOT = 32  # categories of a column; with more it is embedded
MOST_EMBEDDED = 1000  # categories; the rarer ones are taken together
HARMONICS = (1, 2)
MOST_PIECED = 20  # columns of numbers that are encoded in pieces; with more they drown the others
MOST_PIECES = 16  # of a number
ROWS_A_PIECE = 100  # training rows for each piece of a number
EXTRA_CELLS = 16_000_000  # that encoded rows may have beyond one a column of the table: 64 MB
NORMAL_QUARTILES = 1.349  # their distance in a normal distribution of deviation 1
DAY, WEEK, YEAR = 1.0, 7.0, 365.2425  # days

ColumnScaling = Literal["standard", "robust", "none"]


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
