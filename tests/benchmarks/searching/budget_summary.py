"""What searches with a budget of epochs show: a table, and curves with error bars."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

AT = (3, 5, 10, 20, 30, 60)  # full trainings
SHOWN = (0.2, 0.5, 1.0, 2.0, 5.0)  # percentage points

Searches = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """What one tuner reached on one problem.

    Attributes:
        problem: its name.
        tuner: its name.
        seeds: how many searches.
        regrets: by budget in full trainings: mean regret of the incumbent, were it trained to the
            end, and its standard error.
        exported: the same of the model that would be exported.
    """

    problem: str
    tuner: str
    seeds: int
    regrets: dict[int, tuple[float, float]]
    exported: dict[int, tuple[float, float]]


def summaries(searches: Searches, full: int) -> list[Row]:
    """One for each problem and tuner, in that order.

    Args:
        searches: by `tuner|problem|seed|budget`.
        full: epochs of a full training.
    """
    rows = []
    for (problem, tuner, most), found in _grouped(searches):
        at = [budget for budget in AT if budget <= most]
        limits = [full * budget for budget in at]
        regrets, exported = (
            dict(zip(at, zip(*_mean(found, kind, limits), strict=True), strict=True))
            for kind in ("regrets", "exported")
        )
        rows.append(Row(problem, tuner, len(found), regrets, exported))
    return rows


def table(rows: list[Row]) -> Table:
    """A section a problem; of the incumbents, were they trained to the end."""
    result = Table(title="regret in percentage points after so many full trainings")
    for header in ("problem", "tuner", "seeds", *(str(at) for at in AT)):
        result.add_column(header)
    for number, row in enumerate(rows):
        texts = [
            f"{row.regrets[at][0]:.2f} ± {row.regrets[at][1]:.2f}" if at in row.regrets else "–"
            for at in AT
        ]
        last = number + 1 == len(rows) or rows[number + 1].problem != row.problem
        result.add_row(row.problem, row.tuner, str(row.seeds), *texts, end_section=last)
    return result


def draw(searches: Searches, full: int, path: Path) -> None:
    """Draws the mean regret over the budget, a plot a problem, with standard errors as bars.

    Args:
        searches: by `tuner|problem|seed|budget`.
        full: epochs of a full training.
        path: the PNG.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    groups = list(_grouped(searches))
    problems = sorted({problem for (problem, _, _), _ in groups})
    tuners = sorted({tuner for (_, tuner, _), _ in groups})
    figure, axes = plt.subplots(1, len(problems), figsize=(5 * len(problems), 3.8), squeeze=False)
    for (problem, tuner, most), found in groups:
        axis, color = axes[0][problems.index(problem)], f"C{tuners.index(tuner)}"
        budgets = np.geomspace(min(AT[0], most), most, 60)
        mean, _ = _mean(found, "regrets", list(full * budgets))
        axis.plot(budgets, mean, color=color, label=tuner)
        marks = [budget for budget in AT if budget <= most]
        mean, error = _mean(found, "regrets", [full * budget for budget in marks])
        axis.errorbar(marks, mean, error, fmt="o", ms=3, capsize=3, color=color)
        axis.set(title=problem, xlabel="budget, full trainings", xscale="log", yscale="log")
        axis.set_xticks(marks, [str(mark) for mark in marks])
        axis.set_yticks(SHOWN, [str(mark) for mark in SHOWN])
        axis.minorticks_off()
    axes[0][0].set_ylabel("regret, percentage points")
    axes[0][0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _grouped(searches: Searches) -> Iterator[tuple[tuple[str, str, int], list[Mapping[str, Any]]]]:
    found: dict[tuple[str, str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for key, search in searches.items():
        tuner, problem, _, most = key.split("|")
        found[problem, tuner, int(most)].append(search)
    yield from sorted(found.items(), key=lambda item: item[0])


def _mean(
    found: Sequence[Mapping[str, Any]], kind: str, epochs: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Means over the searches after so many epochs, and their standard errors, 0 of one search."""
    values = np.array([_at(search, kind, epochs) for search in found])
    spread = values.std(axis=0, ddof=1) if len(found) > 1 else np.zeros(len(epochs))
    return values.mean(axis=0).tolist(), (spread / len(found) ** 0.5).tolist()


def _at(search: Mapping[str, Any], kind: str, epochs: Sequence[float]) -> list[float]:
    """The values of the incumbents after so many epochs; the first one's where there was none."""
    places = [max(bisect_right(search["epochs"], limit) - 1, 0) for limit in epochs]
    return [search[kind][place] for place in places]
