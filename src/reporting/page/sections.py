"""The sections of a run's report, in the order in which a reader asks."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from src.config.objectives import judged_metric
from src.reporting.analysis import winner
from src.reporting.domains import shown
from src.reporting.drawing import Drawing, to_svg
from src.reporting.page.html import Markup, element, joined, sentence, table
from src.reporting.page.leaderboard import leaderboard
from src.reporting.plots import (
    confusion,
    curves,
    importance,
    parallel,
    pareto,
    progress,
    residuals,
    rungs,
    slices,
    thresholds,
    timeline,
)
from src.reporting.rules.finding import Finding
from src.reporting.run_data import RunData
from src.reporting.story import Story
from src.reporting.text import count, duration, number, setting, shortened

STATES = {
    "running": "still running",
    "finished": "finished",
    "failing": "ended early",
    "interrupted": "interrupted",
    "killed": "not finished",
}
MOST_SLICES = 16
MOST_FAILURES = 20
MOST_CLASSES = 100
MOST_OF_FRONT = 20
PRINTED_COLUMNS = 11  # of the leaderboard, as style.py says


def overview(data: RunData, story: Story) -> Markup:
    """What was tuned, what won, by how much, is it real, what mattered, what next."""
    parts: list[Markup] = [element("p", sentence(what_was_tuned(data)))]
    if data.notices:
        notices = [Finding("warning", notice) for notice in data.notices]
        parts.append(findings(notices))
    parts.append(_cards(data))
    for title, group in (
        ("What won, and by how much?", list(story.won)),
        ("Is it real?", _warnings_first(story.real)),
        ("What mattered?", _warnings_first(story.mattered)),
        ("How did it train?", _warnings_first(story.trained)),
        ("What next?", _warnings_first(story.onward)),
    ):
        if group or title == "What next?":
            parts.append(element("h3", title))
            parts.append(findings(group))
    parts.append(element("p", f"To {story.purpose}:"))
    parts.append(element("pre", story.command))
    return joined(parts)


def _warnings_first(found: Iterable[Finding]) -> list[Finding]:
    order = {"warning": 0, "good": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.kind])


def what_was_tuned(data: RunData) -> str:
    """A sentence or two on model, data, tuner and objective."""
    settings, facts = data.settings, data.recorded.get("data", {})
    facts = facts if isinstance(facts, dict) else {}
    model = settings.get("hypermodel.name", "a model")
    source = facts.get("name") or settings.get("data.source", "unknown data")
    details = []
    if facts.get("task"):
        classes = facts.get("classes") or []
        details.append(f"{facts['task']}{f', {len(classes)} classes' if classes else ''}")
    rows = facts.get("rows")
    if isinstance(rows, dict):
        details.append(
            " + ".join(f"{_thousands(n)} {split}" for split, n in rows.items()) + " rows"
        )
    about = f" ({'; '.join(details)})" if details else ""
    tuner = settings.get("tuner.name", "unknown")
    searched = count(sum(domain.searched for domain in data.space), "hyperparameter")
    better = "larger" if data.direction == "max" else "smaller"
    text = (
        f"Hyperparameters of `{model}` on `{source}`{about}, with the `{tuner}` tuner, "
        f"{searched} searched. The score is the best epoch's `{data.objective}`, {better} is "
        "better."
    )
    repeats = (settings.get("tuner.executions_per_trial") or 1, settings.get("tuner.folds") or 1)
    if repeats != (1, 1):
        folds = f" × {repeats[1]} folds" if repeats[1] != 1 else ""
        text += f" Each score is the mean of {count(repeats[0], 'execution')}{folds}."
    return text


def _cards(data: RunData) -> Markup:
    best = data.best
    cards = []
    name = judged_metric(data.objective)
    if best is not None:
        spread = best["score_error"]
        plus = "" if pd.isna(spread) else f" ± {number(float(spread), 2)}"
        cards.append(
            (
                f"{number(float(best['score']))}{plus}",
                f"best {data.objective}, trial {best['trial_id']}",
            )
        )
        test = data.metrics.get("test", {}).get(name)
        if test is not None:
            judged = f"trial {data.winner}" if data.exports_another else "the winner"
            cards.append((number(test), f"test {name} of {judged}"))
        if len(data.completed) > 1:
            second = data.completed.iloc[1]
            lead = abs(float(best["score"]) - float(second["score"]))
            behind = f"trial {second['trial_id']}"
            cards.append(
                (number(lead, 2), f"ahead of {behind}") if lead else ("tied", f"with {behind}")
            )
    failed = f", {len(data.failed)} failed" if len(data.failed) else ""
    cards.append((str(len(data.trials)), f"trials{failed}; {STATES.get(data.state, data.state)}"))
    seconds = data.trials["seconds"].sum()
    epochs = progress.in_order(data)["cost"].sum() if len(data.trials) else 0
    cards.append((duration(float(seconds)), f"of training, {int(epochs):,} epochs"))
    return element(
        "div",
        [
            element("div", element("b", value), element("span", label), css="card")
            for value, label in cards
        ],
        css="cards",
    )


def findings(found: Iterable[Finding]) -> Markup:
    """A list of sentences."""
    return element(
        "ul", [element("li", sentence(f.text), css=f.kind) for f in found], css="findings"
    )


def trials_section(data: RunData, story: Story) -> Markup:
    """The leaderboard."""
    if not len(data.completed):
        return element("p", "No trial has completed.", css="muted")
    board = leaderboard(data, story.ordered)
    found = table(board.header, board.rows, css="many" if len(board.header) > 9 else "")
    if len(board.header) <= PRINTED_COLUMNS:
        return found
    left = ", ".join(board.header[PRINTED_COLUMNS:])
    note = element("p", f"Not on paper, but in trials.csv: {left}.", css="muted paper")
    return joined([found, note])


def tradeoffs_section(data: RunData) -> Markup:
    """The trials that no other one beats in all that counts."""
    on_front = pareto.is_on_front(data) if data.secondary else []
    front = data.completed[np.array(on_front, dtype=bool)] if any(on_front) else None
    if front is None:
        return Markup("")
    names = ["score", *data.secondary]
    rows = [
        (str(trial["trial_id"]), *(_finite(trial[name]) for name in names))
        for _, trial in front.head(MOST_OF_FRONT).iterrows()
    ]
    rest = len(front) - MOST_OF_FRONT
    more = f" {rest} more stand in trials.csv." if rest > 0 else ""
    text = "No other trial is as good as these in everything that counts, and better in something."
    drawings = [(pareto.pareto_plot(data, name), "") for name in data.secondary]
    return joined(
        [
            figures(drawings),
            element("p", text + more, css="muted"),
            table(("trial", data.objective, *data.secondary), rows, css="plain"),
        ]
    )


def _finite(value: object) -> str:
    known = pd.to_numeric(pd.Series([value]), errors="coerce").astype(float).iloc[0]
    return "–" if pd.isna(known) else number(float(known), 5)


def progress_section(data: RunData) -> Markup:
    """The best score over trials and epochs."""
    return figures(
        [
            (
                progress.best_by_trial(data),
                "Each trial as a dot, failed ones as crosses; the line is the best so far.",
            ),
            (
                progress.best_by_epochs(data),
                "The same over all epochs that were trained, repeats included.",
            ),
        ]
    )


def curves_section(data: RunData) -> Markup:
    """Learning curves."""
    drawings = curves.metric_curves(data) + curves.control_curves(data)
    if not drawings:
        return Markup("")
    return joined(
        [
            figures([(drawing, "") for drawing in drawings]),
            element(
                "p",
                "Orange is the best trial, the dot its best epoch; grey are the others, "
                "repeats and folds averaged.",
                css="muted",
            ),
        ]
    )


def space_section(data: RunData, story: Story) -> Markup:
    """Importance, slices, parallel coordinates."""
    parts: list[Markup] = []
    picture = importance.importance_plot(story.importance)
    if picture is not None:
        quality = story.importance.r2 or 0.0
        caption = (
            f"From {story.importance.trials} trials, ± two standard errors. The forest's R² on "
            f"trials that it has not seen is {quality:.2f}"
        )
        caption += "." if story.importance.trusted else ": too little to believe these bars."
        parts.append(figures([(picture, caption)]))
    plotted = [slices.slice_plot(data, domain) for domain in story.ordered[:MOST_SLICES]]
    shown_slices = [drawing for drawing in plotted if drawing is not None]
    if shown_slices:
        parts.append(element("h3", f"{data.objective} against each hyperparameter"))
        parts.append(element("div", [_figure(d) for d in shown_slices], css="slices"))
        parts.append(
            element(
                "p",
                "A dot a trial, orange the best; crosses failed; bars are medians of choices. "
                "What is beyond the axis lies on it.",
                css="muted",
            )
        )
    lines = parallel.parallel_coordinates(data, story.ordered)
    if lines is not None:
        parts.append(element("h3", "Parallel coordinates"))
        parts.append(element("div", Markup(to_svg(lines)), css="wide"))
        parts.append(element("p", "Orange is the best trial, blue the best fifth.", css="muted"))
    return joined(parts)


def time_section(data: RunData) -> Markup:
    """Where the time went, what failed, Hyperband's funnel."""
    parts: list[Markup] = []
    funnel = rungs.funnel(data)
    if funnel is not None:
        parts += [
            element("h3", "Hyperband's rungs"),
            element("div", Markup(to_svg(funnel)), css="wide"),
        ]
    lanes = timeline.timeline(data)
    if lanes is not None:
        parts += [
            element("h3", "Trials by worker"),
            element("div", Markup(to_svg(lanes)), css="wide"),
        ]
        caption = (
            "Blue completed, orange the best, red failed. Long pauses between sessions are cut."
        )
        parts.append(element("p", caption, css="muted"))
    if len(data.failed):
        parts.append(element("h3", "Failed trials"))
        rows = [
            (str(trial["trial_id"]), str(trial["reason"]), duration(float(trial["seconds"])))
            for _, trial in data.failed.head(MOST_FAILURES).iterrows()
        ]
        parts.append(table(("trial", "reason", "time"), rows, css="text plain"))
        rest = len(data.failed) - MOST_FAILURES
        if rest > 0:
            parts.append(element("p", f"and {rest} more in trials.csv", css="muted"))
    return joined(parts)


def winner_section(data: RunData) -> Markup:
    """The winner's hyperparameters, metrics and predictions."""
    best = data.best
    if best is None:
        return Markup("")
    parts: list[Markup] = []
    names = [d.name for d in data.space if d.name in best.index and shown(d.name, best[d.name])]
    cells = [(name, shown(name, best[name])) for name in names]
    if cells:
        parts.append(element("h3", f"Hyperparameters of trial {best['trial_id']}"))
        text = ", ".join(f"`{name}={value}`" for name, value in cells)
        parts.append(element("p", sentence(text)))
    if data.metrics:
        parts += [element("h3", "Metrics"), _metrics_table(data)]
    if data.exports_another and data.metrics:
        note = f"best/ holds trial {data.winner}, which was the best when it was exported."
        parts.append(element("p", note, css="muted"))
    if len(data.predictions):
        parts.append(_predictions(data.predictions))
    return joined(parts)


def _metrics_table(data: RunData) -> Markup:
    """On validation and test rows, with the test's interval, and what untuned models reach."""
    splits = [split for split in ("validation", "test") if data.metrics.get(split)]
    names = dict.fromkeys(name for split in splits for name in data.metrics[split])
    header = ["", *splits, *(["test, 95 %"] if data.intervals else [])]
    header += [baseline.name for baseline in data.baselines]
    rows = []
    for name in names:
        cells = [number(data.metrics[split].get(name), 5) for split in splits]
        if data.intervals:
            ends = data.intervals.get(name)
            cells.append("–" if ends is None else f"{number(ends[0], 4)} … {number(ends[1], 4)}")
        cells += [
            number((baseline.test or baseline.validation).get(name), 5)
            for baseline in data.baselines
        ]
        rows.append((name, *cells))
    return table(tuple(header), rows, css="plain")


def _predictions(predictions: pd.DataFrame) -> Markup:
    split = winner.shown_split(predictions)
    rows = predictions[predictions["split"] == split]
    parts = [element("h3", f"Predictions on the {split} rows ({len(rows):,})")]
    if not winner.is_classification(predictions):
        true, predicted = winner.errors(rows)
        drawings = [
            (residuals.predicted_plot(true, predicted), "On the line where they are right."),
            (residuals.residual_plot(true, predicted), "The outermost bars hold all rows beyond."),
        ]
        return joined([*parts, figures(drawings)])
    report = winner.class_report(rows)
    found = winner.curves(rows)
    cells = [
        (
            shortened(str(row["class"]), 40),
            *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")),
            str(row["rows"]),
        )
        for _, row in report.table.head(MOST_CLASSES).iterrows()
    ]
    by_class = table(("class", "precision", "recall", "f1", "rows"), cells, css="plain")
    drawings = [
        (confusion.confusion_plot(report), "Shaded by the share of the true class."),
        (thresholds.roc_plot(found), _curve_caption(found)),
        (thresholds.pr_plot(found), _curve_caption(found)),
    ]
    shown_plots = [_figure(drawing, text) for drawing, text in drawings if drawing is not None]
    return joined([*parts, element("div", [*shown_plots, by_class], css="plots")])


def _curve_caption(found: Sequence[winner.Curves]) -> str:
    if len(found) == 1:
        return f"Class {shortened(found[0].name, 30)} against the other; dashed is chance."
    return "Each class against the rest; the hardest in colour." if found else ""


def settings_section(data: RunData) -> Markup:
    """The space, and everything else that repeats the run."""
    parts: list[Markup] = []
    if data.space:
        rows = [
            (
                domain.name,
                domain.describe(),
                "; ".join(
                    f"{name}: {', '.join(shown(name, v) for v in values)}"
                    for name, values in domain.conditions
                ),
            )
            for domain in data.space
        ]
        parts.append(element("h3", "Search space"))
        parts.append(table(("hyperparameter", "values", "only if"), rows, css="text plain"))
    versions = data.recorded.get("versions")
    if isinstance(versions, dict):
        text = ", ".join(f"{name} {version}" for name, version in versions.items())
        parts.append(element("p", text, css="muted"))
    if not data.settings:
        return joined(parts)
    rows_of_settings = [
        (key, setting(value))
        for key, value in data.settings.items()
        if not key.startswith("space.")
    ]
    settings = table(("setting", "value"), rows_of_settings, css="text plain")
    return joined([*parts, element("details", element("summary", "All settings"), settings)])


def figures(drawings: Iterable[tuple[Drawing | None, str]]) -> Markup:
    """Drawings with their captions side by side; those that are None are left out."""
    found = [_figure(drawing, caption) for drawing, caption in drawings if drawing is not None]
    return element("div", found, css="plots") if found else Markup("")


def _figure(drawing: Drawing, caption: str = "") -> Markup:
    text = [element("figcaption", caption)] if caption else []
    return element("figure", Markup(to_svg(drawing)), text)


def _thousands(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
