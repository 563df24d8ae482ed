"""Several runs side by side."""

from collections.abc import Sequence

import pandas as pd
from rich.table import Table
from rich.text import Text

from src.config.objectives import judged_metric
from src.reporting.domains import shown
from src.reporting.page.document import document
from src.reporting.page.html import Node, element, sentence, table
from src.reporting.page.sections import STATES, figures, findings
from src.reporting.plots.comparison import best_by
from src.reporting.plots.progress import in_order
from src.reporting.rules.compared import compared
from src.reporting.run_data import RunData
from src.reporting.story import Story
from src.reporting.text import duration, number, printable, setting

Row = tuple[str, ...]


def comparison_page(runs: Sequence[RunData], stories: Sequence[Story]) -> str:
    """Returns the comparison as HTML; the runs in the order given."""
    names = [run.run.name for run in runs]
    body: list[Node] = [findings(compared(runs, [story.noise for story in stories]))]
    body.append(table(("", *names), facts(runs), css="plain"))
    if len({(run.objective, run.direction) for run in runs}) == 1:
        body.append(element("h2", "Best score"))
        plots = [
            best_by(runs, over)
            for over in ("trials ended", "epochs trained", "seconds of training")
        ]
        body.append(figures([(plot, "") for plot in plots]))
    body.append(element("h2", "Winners' hyperparameters"))
    differing, same = _winners(runs)
    body.append(table(("", *names), differing, css="plain"))
    if same:
        text = ", ".join(f"`{name}={value}`" for name, value in same.items())
        body.append(element("p", sentence(f"The same in all: {text}"), css="muted"))
    mattered = [
        (run.run.name, " ".join(f.text.replace("`", "") for f in story.mattered))
        for run, story in zip(runs, stories, strict=True)
    ]
    body += [element("h2", "What mattered"), table(("run", ""), mattered, css="text plain")]
    settings = _differing(runs)
    if settings:
        body += [element("h2", "Settings that differ"), table(("", *names), settings, css="plain")]
    return document(f"{len(runs)} runs", ", ".join(names), body)


def comparison_table(runs: Sequence[RunData]) -> Table:
    """The main facts for the terminal, a row a run."""
    result = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    result.add_column("run", overflow="fold")
    for name in ("objective", "best", "test", "trials", "training", "tuner"):
        result.add_column(name, justify="right")
    for run in runs:
        test = run.metrics.get("test", {}).get(judged_metric(run.objective))
        cells = (
            *(run.run.name, run.objective, _score(run), number(test), _trials(run)),
            *(_training(run), str(run.settings.get("tuner.name", "–"))),
        )
        result.add_row(*(Text(printable(cell)) for cell in cells))
    return result


def facts(runs: Sequence[RunData]) -> list[Row]:
    """Rows of a name and a text for each run."""
    rows: list[Row] = [
        ("best score", *(_score(run) for run in runs)),
        ("objective", *(f"{run.objective} ({run.direction})" for run in runs)),
    ]
    tests = dict.fromkeys(name for run in runs for name in run.metrics.get("test", {}))
    for name in list(tests)[:6]:
        rows.append(
            (f"test {name}", *(number(run.metrics.get("test", {}).get(name)) for run in runs))
        )
    rows += [
        ("completed trials", *(_trials(run) for run in runs)),
        ("epochs trained", *(f"{int(in_order(run)['cost'].sum()):,}" for run in runs)),
        ("training", *(_training(run) for run in runs)),
        ("tuner", *(str(run.settings.get("tuner.name", "–")) for run in runs)),
        ("data", *(str(run.settings.get("data.source", "–")) for run in runs)),
        ("state", *(STATES.get(run.state, run.state) for run in runs)),
    ]
    return rows


def _trials(run: RunData) -> str:
    return f"{len(run.completed)} of {len(run.trials)}"


def _training(run: RunData) -> str:
    return duration(float(run.trials["seconds"].sum()))


def _score(run: RunData) -> str:
    if run.best is None:
        return "–"
    spread = run.best["score_error"]
    plus = "" if pd.isna(spread) else f" ± {number(float(spread), 2)}"
    return number(float(run.best["score"])) + plus


def _winners(runs: Sequence[RunData]) -> tuple[list[Row], dict[str, str]]:
    """Rows of the hyperparameters that differ, and those that are the same in all, with values."""
    names = dict.fromkeys(domain.name for run in runs for domain in run.space)
    rows: list[Row] = [
        ("trial", *("–" if r.best is None else str(r.best["trial_id"]) for r in runs))
    ]
    same: dict[str, str] = {}
    for name in names:
        cells = tuple(
            "–" if run.best is None or name not in run.best else shown(name, run.best[name]) or "–"
            for run in runs
        )
        if len(set(cells)) > 1:
            rows.append((name, *cells))
        elif cells[0] != "–":
            same[name] = cells[0]
    return rows, same


def _differing(runs: Sequence[RunData]) -> list[Row]:
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    rows = []
    for key in keys:
        cells = tuple(setting(run.settings[key]) if key in run.settings else "–" for run in runs)
        if len(set(cells)) > 1 and key != "run.name":
            rows.append((key, *cells))
    return rows
