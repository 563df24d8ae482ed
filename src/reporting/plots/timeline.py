"""Where the time went: each worker's trials one after the other."""

from typing import Any

import numpy as np

from src.reporting.drawing import Drawing, Frame, Scale
from src.reporting.run_data import RunData
from src.reporting.text import duration, shortened

WIDTH, ROW = 940, 30
Array = np.ndarray[Any, np.dtype[np.float64]]
MOST_WORKERS = 16
LONGEST = 1e9  # seconds of a trial


def timeline(data: RunData) -> Drawing | None:
    """A bar a trial from its start to its end; pauses between sessions of a resumed run are cut."""
    trials = data.trials[data.trials["started"].notna() & (data.trials["seconds"] < LONGEST)]
    if not len(trials):
        return None
    starts = (trials["started"] - trials["started"].min()).dt.total_seconds().to_numpy(float)
    lengths = trials["seconds"].clip(lower=0).to_numpy(float)
    starts = _without_pauses(starts, lengths)
    workers = sorted({str(worker) for worker in trials["worker"]}, key=lambda w: (len(w), w))[
        :MOST_WORKERS
    ]
    height = ROW * len(workers) + 62
    drawing = Drawing(WIDTH, height, "trials by worker and time")
    last = max(float((starts + lengths).max()), 1e-3)
    unit, factor = (
        ("hours", 3600.0) if last > 7200 else ("minutes", 60.0) if last > 240 else ("seconds", 1.0)
    )
    x = Scale(0.0, last / factor)
    frame = Frame(drawing, 84, 12, WIDTH - 100, ROW * len(workers), x, Scale(0.0, 1.0))
    bottom = frame.top + frame.height
    for value, label in x.ticks(8):
        place = frame.point(value, 0)[0]
        drawing.line([(place, frame.top), (place, bottom)], "grid")
        drawing.text(place, bottom + 16, label, anchor="middle", size=11)
    drawing.text(frame.left + frame.width / 2, bottom + 36, unit, anchor="middle")
    best = None if data.best is None else data.best["trial_id"]
    for row, worker in enumerate(workers):
        top = frame.top + ROW * row
        drawing.text(
            frame.left - 8, top + ROW / 2 + 4, shortened(f"worker {worker}", 12), anchor="end"
        )
    rows = {worker: row for row, worker in enumerate(workers)}
    for start, length, trial in zip(starts, lengths, trials.itertuples(), strict=True):
        lane = rows.get(str(trial.worker))
        if lane is None:
            continue
        left, right = (
            frame.point(start / factor, 0)[0],
            frame.point((start + length) / factor, 0)[0],
        )
        style = "bad" if trial.status == "FAILED" else "dot2" if trial.trial_id == best else "bar"
        title = f"trial {trial.trial_id}: {duration(length)}"
        top = frame.top + ROW * lane + 5
        drawing.rectangle(left, top, max(right - left - 1, 1), ROW - 10, style, title)
    return drawing


def _without_pauses(starts: Array, lengths: Array) -> Array:
    """Moves what follows a pause of more than a minute, and a tenth of the whole, back to it."""
    order = starts.argsort(kind="stable")
    moved = starts.copy()
    longest = max(60.0, 0.1 * float(lengths.sum()))
    end = shift = 0.0
    for index in order:
        start = starts[index] - shift
        if start - end > longest:
            shift += start - end
            start = end
        moved[index] = start
        end = max(end, start + lengths[index])
    return moved
