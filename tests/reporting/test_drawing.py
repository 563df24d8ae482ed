"""Drawings: ticks are round, SVG is well-formed and escaped, PNG has the marks in their places."""

import io
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from src.reporting.drawing import Drawing, Frame, Scale, scale_of, to_png, to_svg
from src.reporting.drawing.marks import STYLES
from src.reporting.plots.scores import outside, score_scale
from src.reporting.text import duration, number, plain_number

NAME = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (Scale(-3, 7), ["−2", "0", "2", "4", "6"]),
        (Scale(0.0003, 0.03, log=True), ["0.0003", "0.001", "0.003", "0.01", "0.03"]),
        (Scale(1, 12, whole=True), ["3", "6", "9", "12"]),
        (Scale(-0.5, 1.5, names=("relu", "tanh")), ["relu", "tanh"]),
    ],
)
def test_ticks_are_round(scale: Scale, expected: list[str]) -> None:
    assert [label for _, label in scale.ticks(6)] == expected


@pytest.mark.parametrize("log", [True, False])
def test_any_values_have_a_scale_with_ticks(log: bool) -> None:
    some = [[], [0.0], [5.0, 5.0], [1e-300, 1e300], [math.nan, 1.0], [-1e9, math.inf], [1e-12, 0]]
    for values in some:
        scale = scale_of(values, log=log)
        assert scale.low < scale.high
        assert all(scale.holds(value) for value in values if abs(value) < 1e150)
        assert all(0 <= scale.position(value) <= 1 for value, _ in scale.ticks())


def test_hopeless_trials_do_not_flatten_the_others() -> None:
    scores = [0.9, 0.91, 0.92, 0.93, 0.94, 0.1]
    scale = score_scale(scores, "max")
    assert scale.low > 0.8
    assert scale.holds(0.94)
    assert outside(scores, scale) == 1
    assert score_scale([1.0, 1.1, 1.2, 1.3, 50.0], "min").high < 2


def picture(text: str = "label") -> Drawing:
    drawing = Drawing(200, 100, f"title {text}")
    frame = Frame(drawing, 40, 10, 150, 60, Scale(0, 1), Scale(0, 1))
    frame.axes("x", "y")
    drawing.rectangle(50, 20, 30, 30, "bar", text)
    drawing.line([(0, 90), (200, 90)], "line2", text)
    drawing.dot(150, 40, 6, "bad", text)
    drawing.dot(100, 40, 4, "bad", text, cross=True)
    drawing.text(100, 98, text, "tag", "middle")
    drawing.text(12, 60, text, upright=True)
    return drawing


def test_svg_is_well_formed_and_nothing_in_it_is_markup() -> None:
    hostile = "</svg><script>alert('x')</script>\" onload=\"x & ]]>"
    for alone in (True, False):
        text = to_svg(picture(hostile), alone=alone)
        root = ElementTree.fromstring(text)
        tags = {element.tag.removeprefix(NAME) for element in root.iter()}
        assert tags <= {"svg", "title", "style", "polyline", "rect", "circle", "path", "text"}
        assert all("onload" not in element.attrib for element in root.iter())
        assert hostile in {element.text for element in root.iter()}


def test_png_shows_the_marks() -> None:
    image = Image.open(io.BytesIO(to_png(picture(), scale=1.0))).convert("RGB")
    assert image.size == (200, 100)
    pixels = np.asarray(image).astype(int)
    assert tuple(pixels[2, 2]) == (255, 255, 255)
    blue = bytes.fromhex(STYLES["bar"].light[1:])
    shade = [round(255 + (channel - 255) * STYLES["bar"].opacity) for channel in blue]
    assert pixels[29, 60] == pytest.approx(shade, abs=3)
    orange = list(bytes.fromhex(STYLES["line2"].light[1:]))
    assert pixels[90, 30] == pytest.approx(orange, abs=30)
    assert pixels[40, 150][0] > 150 > pixels[40, 150][2]


def test_numbers_are_short() -> None:
    values = (0.98765432, 1234567.0, 0.00001234, math.nan, None, math.inf, 0.0)
    shown = ["0.9877", "1,234,567", "1.234e-05", "–", "–", "∞", "0"]
    assert [number(value, 4) for value in values] == shown
    assert number(99.7, 2) == "100"
    assert [plain_number(value) for value in (3e-4, 512.0, 1e-9)] == ["0.0003", "512", "1e-09"]
    spent = ["0.3 s", "59 s", "10 min", "2 h 02 min", "2 days 7 h"]
    assert [duration(value) for value in (0.26, 59, 600, 7300, 2e5)] == spent
