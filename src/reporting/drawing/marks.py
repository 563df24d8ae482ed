"""What a picture consists of: lines, areas, rectangles, dots and texts in named styles."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Style:
    """How a mark looks.

    Attributes:
        light: colour on a light ground, `#rrggbb`.
        dark: colour on a dark ground.
        width: of a line, in units of the picture; 0 for what is filled.
        opacity: 0 to 1.
        dash: whether a line is dashed.
        halo: whether a text has an edge of the ground's colour, to be read over lines.
    """

    light: str
    dark: str
    width: float = 0.0
    opacity: float = 1.0
    dash: bool = False
    halo: bool = False


INK, MUTED, FAINT = ("#1f2328", "#e6e8eb"), ("#59636e", "#9aa4af"), ("#d5dae0", "#3a424b")
BLUE, ORANGE = ("#1d5fd1", "#79b0ff"), ("#c2570c", "#ffab5e")
RED, GREEN = ("#c0292f", "#ff8580"), ("#157a3e", "#5fd38a")
PURPLE = ("#7a3fc4", "#c4a1ff")

STYLES: dict[str, Style] = {
    "text": Style(*INK),
    "label": Style(*MUTED),
    "tag": Style(*INK, halo=True),
    "grid": Style(*FAINT, width=0.8),
    "axis": Style(*MUTED, width=1.0),
    "guide": Style(*MUTED, width=1.0, dash=True),
    "line1": Style(*BLUE, width=2.0),
    "line2": Style(*ORANGE, width=2.0),
    "line3": Style(*GREEN, width=2.0),
    "line4": Style(*PURPLE, width=2.0),
    "dashed1": Style(*BLUE, width=1.8, dash=True),
    "faded": Style(*MUTED, width=0.9, opacity=0.28),
    "band": Style(*BLUE, width=1.1, opacity=0.55),
    "chosen": Style(*ORANGE, width=2.6),
    "dot1": Style(*BLUE, opacity=0.75),
    "dot2": Style(*ORANGE),
    "dot3": Style(*GREEN, opacity=0.75),
    "dot4": Style(*PURPLE, opacity=0.75),
    "faded_dot": Style(*MUTED, opacity=0.5),
    "bad": Style(*RED, opacity=0.85),
    "bad_line": Style(*RED, width=1.5),
    "bar": Style(*BLUE, opacity=0.8),
    "weak_bar": Style(*MUTED, opacity=0.45),
    "cell": Style(*BLUE),
    "wrong_cell": Style(*RED),
}
"""The styles, by the name that a mark gives."""


@dataclass(frozen=True)
class Line:
    """A line through points, or the area within them where the style has no width."""

    points: tuple[Point, ...]
    style: str
    title: str = ""


@dataclass(frozen=True)
class Rectangle:
    """A filled rectangle; `opacity` goes on top of the style's."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str = ""
    opacity: float = 1.0


@dataclass(frozen=True)
class Dot:
    """A filled circle, or a cross for what failed."""

    x: float
    y: float
    radius: float
    style: str
    title: str = ""
    cross: bool = False


@dataclass(frozen=True)
class Text:
    """A line of text whose baseline begins, is centred or ends at a point."""

    x: float
    y: float
    text: str
    style: str = "label"
    anchor: Anchor = "start"
    size: float = 12.0
    upright: bool = False


Mark = Line | Rectangle | Dot | Text


@dataclass
class Drawing:
    """A picture.

    Attributes:
        width: in units that are pixels at its natural size.
        height: likewise.
        title: what it shows, for those who cannot see it.
        marks: in the order in which they are painted.
    """

    width: float
    height: float
    title: str
    marks: list[Mark] = field(default_factory=list)

    def line(self, points: Sequence[Point], style: str, title: str = "") -> None:
        """Adds a line, or an area, through at least one point."""
        if points:
            self.marks.append(Line(tuple(points), style, title))

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        style: str,
        title: str = "",
        opacity: float = 1.0,
    ) -> None:
        """Adds a filled rectangle."""
        self.marks.append(Rectangle(x, y, width, height, style, title, opacity))

    def dot(
        self, x: float, y: float, radius: float, style: str, title: str = "", cross: bool = False
    ) -> None:
        """Adds a dot or a cross."""
        self.marks.append(Dot(x, y, radius, style, title, cross))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        style: str = "label",
        anchor: Anchor = "start",
        size: float = 12.0,
        upright: bool = False,
    ) -> None:
        """Adds a text; `upright` turns it by 90° to the left."""
        self.marks.append(Text(x, y, text, style, anchor, size, upright))
