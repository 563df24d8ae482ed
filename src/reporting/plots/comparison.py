"""Several runs in one plot: the best score so far over trials, epochs or time."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from src.reporting.drawing import Drawing, Frame, scale_of
from src.reporting.plots.progress import best_so_far, in_order, steps
from src.reporting.plots.scores import score_scale
from src.reporting.run_data import RunData
from src.reporting.text import shortened

WIDTH, HEIGHT = 460, 290
LINES = ("line1", "line2", "line3", "line4")
Over = Literal["trials ended", "epochs trained", "seconds of training"]


def best_by(runs: Sequence[RunData], over: Over) -> Drawing | None:
    """A line a run; the first four in colours of their own.

    Args:
        runs: they have the same objective.
        over: what is spent.
    """
    lines: list[tuple[str, list[float], list[float]]] = []
    for run in runs:
        trials = in_order(run)
        best = best_so_far(run, trials)
        spent = {
            "trials ended": np.ones(len(trials)),
            "epochs trained": trials["cost"].to_numpy(float),
            "seconds of training": trials["seconds"].fillna(0).to_numpy(float),
        }[over].cumsum()
        known = np.isfinite(best)
        if known.any():
            lines.append((run.run.name, spent[known].tolist(), best[known].tolist()))
    if not lines:
        return None
    first = runs[0]
    drawing = Drawing(WIDTH, HEIGHT, f"best {first.objective} by {over}")
    y = score_scale([value for _, _, ys in lines for value in ys], first.direction)
    x = scale_of([0.0, *(value for _, xs, _ in lines for value in xs)], zero=True, margin=0.03)
    frame = Frame(drawing, 62, 26, WIDTH - 76, HEIGHT - 72, x, y)
    frame.axes(over, first.objective)
    for index, (_, xs, ys) in reversed(list(enumerate(lines))):
        style = LINES[index] if index < len(LINES) else "faded"
        points = steps(frame, xs, ys)
        drawing.line(points, style, lines[index][0])
        drawing.dot(*points[-1], 3, style.replace("line", "dot") if index < 4 else "faded_dot")
    bottom = frame.top + frame.height - 10
    named = lines[: len(LINES)]
    for index, (name, _, _) in enumerate(named):
        level = bottom - 17 * (len(named) - 1 - index)
        if first.direction == "min":
            level = frame.top + 16 + 17 * index
        right = frame.left + frame.width - 8
        drawing.text(right - 26, level, shortened(name, 34), "text", anchor="end", size=11.5)
        drawing.line([(right - 20, level - 4), (right, level - 4)], LINES[index])
    return drawing
