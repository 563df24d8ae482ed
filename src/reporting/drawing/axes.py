"""Scales, ticks and the frame of a chart."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from src.reporting.drawing.marks import Drawing, Point
from src.reporting.text import number, shortened

MOST_RATIO = 1e30  # of a logarithmic scale
LARGEST = 1e150  # a larger value is taken for infinite: differences of such overflow


@dataclass(frozen=True)
class Scale:
    """From values to 0 … 1.

    Attributes:
        low: the value at 0.
        high: the value at 1; above `low`.
        log: whether the scale is logarithmic; `low` is then above 0.
        names: of the values 0, 1, …, for categories; else empty.
        marks: the values that get a tick, where they are not left to `ticks`.
        whole: whether values are integers, and ticks are too.
    """

    low: float
    high: float
    log: bool = False
    names: tuple[str, ...] = ()
    marks: tuple[float, ...] = ()
    whole: bool = False

    def position(self, value: float) -> float:
        """Where a value lies, held between 0 and 1."""
        inside = min(max(value, self.low), self.high)
        if self.log:
            return math.log(inside / self.low) / math.log(self.high / self.low)
        return (inside - self.low) / (self.high - self.low)

    def holds(self, value: float) -> bool:
        """Whether a value lies within, rounding aside."""
        slack = 1e-9 * (self.high - self.low)
        return self.low - slack <= value <= self.high + slack

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Round values with their labels."""
        if self.names:
            every = math.ceil(len(self.names) / max(most, 1)) if len(self.names) > 2 * most else 1
            return [(float(i), name) for i, name in enumerate(self.names) if i % every == 0]
        if self.marks:
            return [(value, number(value)) for value in self.marks]
        if self.log and self.high / self.low >= 4:
            return self._log_ticks(most)
        step = _round_step((self.high - self.low) / max(most - 1, 1), whole=self.whole)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        values = [index * step for index in range(first, last + 1)]
        return [(value, _label(value, digits)) for value in values]

    def _log_ticks(self, most: int) -> list[tuple[float, str]]:
        low, high = math.log10(self.low), math.log10(self.high)
        wide = high - low
        factors = (1.0,) if wide > 3 else (1.0, 3.0) if wide > 1.6 else (1.0, 2.0, 5.0)
        every = max(1, math.ceil(wide / most))
        values = [
            factor * 10.0**exponent
            for exponent in range(math.floor(low), math.ceil(high) + 1)
            for factor in factors
            if exponent % every == 0
        ]
        inside = [v for v in values if self.low * (1 - 1e-9) <= v <= self.high * (1 + 1e-9)]
        while len(inside) > most + 1:
            inside = inside[::2]
        return [(value, _power(value)) for value in inside]


def scale_of(
    values: Iterable[float],
    *,
    log: bool = False,
    margin: float = 0.05,
    zero: bool = False,
    whole: bool = False,
) -> Scale:
    """A scale that holds all finite values with some room around them.

    Args:
        values: any; without a finite one, the scale is 0 to 1.
        log: wished for; taken if all values are above 0.
        margin: room on both sides, as a part of the whole.
        zero: whether 0 belongs to it, and there is no room below it.
        whole: whether the values are integers.
    """
    finite = [float(value) for value in values if abs(value) < LARGEST]
    if not finite:
        return Scale(0.0, 1.0)
    low, high = min(finite), max(finite)
    if log and low > 0 and high / low < MOST_RATIO:
        room = max((high / low) ** margin, 1.02)
        return Scale(low / room, high * room, log=True)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-30):
        room = max(abs(low) * 0.05, 1e-6)
    else:
        room = (high - low) * margin
    return Scale(low if zero and low == 0 else low - room, high + room, whole=whole)


@dataclass(frozen=True)
class Frame:
    """The plane of a chart inside a drawing.

    Attributes:
        drawing: where it is drawn.
        left: of the plane.
        top: of the plane.
        width: of the plane.
        height: of the plane.
        x: the horizontal scale.
        y: the vertical scale; its high end is at the top.
    """

    drawing: Drawing
    left: float
    top: float
    width: float
    height: float
    x: Scale
    y: Scale

    def point(self, x: float, y: float) -> Point:
        """Where a pair of values lies in the drawing."""
        return (
            self.left + self.x.position(x) * self.width,
            self.top + (1 - self.y.position(y)) * self.height,
        )

    def points(self, xs: Sequence[float], ys: Sequence[float]) -> list[Point]:
        """The same for many; pairs that are not finite are left out."""
        return [
            self.point(x, y)
            for x, y in zip(xs, ys, strict=True)
            if math.isfinite(x) and math.isfinite(y)
        ]

    def axes(
        self, x_label: str = "", y_label: str = "", x_ticks: int = 6, y_ticks: int = 5
    ) -> None:
        """Draws grid, ticks and labels."""
        bottom, right = self.top + self.height, self.left + self.width
        for value, label in self.y.ticks(y_ticks):
            y = self.point(self.x.low, value)[1]
            self.drawing.line([(self.left, y), (right, y)], "grid")
            self.drawing.text(self.left - 6, y + 4, shortened(label, 12), anchor="end", size=11)
        for value, label in self.x.ticks(x_ticks):
            x = self.point(value, self.y.low)[0]
            self.drawing.line([(x, bottom), (x, bottom + 4)], "axis")
            self.drawing.text(x, bottom + 16, shortened(label, 14), anchor="middle", size=11)
        self.drawing.line([(self.left, bottom), (right, bottom)], "axis")
        if x_label:
            middle = self.left + self.width / 2
            self.drawing.text(middle, bottom + 33, x_label, anchor="middle")
        if y_label:
            self.drawing.text(self.left, self.top - 8, y_label)


def thinned(xs: Sequence[float], ys: Sequence[float], most: int) -> list[tuple[float, float]]:
    """At most about so many of the points of a curve: first, last, and the extremes between."""
    pairs = list(zip(xs, ys, strict=True))
    if len(pairs) <= most:
        return pairs
    kept = [pairs[0]]
    buckets = max(1, (most - 2) // 2)
    inner = pairs[1:-1]
    for index in range(buckets):
        part = inner[len(inner) * index // buckets : len(inner) * (index + 1) // buckets]
        if part:
            extremes = {min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}
            kept += sorted(extremes)
    return [*kept, pairs[-1]]


def _round_step(rough: float, *, whole: bool) -> float:
    if whole and rough < 5:
        return float(max(1, math.ceil(rough)))
    exponent = math.floor(math.log10(rough))
    base = 10.0**exponent
    return next(base * f for f in (1.0, 2.0, 2.5, 5.0, 10.0) if base * f >= rough * 0.999)


def _label(value: float, digits: int) -> str:
    if abs(value) >= 1e6:
        return number(value, 3)
    text = f"{value:,.{digits + 1}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", "−")


def _power(value: float) -> str:
    return (
        f"{value:g}"
        if 1e-4 <= value < 1e5
        else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    )
