"""The plots of a report as SVG files of their own, for other documents."""

from pathlib import Path

from src.files import write_atomically
from src.reporting.analysis import winner
from src.reporting.drawing import Drawing, to_svg
from src.reporting.plots import (
    confusion,
    curves,
    importance,
    parallel,
    progress,
    residuals,
    rungs,
    slices,
    thresholds,
    timeline,
)
from src.reporting.run_data import RunData
from src.reporting.story import Story


def plots(data: RunData, story: Story) -> dict[str, Drawing]:
    """The plots of a run that there is something for, by name."""
    drawings: dict[str, Drawing | None] = {
        "best_by_trial": progress.best_by_trial(data),
        "best_by_epochs": progress.best_by_epochs(data),
        "importance": importance.importance_plot(story.importance),
        "parallel_coordinates": parallel.parallel_coordinates(data, story.ordered),
        "rungs": rungs.funnel(data),
        "timeline": timeline.timeline(data),
    }
    for name, drawing in zip(("objective", "loss"), curves.metric_curves(data), strict=False):
        drawings[f"curves_{name}"] = drawing
    for number, domain in enumerate(story.ordered, 1):
        drawings[f"slice_{number:02d}"] = slices.slice_plot(data, domain)
    if len(data.predictions):
        split = winner.shown_split(data.predictions)
        rows = data.predictions[data.predictions["split"] == split]
        if winner.is_classification(rows):
            found = winner.curves(rows)
            drawings["confusion"] = confusion.confusion_plot(winner.class_report(rows))
            drawings["roc"] = thresholds.roc_plot(found)
            drawings["precision_recall"] = thresholds.pr_plot(found)
        else:
            true, predicted = winner.errors(rows)
            drawings["predicted"] = residuals.predicted_plot(true, predicted)
            drawings["residuals"] = residuals.residual_plot(true, predicted)
    return {name: drawing for name, drawing in drawings.items() if drawing is not None}


def write_pictures(folder: Path, data: RunData, story: Story) -> int:
    """Writes every plot into a folder and returns how many there are.

    Raises:
        DiskError: if one cannot be written.
    """
    drawings = plots(data, story)
    for name, drawing in drawings.items():
        write_atomically(folder / f"{name}.svg", to_svg(drawing, alone=True))
    return len(drawings)
