"""Hyperband's funnel: how many trials each rung kept, and the scores that they reached."""

import pandas as pd

from src.reporting.drawing import Drawing
from src.reporting.run_data import RunData
from src.reporting.text import count, number

WIDTH, ROW, GAP, LABEL = 940, 26, 34, 300


def funnel(data: RunData) -> Drawing | None:
    """A block a bracket, a bar a rung, as wide as it has trials."""
    trials = data.trials[data.trials["rung"].notna() & data.trials["bracket"].notna()]
    if not len(trials):
        return None
    groups = trials.groupby(["bracket", "rung"], sort=True)
    brackets = sorted({int(b) for b in trials["bracket"]}, reverse=True)
    height = GAP * len(brackets) + ROW * len(groups) + 12
    drawing = Drawing(WIDTH, height, "trials by bracket and rung")
    most = int(groups.size().max())
    widest, middle = WIDTH - LABEL - 40, (WIDTH - LABEL - 20) / 2
    best_score = None if data.best is None else float(data.best["score"])
    y = 0.0
    for bracket in brackets:
        y += GAP
        drawing.text(10, y - 8, f"bracket {bracket}", "text", size=13)
        rungs = trials[trials["bracket"] == bracket]
        for rung in sorted({int(r) for r in rungs["rung"]}):
            members = rungs[rungs["rung"] == rung]
            done = members[members["status"] == "COMPLETED"]
            width = max(3.0, widest * len(members) / most)
            scores = done["score"].dropna()
            top = (
                (scores.max() if data.direction == "max" else scores.min()) if len(scores) else None
            )
            style = "dot2" if top is not None and top == best_score else "bar"
            drawing.rectangle(middle - width / 2 + 10, y + 2, width, ROW - 5, style)
            epochs = members["epochs"].max()
            text = f"rung {rung}: {count(len(members), 'trial')}"
            text += "" if pd.isna(epochs) else f" to epoch {epochs}"
            text += "" if top is None else f", best {number(float(top))}"
            failed = int((members["status"] == "FAILED").sum())
            text += f", {failed} failed" if failed else ""
            drawing.text(WIDTH - LABEL, y + 17, text, size=12)
            y += ROW
    return drawing
