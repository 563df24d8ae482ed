"""What the searches of the benchmark show: a table, and curves."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from scipy.stats import rankdata

AT = (25, 50, 100)  # trials
LAST = 10  # proposals that a cost is the mean of

Searches = Mapping[str, Mapping[str, Any]]


@dataclass
class Summary:
    """What one contender reached on one problem.

    Attributes:
        problem: its name.
        contender: its name.
        seeds: how many searches.
        regrets: by number of trials: mean regret and its standard error, None of one search.
        rank: mean place among the contenders with the same seed, after all trials; 1 is best. A
            seed that nobody else has does not count.
        repeats: trials of all searches at points that had been tried.
        milliseconds: by number of trials: processor time of a proposal.
    """

    problem: str
    contender: str
    seeds: int
    regrets: dict[int, tuple[float, float | None]]
    repeats: int
    rank: float = 0.0
    milliseconds: dict[int, float] = field(default_factory=dict)


def summaries(searches: Searches) -> list[Summary]:
    """One for each problem and contender, in that order.

    Args:
        searches: by `contender|problem|seed|trials`.
    """
    most = min((_parts(key)[3] for key in searches), default=0)
    grouped: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = defaultdict(dict)
    longer: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for key, search in searches.items():
        contender, problem, seed, trials = _parts(key)
        if trials == most:
            grouped[problem, contender][seed] = search
        else:
            cost = 1000 * statistics.fmean(search["seconds"][-LAST:])
            longer[problem, contender][trials] = cost
    result = []
    for (problem, contender), found in sorted(grouped.items()):
        costs = [s for search in found.values() for s in search["seconds"][-LAST:]]
        summary = Summary(
            problem,
            contender,
            len(found),
            {at: _mean([_at(s["regrets"], at) for s in found.values()]) for at in AT if at <= most},
            sum(search["repeats"] for search in found.values()),
            milliseconds={most: 1000 * statistics.fmean(costs)} | longer[problem, contender],
        )
        ranks = [_ranks(grouped, problem, seed) for seed in found]
        compared = [own[contender] for own in ranks if len(own) > 1]
        summary.rank = statistics.fmean(compared) if compared else 1.0
        result.append(summary)
    return result


def table(rows: list[Summary]) -> Table:
    """A section a problem."""
    result = Table(title="regret, mean ± standard error")
    for header in ("problem", "oracle", "seeds"):
        result.add_column(header)
    for header in (*(f"{at} trials" for at in AT), "rank", "repeats", "CPU ms a proposal"):
        result.add_column(header, justify="right")
    for number, row in enumerate(rows):
        texts = [_text(*row.regrets[at]) if at in row.regrets else "–" for at in AT]
        costs = ", ".join(f"{cost:.0f} at {at}" for at, cost in row.milliseconds.items())
        last = number + 1 == len(rows) or rows[number + 1].problem != row.problem
        result.add_row(
            *(row.problem, row.contender, str(row.seeds), *texts),
            *(f"{row.rank:.2f}", str(row.repeats), costs),
            end_section=last,
        )
    for contender in sorted({row.contender for row in rows}):
        own = [row for row in rows if row.contender == contender]
        rank = statistics.fmean(row.rank for row in own)
        name = f"{len(own)} problems" if len(own) > 1 else own[0].problem
        repeats = str(sum(row.repeats for row in own))
        result.add_row(name, contender, "", "", "", "", f"{rank:.2f}", repeats, "")
    return result


def draw(searches: Searches, path: Path) -> None:
    """Draws the mean regret after each trial, a plot a problem, with its standard error."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    most = min(_parts(key)[3] for key in searches)
    curves: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for key, search in sorted(searches.items()):
        contender, problem, _, trials = _parts(key)
        if trials == most:
            own = [_at(search["regrets"], at) for at in range(1, most + 1)]
            curves[problem][contender].append(own)
    names = sorted({name for found in curves.values() for name in found})
    figure, axes = plt.subplots(1, len(curves), figsize=(3.2 * len(curves), 3), squeeze=False)
    for axis, (problem, found) in zip(axes[0], sorted(curves.items()), strict=True):
        for name, rows in found.items():
            mean = np.mean(rows, axis=0)
            error = np.std(rows, axis=0, ddof=1) / len(rows) ** 0.5 if len(rows) > 1 else 0 * mean
            trials_done, color = np.arange(1, most + 1), f"C{names.index(name)}"
            axis.plot(trials_done, mean, label=name, color=color)
            axis.fill_between(trials_done, mean - error, mean + error, color=color, alpha=0.2)
        axis.set(title=problem, xlabel="trials", yscale="log")
    axes[0][0].set_ylabel("regret")
    axes[0][0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _parts(key: str) -> tuple[str, str, int, int]:
    contender, problem, seed, trials = key.split("|")
    return contender, problem, int(seed), int(trials)


def _ranks(
    grouped: Mapping[tuple[str, str], Mapping[int, Mapping[str, Any]]], problem: str, seed: int
) -> dict[str, float]:
    last = {
        contender: found[seed]["regrets"][-1]
        for (other, contender), found in grouped.items()
        if other == problem and seed in found
    }
    return dict(zip(last, rankdata(list(last.values())).tolist(), strict=True))


def _at(regrets: list[float], trials: int) -> float:
    """The regret after so many trials; a search that ended earlier keeps its last."""
    return regrets[min(trials, len(regrets)) - 1]


def _mean(values: list[float]) -> tuple[float, float | None]:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
    return statistics.fmean(values), error


def _text(mean: float, error: float | None) -> str:
    return f"{mean:.4g}" if error is None else f"{mean:.4g} ± {error:.2g}"
