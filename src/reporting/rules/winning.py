"""What won, and what tuning bought: against the median trial, and against untuned models."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from src.reporting.rules.finding import Finding, listed
from src.reporting.text import number

MOST_VALUES = 6


def what_won(completed: pd.DataFrame, values: Mapping[str, str], direction: str) -> list[Finding]:
    """The best trial, its most important values, and its lead over the median trial.

    Args:
        completed: the trials, best first.
        values: of the best one's hyperparameters that were searched, the most important first.
        direction: `max` or `min`.
    """
    if not len(completed):
        return []
    best = completed.iloc[0]
    text = f"Trial `{best['trial_id']}`"
    if values:
        text += f" with {listed([f'{name}={v}' for name, v in values.items()], most=MOST_VALUES)}"
    lead = float(best["score"]) - float(completed["score"].median())
    lead *= 1.0 if direction == "max" else -1.0
    if len(completed) > 2:
        text += f"; its score is {number(lead, 2)} better than the median trial's"
    return [Finding("note", f"{text}.")]


def what_tuning_bought(
    metric: str,
    direction: str,
    winner: float | None,
    untuned: Sequence[tuple[str, float | None]],
    error: float | None,
) -> list[Finding]:
    """How far the winner is ahead of the best model that was not tuned, on the same rows.

    Args:
        metric: its name, and on which rows.
        direction: `max` or `min`.
        winner: its value.
        untuned: names of models and their values.
        error: the standard error of a value; None where it is not known.
    """
    sign = 1.0 if direction == "max" else -1.0
    known = [(name, value) for name, value in untuned if value is not None]
    if winner is None or not known:
        return []
    name, value = max(known, key=lambda pair: sign * pair[1])
    ahead = sign * (winner - value)
    least = 0.0 if error is None else 2 * math.sqrt(2) * error
    if ahead <= 0:
        return [
            Finding(
                "warning",
                f"Untuned, {name} reaches {number(value)} in {metric}, the winner "
                f"{number(winner)}: tuning this model bought nothing.",
            )
        ]
    text = f"In {metric} it is {number(ahead, 2)} better than {name}, which is not tuned"
    if ahead <= least:
        return [Finding("note", f"{text}: no more than chance may make ({number(least, 2)}).")]
    return [Finding("good", f"{text} ({number(winner)} against {number(value)}).")]
