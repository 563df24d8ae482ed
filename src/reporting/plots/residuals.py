"""A regression's predictions: against the true values, and how far they are off."""

from typing import Any

import numpy as np

from src.reporting.drawing import Drawing, Frame, Scale, scale_of

SIZE = 460, 330
MOST_DOTS = 1500
MOST_BINS = 30


def predicted_plot(target: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]) -> Drawing | None:
    """A dot a row, on the guide where it is right."""
    if len(target) < 2:
        return None
    drawing = Drawing(*SIZE, "predicted against true values")
    both = scale_of(np.quantile(np.concatenate([target, predicted]), [0, 0.002, 0.998, 1]))
    frame = Frame(drawing, 76, 26, SIZE[0] - 92, SIZE[1] - 72, both, both)
    frame.axes("true", "predicted", x_ticks=5)
    chosen = np.arange(len(target))
    if len(chosen) > MOST_DOTS:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, MOST_DOTS, replace=False))
    for index in chosen:
        drawing.dot(*frame.point(float(target[index]), float(predicted[index])), 1.9, "faded_dot")
    drawing.line([frame.point(both.low, both.low), frame.point(both.high, both.high)], "line2")
    return drawing


def residual_plot(target: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]) -> Drawing | None:
    """A histogram of predicted − true; the outermost bars hold all beyond."""
    residual = predicted - target
    if len(residual) < 2 or not np.ptp(residual):
        return None
    low, high = np.quantile(residual, [0.005, 0.995])
    if low >= high:
        low, high = residual.min(), residual.max()
    bins = max(8, min(MOST_BINS, int(2 * len(residual) ** 0.5)))
    edges = np.linspace(low, high, bins + 1)
    counts, _ = np.histogram(np.clip(residual, low, high), edges)
    drawing = Drawing(*SIZE, "errors of the predictions")
    y = scale_of([0.0, float(counts.max())], zero=True)
    frame = Frame(drawing, 62, 26, SIZE[0] - 78, SIZE[1] - 72, Scale(float(low), float(high)), y)
    frame.axes("predicted − true", "rows", x_ticks=5)
    for index, number in enumerate(counts):
        left, top = frame.point(float(edges[index]), float(number))
        right, bottom = frame.point(float(edges[index + 1]), 0.0)
        drawing.rectangle(
            left, top, max(right - left - 1, 1), bottom - top, "bar", f"{number} rows"
        )
    zero = frame.point(0.0, 0.0)[0]
    if low < 0 < high:
        drawing.line([(zero, frame.top), (zero, frame.top + frame.height)], "line2")
    return drawing
