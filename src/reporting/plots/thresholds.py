"""ROC and precision-recall curves of the winner."""

from collections.abc import Sequence

from src.reporting.analysis.winner import Array, Curves
from src.reporting.drawing import Drawing, Frame, Scale
from src.reporting.drawing.axes import thinned
from src.reporting.text import number, shortened

SIZE = 460, 330
LINES = ("line1", "line2", "line3", "line4")
MOST_POINTS = 200


def roc_plot(found: Sequence[Curves]) -> Drawing | None:
    """True against false positive rate; the guide is chance."""
    if not found:
        return None
    frame = _frame("ROC curve", "false positive rate", "true positive rate")
    frame.drawing.line([frame.point(0, 0), frame.point(1, 1)], "guide")
    _lines(frame, [(c.name, c.false_positive, c.true_positive, c.auc) for c in found], "AUC")
    return frame.drawing


def pr_plot(found: Sequence[Curves]) -> Drawing | None:
    """Precision against recall; of one class, the guide is chance."""
    if not found:
        return None
    frame = _frame("precision-recall curve", "recall", "precision")
    if len(found) == 1:
        share = found[0].share
        frame.drawing.line([frame.point(0, share), frame.point(1, share)], "guide")
    lines = [(c.name, c.true_positive, c.precision, c.average_precision) for c in found]
    _lines(frame, lines, "AP")
    return frame.drawing


def _frame(title: str, x: str, y: str) -> Frame:
    drawing = Drawing(*SIZE, title)
    scale = Scale(-0.01, 1.02, marks=(0.0, 0.25, 0.5, 0.75, 1.0))
    frame = Frame(drawing, 56, 26, SIZE[0] - 72, SIZE[1] - 72, scale, scale)
    frame.axes(x, y)
    return frame


def _lines(frame: Frame, lines: Sequence[tuple[str, Array, Array, float]], word: str) -> None:
    """The hardest classes in colours with a legend, the others faded."""
    worst_first = sorted(lines, key=lambda line: line[3])
    for name, xs, ys, _ in reversed(worst_first[len(LINES) :]):
        _draw(frame, xs, ys, "faded", name)
    for index, (name, xs, ys, area) in enumerate(worst_first[: len(LINES)]):
        _draw(frame, xs, ys, LINES[index], name)
        x, y = frame.point(0.38, 0.34 - 0.08 * index)
        frame.drawing.line([(x - 26, y - 4), (x - 6, y - 4)], LINES[index])
        label = f"{shortened(name, 18)}: {word} {number(area)}"
        frame.drawing.text(x, y, label, "text", size=12)


def _draw(frame: Frame, xs: Array, ys: Array, style: str, name: str) -> None:
    points = thinned(xs.tolist(), ys.tolist(), MOST_POINTS)
    frame.drawing.line([frame.point(x, y) for x, y in points], style, name)
