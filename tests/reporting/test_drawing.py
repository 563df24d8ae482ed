"""Drawings: ticks are round, SVG is well-formed and escaped, PNG has the marks in their places."""

import io
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from src.reporting.drawing import Drawing, Frame, Scale, scale_of, to_png, to_svg
from src.reporting.drawing.axes import thinned
from src.reporting.drawing.marks import STYLES
from src.reporting.plots.scores import outside, score_scale
from src.reporting.text import duration, number, plain_number

NAME = "{http://www.w3.org/2000/svg}"


def labels(scale: Scale, most: int = 6) -> list[str]:
    return [label for _, label in scale.ticks(most)]


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (Scale(0, 1), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (Scale(-3, 7), ["−2", "0", "2", "4", "6"]),
        (Scale(0.0003, 0.03, log=True), ["0.0003", "0.001", "0.003", "0.01", "0.03"]),
        (Scale(1e-6, 0.1, log=True), ["1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1"]),
        (Scale(1, 12, whole=True), ["3", "6", "9", "12"]),
        (Scale(50_000, 80_000), ["50,000", "60,000", "70,000", "80,000"]),
        (Scale(-0.5, 1.5, names=("relu", "tanh")), ["relu", "tanh"]),
        (Scale(30, 140, log=True, marks=(32.0, 64.0, 128.0)), ["32", "64", "128"]),
    ],
)
def test_ticks_are_round(scale: Scale, expected: list[str]) -> None:
    assert labels(scale) == expected


@pytest.mark.parametrize(
    "values",
    [[], [0.0], [5.0, 5.0], [1e-300, 1e300], [math.nan, 1.0], [-1e9, math.inf], [1e-12, 0]],
)
@pytest.mark.parametrize("log", [True, False])
def test_any_values_have_a_scale_with_ticks(values: list[float], log: bool) -> None:
    scale = scale_of(values, log=log)
    assert scale.low < scale.high
    assert all(scale.holds(value) for value in values if abs(value) < 1e150)
    for value, _ in scale.ticks():
        assert 0 <= scale.position(value) <= 1


def test_hopeless_trials_do_not_flatten_the_others() -> None:
    scores = [0.9, 0.91, 0.92, 0.93, 0.94, 0.1]
    scale = score_scale(scores, "max")
    assert scale.low > 0.8
    assert scale.holds(0.94)
    assert outside(scores, scale) == 1
    assert score_scale([1.0, 1.1, 1.2, 1.3, 50.0], "min").high < 2


def test_a_thinned_curve_keeps_its_ends_and_extremes() -> None:
    xs = list(range(1000))
    ys = [math.sin(x / 50) for x in xs]
    ys[417] = 9.0
    points = thinned(xs, ys, 60)
    assert len(points) <= 62
    assert points[0] == (0, ys[0])
    assert points[-1] == (999, ys[999])
    assert (417, 9.0) in points
    assert points == sorted(points)
    assert thinned(xs[:5], ys[:5], 60) == list(zip(xs[:5], ys[:5], strict=True))


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


def test_a_picture_of_its_own_is_light_or_dark() -> None:
    text = to_svg(picture(), alone=True)
    assert "prefers-color-scheme:dark" in text
    assert STYLES["line2"].light in text
    assert STYLES["line2"].dark in text
    assert 'width="200"' in text


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


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (0.98765432, 4, "0.9877"),
        (99.7, 2, "100"),
        (1234567.0, 4, "1,234,567"),
        (0.00001234, 3, "1.23e-05"),
        (math.nan, 3, "–"),
        (None, 3, "–"),
        (math.inf, 3, "∞"),
        (0.0, 3, "0"),
    ],
)
def test_numbers_are_short(value: float | None, digits: int, expected: str) -> None:
    assert number(value, digits) == expected


def test_numbers_for_commands_and_durations() -> None:
    assert [plain_number(v) for v in (0.01, 3e-4, 512.0, 1e-9)] == [
        "0.01",
        "0.0003",
        "512",
        "1e-09",
    ]
    assert [duration(v) for v in (0.26, 59, 600, 7300, 2e5)] == [
        *("0.3 s", "59 s", "10 min", "2 h 02 min", "2 days 7 h")
    ]
