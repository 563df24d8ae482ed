"""The importances as bars with their uncertainty."""

from src.reporting.analysis.importance import Importance
from src.reporting.drawing import Drawing, Scale, scale_of
from src.reporting.text import shortened

WIDTH, ROW, LEFT = 460, 24, 150
MOST = 12


def importance_plot(importance: Importance) -> Drawing | None:
    """Bars with two standard errors to both sides; faint ones are not clear of 0."""
    if importance.r2 is None or not importance.share:
        return None
    names = list(importance.share)[:MOST]
    height = ROW * len(names) + 58
    drawing = Drawing(WIDTH, height, "importance of the hyperparameters")
    ends = [importance.share[n] + 2 * importance.error[n] for n in names]
    scale = scale_of([0.0, *ends, *importance.share.values(), 0.1], zero=True, margin=0.03)
    scale = Scale(min(scale.low, 0.0), scale.high)
    bottom = 10 + ROW * len(names)

    def place(value: float) -> float:
        return LEFT + scale.position(value) * (WIDTH - LEFT - 20)

    for value, label in scale.ticks(5):
        drawing.line([(place(value), 10), (place(value), bottom)], "grid")
        drawing.text(place(value), bottom + 16, label, anchor="middle", size=11)
    drawing.text((LEFT + WIDTH - 20) / 2, bottom + 36, "R² lost when shuffled", anchor="middle")
    for row, name in enumerate(names):
        y = 10 + ROW * row
        share, error = importance.share[name], importance.error[name]
        style = "bar" if importance.matters(name) else "weak_bar"
        left, right = sorted((place(0.0), place(share)))
        drawing.text(LEFT - 8, y + 16, shortened(name, 22), "text", anchor="end", size=12)
        drawing.rectangle(
            left, y + 5, max(right - left, 1), ROW - 10, style, f"{share:.3f} ± {error:.3f}"
        )
        middle = y + ROW / 2
        drawing.line(
            [(place(share - 2 * error), middle), (place(share + 2 * error), middle)], "axis"
        )
    return drawing
