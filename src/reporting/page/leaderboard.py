"""The best trials as rows of texts, for the page and the terminal alike."""

import math
from dataclasses import dataclass

import pandas as pd
from rich.table import Table
from rich.text import Text

from src.config.objectives import judged_metric
from src.reporting.domains import Domain, brief, shown
from src.reporting.run_data import RunData
from src.reporting.text import STOPPED, number, printable

MOST = 10


@dataclass(frozen=True)
class Leaderboard:
    """A header, and a row a trial, best first."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def leaderboard(data: RunData, domains: tuple[Domain, ...], most: int = MOST) -> Leaderboard:
    """The best trials: score with ± where there are repeats, distance to the best, what varied.

    Below them stand the baselines, which were not tuned.

    Args:
        data: the run.
        domains: the columns of hyperparameters, in order.
        most: rows.
    """
    trials = data.completed.head(most)
    spread = bool(trials["score_error"].notna().any())
    sized = bool(trials["parameters"].notna().any())
    varying = [d for d in domains if len({shown(d.name, v) for v in trials[d.name]}) > 1]
    header = ["trial", data.objective, "to best", "epoch", "seconds"]
    again = bool(trials["reevaluated"].notna().any())
    header += ["in the search"] if again else []
    header += (["parameters"] if sized else []) + [domain.name for domain in varying]
    rows = []
    for _, trial in trials.iterrows():
        cells = [str(trial["trial_id"]), _score(trial, spread=spread), distance(data, trial)]
        stopped = STOPPED.get(trial["stopped_by"], "")
        cells += [f"{_whole(trial['best_epoch'])}/{_whole(trial['epochs'])} {stopped}".rstrip()]
        cells += [number(float(trial["seconds"]), 3)]
        cells += [number(float(trial["search_score"]), 5)] if again else []
        cells += [_whole(trial["parameters"])] if sized else []
        cells += [brief(domain, trial[domain.name]) or "–" for domain in varying]
        rows.append(tuple(printable(cell) for cell in cells))
    for baseline in data.baselines:
        score = baseline.validation.get(judged_metric(data.objective))
        if score is not None and data.best is not None:
            behind = number(data.sign * (score - float(data.best["score"])), 2).replace("-", "−")
            cells = [baseline.name, number(score, 5), behind]
            cells += [""] * (len(header) - len(cells))
            rows.append(tuple(printable(cell) for cell in cells))
    return Leaderboard(tuple(printable(name) for name in header), tuple(rows))


def terminal_table(board: Leaderboard, width: int) -> Table:
    """The leaderboard for a terminal, with as many columns as fit."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    used = 2
    for index, name in enumerate(board.header):
        need = max([len(name), *(len(row[index]) for row in board.rows)]) + 2
        if used + need > width and index > 2:
            break
        used += need
        table.add_column(Text(name), justify="left" if index == 0 else "right", no_wrap=True)
    for row in board.rows:
        table.add_row(*(Text(cell) for cell in row[: len(table.columns)]))
    return table


def distance(data: RunData, trial: "pd.Series") -> str:
    """How far a trial's score is behind the best."""
    if data.best is None:
        return ""
    behind = data.sign * (float(trial["score"]) - float(data.best["score"]))
    return (
        "best"
        if trial["trial_id"] == data.best["trial_id"]
        else number(behind, 2).replace("-", "−")
    )


def _score(trial: "pd.Series", *, spread: bool) -> str:
    score = number(float(trial["score"]), 5)
    if not spread or math.isnan(float(trial["score_error"])):
        return score
    return f"{score} ± {number(float(trial['score_error']), 2)}"


def _whole(value: object) -> str:
    return "–" if value is None or value is pd.NA else f"{int(value):,}"  # type: ignore[call-overload]
