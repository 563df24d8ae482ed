"""The confusion matrix: true classes down, predicted ones across."""

from src.reporting.analysis.winner import ClassReport
from src.reporting.drawing import Drawing
from src.reporting.text import shortened

SIZE, LEFT, TOP = 460, 92, 62
MOST = 30  # classes


def confusion_plot(report: ClassReport) -> Drawing | None:
    """Cells shaded by their share of the true class, right ones blue and wrong ones red."""
    n = len(report.classes)
    if not 2 <= n <= MOST:
        return None
    cell = (SIZE - LEFT - 8) / n
    drawing = Drawing(SIZE, TOP + cell * n + 12, "confusion matrix")
    drawing.text(LEFT + cell * n / 2, 16, "predicted", anchor="middle")
    drawing.text(14, TOP + cell * n / 2, "true", anchor="middle", upright=True)
    totals = report.confusion.sum(axis=1)
    size = min(13.0, cell * 0.42)
    letters = max(2, int(cell / 6.2))
    for i, name in enumerate(report.classes):
        drawing.text(LEFT - 6, TOP + cell * (i + 0.5) + 4, shortened(name, 10), "text", "end", 11)
        middle = LEFT + cell * (i + 0.5)
        drawing.text(middle, TOP - 8, shortened(name, letters), "text", "middle", 11)
        for j in range(n):
            number = int(report.confusion[i, j])
            share = number / totals[i] if totals[i] else 0.0
            style = "cell" if i == j else "wrong_cell"
            x, y = LEFT + cell * j, TOP + cell * i
            title = f"true {name}, predicted {report.classes[j]}: {number} of {totals[i]}"
            drawing.rectangle(x, y, cell - 1, cell - 1, "weak_bar", opacity=0.12)
            if number:
                strength = 0.06 + 0.5 * share if i == j else 0.15 + 0.6 * share
                drawing.rectangle(x, y, cell - 1, cell - 1, style, title, opacity=strength)
                if cell >= 14:
                    drawing.text(
                        x + cell / 2, y + cell / 2 + size / 3, str(number), "text", "middle", size
                    )
    return drawing
