"""Parallel coordinates: a line a trial through its hyperparameters to its score."""

import math
from collections.abc import Sequence

from src.reporting.domains import Domain, shown
from src.reporting.drawing import Drawing, Scale
from src.reporting.plots.scores import score_scale
from src.reporting.run_data import RunData
from src.reporting.text import number, shortened

AXIS_WIDTH, HEIGHT, TOP, BOTTOM = 96, 330, 46, 40
MOST_AXES = 10
GOOD_SHARE = 0.2  # of the trials are drawn in colour


def parallel_coordinates(data: RunData, domains: Sequence[Domain]) -> Drawing | None:
    """The best trial and the best fifth in colour, over the others.

    Hyperparameters that fewer than half of the trials have are left out, if two others are left.

    Args:
        data: the run.
        domains: the axes, in order; the score follows.
    """
    trials = data.completed
    seen = [domain for domain in domains if trials[domain.name].notna().any()]
    frequent = [domain for domain in seen if trials[domain.name].notna().mean() >= 0.5]
    domains = (frequent if len(frequent) > 1 else seen)[:MOST_AXES]
    if len(trials) < 2 or not domains:
        return None
    width = AXIS_WIDTH * (len(domains) + 1) + 20
    drawing = Drawing(width, HEIGHT, "parallel coordinates of hyperparameters and score")
    inner = HEIGHT - TOP - BOTTOM
    score = score_scale(trials["score"], data.direction)
    places = [AXIS_WIDTH * (index + 0.5) + 10 for index in range(len(domains) + 1)]
    columns = [
        [_height(domain.scale, value, inner) for value in domain.numbers(trials[domain.name])]
        for domain in domains
    ]
    columns.append([TOP + (1 - score.position(v)) * inner for v in trials["score"]])
    good = max(1, round(GOOD_SHARE * len(trials)))
    for row in reversed(range(len(trials))):
        style = "chosen" if row == 0 else "band" if row < good else "faded"
        trial = trials.iloc[row]
        title = (
            f"trial {trial['trial_id']}: {data.objective} {number(trial['score'])}; "
            + ", ".join(
                f"{d.name} {shown(d.name, trial[d.name])}"
                for d in domains
                if shown(d.name, trial[d.name])
            )
        )
        drawing.line([(x, ys[row]) for x, ys in zip(places, columns, strict=True)], style, title)
    for domain, x in zip(domains, places, strict=False):
        inactive = bool(trials[domain.name].isna().any())
        _axis(drawing, x, domain.name, domain.scale, inner, inactive=inactive)
    _axis(drawing, places[-1], data.objective, score, inner, inactive=False)
    return drawing


def _height(scale: Scale, value: float, inner: float) -> float:
    """Where a value lies; below the axis for an inactive hyperparameter."""
    if math.isnan(value):
        return TOP + inner + 22
    return TOP + (1 - scale.position(value)) * inner


def _axis(
    drawing: Drawing, x: float, name: str, scale: Scale, inner: float, *, inactive: bool
) -> None:
    drawing.line([(x, TOP), (x, TOP + inner)], "axis")
    drawing.text(x, TOP - 24, shortened(name, 15), "text", anchor="middle", size=12.5)
    for value, label in scale.ticks(6):
        y = TOP + (1 - scale.position(value)) * inner
        drawing.line([(x - 3, y), (x + 3, y)], "axis")
        drawing.text(x + 6, y + 4, shortened(label, 12), "tag", size=11)
    if inactive:
        drawing.text(x + 6, TOP + inner + 26, "inactive", "tag", size=10)
