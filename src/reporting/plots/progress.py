"""How the best score came about: over trials, and over the epochs that they trained."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from src.reporting.drawing import Drawing, Frame, Scale, scale_of
from src.reporting.drawing.marks import Point
from src.reporting.plots.scores import note_outside, outside, score_scale
from src.reporting.run_data import RunData
from src.reporting.text import STOPPED, number

WIDTH, HEIGHT = 460, 270
Array = np.ndarray[Any, np.dtype[np.float64]]


def in_order(data: RunData) -> pd.DataFrame:
    """The trials in the order in which they ended; `cost` is the epochs that each one trained."""
    trials = data.trials.copy()
    if trials["ended"].notna().all():
        trials = trials.sort_values(["ended", "trial_id"], kind="stable")
    reached = dict(zip(data.trials["trial_id"], data.trials["epochs"], strict=True))
    before = trials["parent"].map(reached).astype("Float64").fillna(0)
    cost = (trials["epochs"].astype("Float64").fillna(0) - before).clip(lower=0) * data.planned_fits
    of_all_fits = data.searched_history["trial_id"].value_counts().astype(float)
    trained = trials["trial_id"].map(of_all_fits).astype("Float64")
    cost = cost.where(trials["stopped_by"].isna() | trained.isna(), trained)
    trials["cost"] = cost.to_numpy(float)
    return trials.reset_index(drop=True)


def best_so_far(data: RunData, trials: pd.DataFrame) -> Array:
    """The best score up to each trial; NaN before the first."""
    counted = (trials["status"] == "COMPLETED") & ~trials["trial_id"].isin(data.behind)
    good = trials["score"].where(counted)
    best = (data.sign * good.astype(float)).cummax().ffill()
    return np.asarray(data.sign * best, float)


def best_by_trial(data: RunData) -> Drawing | None:
    """A dot a trial, and the best score so far."""
    trials = in_order(data)
    return _progress(data, trials, np.arange(1, len(trials) + 1, dtype=float), "trials ended")


def best_by_epochs(data: RunData) -> Drawing | None:
    """The same over the epochs spent so far, over which tuners that stop trials compare."""
    trials = in_order(data)
    spent = trials["cost"].cumsum().to_numpy(float)
    return _progress(data, trials, spent, "epochs trained")


def _progress(data: RunData, trials: pd.DataFrame, x: Array, label: str) -> Drawing | None:
    if not len(data.completed):
        return None
    drawing = Drawing(WIDTH, HEIGHT, f"best {data.objective} by {label}")
    scores = data.completed["score"]
    y = score_scale(scores, data.direction)
    frame = Frame(drawing, 62, 26, WIDTH - 76, HEIGHT - 72, _from_zero(x), y)
    beyond = note_outside(outside(scores, y), data.direction)
    frame.axes(label, f"{data.objective}{beyond}")
    best = best_so_far(data, trials)
    known = np.isfinite(best)
    radius = 3.2 if len(trials) <= 100 else 2.2
    done = (trials["status"] == "COMPLETED").to_numpy() & np.isfinite(
        trials["score"].to_numpy(float)
    )
    worst = frame.top + (frame.height - 5 if data.direction == "max" else 5)
    for row, trial_id in enumerate(trials["trial_id"]):
        if done[row]:
            score = float(trials["score"].iloc[row])
            stopped = STOPPED.get(trials["stopped_by"].iloc[row], "")
            title = f"trial {trial_id}: {number(score)}" + (f", {stopped}" if stopped else "")
            drawing.dot(*frame.point(x[row], score), radius, "faded_dot", title)
        else:
            across = frame.point(x[row], y.low)[0]
            drawing.dot(across, worst, 3, "bad", f"trial {trial_id} failed", cross=True)
    drawing.line(steps(frame, x[known].tolist(), best[known].tolist()), "line1")
    winner = data.completed.iloc[0]
    index = trials.index[trials["trial_id"] == winner["trial_id"]][0]
    place = frame.point(x[index], winner["score"])
    drawing.dot(*place, 4.5, "dot2", f"best: trial {winner['trial_id']}, {number(winner['score'])}")
    return drawing


def steps(frame: Frame, xs: Sequence[float], ys: Sequence[float]) -> list[Point]:
    """The corners of a line that keeps each value until the next one."""
    points = [frame.point(xs[0], ys[0])] if xs else []
    for before, at, value in zip(ys, xs[1:], ys[1:], strict=False):
        points += [frame.point(at, before), frame.point(at, value)]
    return points


def _from_zero(x: Array) -> Scale:
    return scale_of([0.0, *x], zero=True, margin=0.03, whole=True)
