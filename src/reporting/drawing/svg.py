"""Drawings as SVG: its colours come from a style sheet, so that a page can be light or dark."""

from html import escape

from src.reporting.drawing.marks import STYLES, Dot, Drawing, Line, Mark, Rectangle, Text
from src.reporting.text import printable

GROUND = ("#ffffff", "#0d1117")  # light, dark


def _rules(dark: bool) -> str:
    rules = []
    for name, style in STYLES.items():
        colour = style.dark if dark else style.light
        rule = f"fill:none;stroke:{colour}" if style.width else f"fill:{colour}"
        if not dark:
            rule += f";stroke-width:{style.width:g}" if style.width else ""
            rule += f";opacity:{style.opacity:g}" if style.opacity != 1 else ""
            rule += ";stroke-dasharray:5 4" if style.dash else ""
            rule += (
                ";paint-order:stroke;stroke-width:3px;stroke-linejoin:round" if style.halo else ""
            )
        rule += f";stroke:{GROUND[dark]}" if style.halo else ""
        rules.append(f".{name}{{{rule}}}")
    return "".join(rules)


STYLE_SHEET = (
    "svg.plot text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif}"
    "svg.plot polyline{stroke-linejoin:round}"
    f"{_rules(dark=False)}@media screen and (prefers-color-scheme:dark){{{_rules(dark=True)}}}"
)
"""What pages with drawings need once; a drawing on its own has it inside."""


def to_svg(drawing: Drawing, *, alone: bool = False) -> str:
    """Returns the drawing as an `<svg>` element.

    Args:
        drawing: any text in it may come from a stranger; all of it is escaped.
        alone: for a file of its own, with its style sheet and a ground.
    """
    width, height = f"{drawing.width:g}", f"{drawing.height:g}"
    size = f' width="{width}" height="{height}"' if alone else ""
    name = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
    parts = [
        f'<svg{name} class="plot" viewBox="0 0 {width} {height}"{size} role="img">'
        f"<title>{escape(printable(drawing.title))}</title>"
    ]
    if alone:
        light, dark = (f".ground{{fill:{colour}}}" for colour in GROUND)
        ground = f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"
        parts.append(f"<style>{STYLE_SHEET}{ground}</style>")
        parts.append(f'<rect class="ground" width="{width}" height="{height}"/>')
    parts += [_element(mark) for mark in drawing.marks]
    return "".join([*parts, "</svg>"])


def _element(mark: Mark) -> str:
    if isinstance(mark, Text):
        return _text(mark)
    title = f"<title>{escape(printable(mark.title))}</title>" if mark.title else ""
    if isinstance(mark, Line):
        points = " ".join(f"{_short(x)},{_short(y)}" for x, y in mark.points)
        tag = "polyline" if STYLES[mark.style].width else "polygon"
        start = f'<{tag} class="{mark.style}" points="{points}"'
    elif isinstance(mark, Rectangle):
        tag = "rect"
        shade = f' fill-opacity="{mark.opacity:.2f}"' if mark.opacity != 1 else ""
        start = (
            f'<rect class="{mark.style}" x="{_short(mark.x)}" y="{_short(mark.y)}" '
            f'width="{_short(mark.width)}" height="{_short(mark.height)}"{shade}'
        )
    elif mark.cross:
        tag = "path"
        arm = mark.radius
        start = (
            f'<path class="bad_line" d="M{_short(mark.x - arm)} {_short(mark.y - arm)}l{arm * 2:g} '
            f'{arm * 2:g}m0 -{arm * 2:g}l-{arm * 2:g} {arm * 2:g}"'
        )
    else:
        assert isinstance(mark, Dot)
        tag = "circle"
        start = (
            f'<circle class="{mark.style}" cx="{_short(mark.x)}" cy="{_short(mark.y)}" '
            f'r="{mark.radius:g}"'
        )
    return f"{start}>{title}</{tag}>" if title else f"{start}/>"


def _text(mark: Text) -> str:
    anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
    place = f'x="{_short(mark.x)}" y="{_short(mark.y)}"'
    turn = f' transform="rotate(-90 {_short(mark.x)} {_short(mark.y)})"' if mark.upright else ""
    return (
        f'<text class="{mark.style}" {place} font-size="{mark.size:g}"{anchor}{turn}>'
        f"{escape(printable(mark.text))}</text>"
    )


def _short(value: float) -> str:
    """A tenth of a pixel is finer than any screen."""
    return f"{value:.1f}".removesuffix(".0")
