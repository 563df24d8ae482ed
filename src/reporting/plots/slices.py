"""Slices: the score against one hyperparameter, with every trial where it was."""

import math
from statistics import median

import numpy as np

from src.reporting.domains import Domain
from src.reporting.drawing import Drawing, Frame
from src.reporting.plots.scores import score_scale
from src.reporting.run_data import RunData
from src.reporting.text import number, shortened

WIDTH, HEIGHT = 300, 215


def slice_plot(data: RunData, domain: Domain) -> Drawing | None:
    """A dot a trial in which the hyperparameter was active, a cross at the worse end a failed one.

    Choices show the median of their trials as a bar.
    """
    done, failed = data.completed, data.failed
    values = domain.numbers(done[domain.name]) if len(done) else np.array([])
    if not np.isfinite(values).any():
        return None
    drawing = Drawing(WIDTH, HEIGHT, f"{data.objective} against {domain.name}")
    y = score_scale(done["score"], data.direction)
    frame = Frame(drawing, 54, 28, WIDTH - 66, HEIGHT - 56, domain.scale, y)
    frame.axes("", "", x_ticks=4, y_ticks=4)
    drawing.text(frame.left, 16, shortened(domain.name, 30), "text", size=13)
    radius = 3.4 if len(done) <= 100 else 2.3
    by_choice: dict[float, list[float]] = {}
    for row in reversed(range(len(done))):
        value, score = values[row], float(done["score"].iloc[row])
        if math.isnan(value):
            continue
        by_choice.setdefault(float(value), []).append(score)
        x, top = frame.point(value + _aside(domain, row), score)
        title = f"trial {done['trial_id'].iloc[row]}: {number(score)}"
        drawing.dot(x, top, 4.8 if row == 0 else radius, "dot2" if row == 0 else "dot1", title)
    if not domain.is_range:
        for value, scores in by_choice.items():
            left, top = frame.point(value - 0.32, median(scores))
            right, _ = frame.point(value + 0.32, median(scores))
            drawing.line([(left, top), (right, top)], "line2", f"median {number(median(scores))}")
    worst = frame.top + (frame.height - 4 if data.direction == "max" else 4)
    for row, value in enumerate(domain.numbers(failed[domain.name]) if len(failed) else []):
        if math.isfinite(value):
            x, _ = frame.point(value + _aside(domain, row), y.low)
            title = f"trial {failed['trial_id'].iloc[row]} failed"
            drawing.dot(x, worst, 2.8, "bad", title, cross=True)
    return drawing


def _aside(domain: Domain, row: int) -> float:
    """Choices are drawn side by side, always the same way, so that dots do not hide each other."""
    return 0.0 if domain.is_range else ((row * 0.618034) % 1 - 0.5) * 0.5
