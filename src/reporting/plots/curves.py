"""How trials trained: the best one's curves over the faded ones of the others."""

from dataclasses import replace

import pandas as pd

from src.reporting.drawing import Drawing, Frame, Scale, scale_of
from src.reporting.drawing.axes import thinned
from src.reporting.plots.scores import score_scale
from src.reporting.run_data import RunData

WIDTH, HEIGHT = 460, 270
MOST_FADED = 120  # curves of other trials
MOST_POINTS = 60  # of a curve


def metric_curves(data: RunData) -> list[Drawing]:
    """The objective and the loss by epoch, where recorded."""
    if data.best is None or not len(data.history):
        return []
    winner = str(data.best["trial_id"])
    names = [data.objective]
    if data.objective != "val_loss" and "val_loss" in data.history.columns:
        names.append("val_loss")
    others = _faded_curves(data, winner)
    drawings = [_metric(data, winner, others, name) for name in names]
    return [drawing for drawing in drawings if drawing is not None]


def control_curves(data: RunData) -> list[Drawing]:
    """The learning rate and the batch size by epoch, where recorded."""
    if data.best is None or not len(data.history):
        return []
    winner = str(data.best["trial_id"])
    others = _faded_curves(data, winner)
    names = [n for n in ("learning_rate", "batch_size") if data.history[n].notna().any()]
    drawings = [_control(data, winner, others, name) for name in names]
    return [drawing for drawing in drawings if drawing is not None]


def _faded_curves(data: RunData, winner: str) -> pd.DataFrame:
    """Mean rows by root trial and epoch of at most so many other trials."""
    roots = dict(zip(data.trials["trial_id"], data.trials["root"], strict=True))
    history = data.history.assign(root=data.history["trial_id"].map(roots))
    own = roots.get(winner)
    best_first = list(dict.fromkeys(r for r in data.completed["root"] if r != own))
    rest = list(dict.fromkeys(r for r in history["root"].dropna() if r not in {*best_first, own}))
    names = [*best_first, *rest]
    every = max(1, -(-len(names) // MOST_FADED))
    kept = history[history["root"].isin(names[::every])]
    numbers = [c for c in kept.columns if c not in ("trial_id", "root", "epoch")]
    return kept.groupby(["root", "epoch"], sort=True)[numbers].mean().reset_index()


def _metric(data: RunData, winner: str, others: pd.DataFrame, name: str) -> Drawing | None:
    own = data.curve(winner, name)
    if not len(own):
        return None
    drawing = Drawing(WIDTH, HEIGHT, f"{name} by epoch; trial {winner} over the others")
    train_name = name.removeprefix("val_")
    train = data.curve(winner, train_name) if train_name != name else own.iloc[:0]
    direction = data.direction if name == data.objective else "min"
    shown = [*own, *train, *others.get(name, pd.Series(dtype=float)).dropna()]
    frame = _frame(drawing, data, score_scale(shown, direction))
    frame.axes("epoch", name)
    _fade(frame, others, name)
    _curve(frame, train, "dashed1")
    _curve(frame, own, "chosen")
    best_epoch = data.best["best_epoch"] if data.best is not None else None
    if best_epoch is not None and not pd.isna(best_epoch) and int(best_epoch) in own.index:
        place = frame.point(float(best_epoch), float(own.loc[int(best_epoch)]))
        drawing.dot(*place, 4.5, "dot2", f"best epoch {best_epoch}")
    _legend(
        drawing,
        frame,
        [("chosen", f"{winner} validation"), ("dashed1", "train")][: 1 + bool(len(train))],
    )
    return drawing


def _control(data: RunData, winner: str, others: pd.DataFrame, name: str) -> Drawing | None:
    own = data.curve(winner, name)
    if not len(own):
        return None
    height = 200
    drawing = Drawing(WIDTH, height, f"{name} by epoch; trial {winner} over the others")
    values = [*own, *others[name].dropna()]
    frame = _frame(drawing, data, _control_scale(values, rate=name == "learning_rate"))
    frame.axes("epoch", name.replace("_", " "), y_ticks=4)
    _fade(frame, others, name)
    _curve(frame, own, "chosen")
    return drawing


def _control_scale(values: list[float], *, rate: bool) -> Scale:
    """Logarithmic; batch sizes, if they are few, are its marks."""
    scale = scale_of(values, log=True)
    sizes = sorted(set(values))
    return scale if rate or len(sizes) > 8 else replace(scale, marks=tuple(sizes))


def _frame(drawing: Drawing, data: RunData, y: Scale) -> Frame:
    return Frame(drawing, 62, 26, WIDTH - 76, drawing.height - 72, _epochs(data), y)


def _epochs(data: RunData) -> Scale:
    last = float(data.history["epoch"].max())
    return Scale(min(1.0, last - 1), max(last, 2.0), whole=True)


def _fade(frame: Frame, others: pd.DataFrame, name: str) -> None:
    if name not in others.columns:
        return
    for root, rows in others.groupby("root"):
        curve = rows.dropna(subset=[name])
        points = thinned(curve["epoch"].tolist(), curve[name].tolist(), MOST_POINTS)
        placed = [frame.point(x, y) for x, y in points]
        if len(placed) == 1:
            frame.drawing.dot(*placed[0], 1.5, "faded_dot")
        frame.drawing.line(placed, "faded", f"trial {root}")


def _curve(frame: Frame, curve: pd.Series, style: str) -> None:
    points = thinned([float(e) for e in curve.index], [float(v) for v in curve], 4 * MOST_POINTS)
    frame.drawing.line([frame.point(x, y) for x, y in points], style)


def _legend(drawing: Drawing, frame: Frame, entries: list[tuple[str, str]]) -> None:
    right = frame.left + frame.width
    for style, label in reversed(entries):
        length = 5.7 * len(label)
        drawing.text(right, frame.top - 8, label, anchor="end", size=11)
        right -= length + 6
        drawing.line([(right - 18, frame.top - 12), (right, frame.top - 12)], style)
        right -= 30
