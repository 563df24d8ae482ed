"""What else counts against the score, and which trials no other one beats in all of it."""

import numpy as np
import pandas as pd

from src.reporting.drawing import Drawing, Frame, scale_of
from src.reporting.plots.scores import score_scale
from src.reporting.run_data import RunData
from src.reporting.text import number, shortened

WIDTH, HEIGHT = 380, 250


def pareto_plot(data: RunData, name: str) -> Drawing | None:
    """A dot a completed trial, those on the front in colour.

    Args:
        data: the run.
        name: of what counts beside the objective, a column of its trials.
    """
    done = data.completed
    values = pd.to_numeric(done[name], errors="coerce").to_numpy(float)
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return None
    drawing = Drawing(WIDTH, HEIGHT, f"{data.objective} against {name}")
    x = scale_of(finite, log=bool(finite.min() > 0 and finite.max() > 10 * finite.min()))
    y = score_scale(done["score"], data.direction)
    frame = Frame(drawing, 60, 28, WIDTH - 76, HEIGHT - 60, x, y)
    frame.axes("", "", x_ticks=4, y_ticks=5)
    drawing.text(frame.left, 16, shortened(name, 40), "text", size=13)
    front = is_on_front(data)
    for on in (False, True):
        for row in range(len(done)):
            if front[row] == on and np.isfinite(values[row]):
                left, top = frame.point(float(values[row]), float(done["score"].iloc[row]))
                score = number(float(done["score"].iloc[row]))
                title = f"trial {done['trial_id'].iloc[row]}: {score}, {number(values[row])}"
                drawing.dot(left, top, 4.4 if on else 3.0, "dot2" if on else "dot1", title)
    return drawing


def is_on_front(data: RunData) -> list[bool]:
    """Of the completed trials, best first, which no other one beats."""
    return [str(cell) == "True" for cell in data.completed["pareto"]]
