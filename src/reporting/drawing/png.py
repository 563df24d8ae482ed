"""Drawings as PNG, for TensorBoard, which shows no SVG. Pillow comes with TensorBoard."""

import io
import itertools
from typing import Any

from src.reporting.drawing.marks import STYLES, Dot, Drawing, Line, Mark, Rectangle, Text

FINER = 3  # drawn so many times larger and scaled down, which smooths the edges
DASH, GAP = 5.0, 4.0


def to_png(drawing: Drawing, scale: float = 1.5) -> bytes:
    """Returns the drawing on white.

    Args:
        drawing: what to draw.
        scale: pixels for a unit of the drawing.
    """
    from PIL import Image

    factor = scale * FINER
    size = (round(drawing.width * factor), round(drawing.height * factor))
    image = Image.new("RGB", size, "white")
    for mark in drawing.marks:
        _paint(image, mark, factor)
    image = image.resize((size[0] // FINER, size[1] // FINER), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _paint(image: Any, mark: Mark, factor: float) -> None:
    from PIL import ImageDraw

    style = STYLES[mark.style]
    opacity = style.opacity * (mark.opacity if isinstance(mark, Rectangle) else 1.0)
    colour = (*bytes.fromhex(style.light[1:]), round(255 * opacity))
    draw = ImageDraw.Draw(image, "RGBA")
    width = max(1, round(style.width * factor))
    if isinstance(mark, Text):
        _write(image, mark, factor, colour)
    elif isinstance(mark, Rectangle):
        corner = (mark.x + mark.width, mark.y + mark.height)
        draw.rectangle(
            [mark.x * factor, mark.y * factor, corner[0] * factor, corner[1] * factor], fill=colour
        )
    elif isinstance(mark, Line):
        points = [(x * factor, y * factor) for x, y in mark.points]
        if not style.width:
            if len(points) > 2:
                draw.polygon(points, fill=colour)
        elif style.dash:
            for piece in _dashes(points, DASH * factor, GAP * factor):
                draw.line(piece, fill=colour, width=width)
        else:
            draw.line(points, fill=colour, width=width, joint="curve")
    else:
        assert isinstance(mark, Dot)
        left, right = (mark.x - mark.radius) * factor, (mark.x + mark.radius) * factor
        top, bottom = (mark.y - mark.radius) * factor, (mark.y + mark.radius) * factor
        if mark.cross:
            draw.line([left, top, right, bottom], fill=colour, width=round(1.5 * factor))
            draw.line([left, bottom, right, top], fill=colour, width=round(1.5 * factor))
        else:
            draw.ellipse([left, top, right, bottom], fill=colour)


def _write(image: Any, mark: Text, factor: float, colour: tuple[int, ...]) -> None:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(mark.size * factor)
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[mark.anchor]
    place = (mark.x * factor, mark.y * factor)
    text = "".join(c if c.isprintable() else "?" for c in mark.text)
    if not mark.upright:
        edge = round(factor * 1.5) if STYLES[mark.style].halo else 0
        draw = ImageDraw.Draw(image, "RGBA")
        draw.text(
            *(place, text),
            fill=colour,
            font=font,
            anchor=anchor,
            stroke_width=edge,
            stroke_fill="white",
        )
        return
    length, height = round(font.getlength(text)) + 4, round(mark.size * factor * 1.6)
    turned = Image.new("RGBA", (max(length, 1), height), (255, 255, 255, 0))
    ImageDraw.Draw(turned).text((2, height * 0.7), text, fill=colour, font=font, anchor="ls")
    turned = turned.rotate(90, expand=True)
    above = {"start": length, "middle": length / 2, "end": 0}[mark.anchor]
    image.paste(turned, (round(place[0] - height * 0.7), round(place[1] - above)), turned)


def _dashes(
    points: list[tuple[float, float]], dash: float, gap: float
) -> list[list[tuple[float, float]]]:
    """The pieces of a dashed line."""
    pieces: list[list[tuple[float, float]]] = []
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        start = 0.0
        while start < length:
            a, b = start / length, min(start + dash, length) / length
            pieces.append(
                [
                    (x0 + a * (x1 - x0), y0 + a * (y1 - y0)),
                    (x0 + b * (x1 - x0), y0 + b * (y1 - y0)),
                ]
            )
            start += dash + gap
    return pieces
