"""Whether the winner is real: the noise of scores, the test rows, the simplest guess."""

import math

import numpy as np
import pandas as pd

from src.reporting.analysis.noise import Noise
from src.reporting.analysis.winner import errors
from src.reporting.rules.finding import Finding, listed
from src.reporting.text import count, number


def top_differs(completed: pd.DataFrame, noise: Noise | None, direction: str) -> list[Finding]:
    """Whether the best trial is better than the next by more than noise.

    Args:
        completed: the trials, best first.
        noise: of a score; None where it is not known.
        direction: `max` or `min`.
    """
    if len(completed) < 2:
        return []
    if noise is None:
        return [
            Finding(
                "note",
                "How far scores are off by chance is not known: `tuner.executions_per_trial=3` "
                "measures it.",
            )
        ]
    sign = 1.0 if direction == "max" else -1.0
    behind = sign * (float(completed["score"].iloc[0]) - completed["score"].astype(float))
    close = int((behind <= noise.difference).sum()) - 1
    limit = f"{number(noise.difference, 2)}, {noise.source}"
    if close == 0:
        text = (
            f"The best trial is ahead of the next by {number(float(behind.iloc[1]), 2)}, more than "
            f"chance makes of two equal ones ({limit})."
        )
        return [Finding("good", text)]
    names = listed(completed["trial_id"].iloc[1 : close + 1].astype(str).tolist(), most=4)
    others = f"{count(close, 'other trial')} ({names})"
    be = "is" if close == 1 else "are"
    text = (
        f"{others} {be} within chance of the best (differences below {limit}): their order says "
        "little. "
    )
    text += _smallest(completed.head(close + 1))
    return [Finding("note", text)]


def _smallest(tied: pd.DataFrame) -> str:
    if "parameters" not in tied.columns or tied["parameters"].isna().any():
        return "Choose among them by size or speed."
    sizes = tied["parameters"].astype(float)
    least = tied.iloc[int(sizes.to_numpy().argmin())]
    if sizes.min() > 0.7 * sizes.iloc[0]:
        return "The best is about as small as any of them."
    return (
        f"Trial `{least['trial_id']}` is the smallest, with {int(sizes.min()):,} parameters "
        f"against {int(sizes.iloc[0]):,}."
    )


def test_agrees(
    validation: float | None, test: float | None, name: str, rows: tuple[int, int], direction: str
) -> list[Finding]:
    """Whether an accuracy on the test rows is what validation promised.

    Args:
        validation: the winner's accuracy on validation rows.
        test: the same on test rows.
        name: of the metric.
        rows: how many validation and test rows there are.
        direction: `max` or `min`.
    """
    if validation is None or test is None or min(rows) < 1:
        return []
    worse = validation - test if direction == "max" else test - validation
    if name == "accuracy":
        error = math.sqrt(
            sum(p * (1 - p) / n for p, n in zip((validation, test), rows, strict=True))
        )
        within = f" ± {number(2 * math.sqrt(max(test * (1 - test), 1e-4) / rows[1]), 2)}"
        significant = worse > 2 * max(error, 0.5 / min(rows))
    else:
        within = ""
        significant = worse > 0.15 * max(abs(validation), 1e-12)
    here = f"On the {rows[1]:,} test rows, used once, {name} is {number(test)}{within}"
    if significant:
        return [
            Finding(
                "warning",
                f"{here}, clearly worse than {number(validation)} in validation: the best of many "
                "trials is partly lucky. Believe the test.",
            )
        ]
    return [Finding("good", f"{here}, which agrees with {number(validation)} in validation.")]


def beats_guessing(rows: pd.DataFrame) -> list[Finding]:
    """Whether the winner is better than always giving the most frequent class, or the mean.

    Args:
        rows: of predictions.csv, of one split.
    """
    if len(rows) < 10:
        return []
    if any(str(name).startswith("probability_") for name in rows.columns):
        share = float(rows["target"].astype(str).value_counts(normalize=True).iloc[0])
        right = float((rows["target"].astype(str) == rows["prediction"].astype(str)).mean())
        error = math.sqrt(share * (1 - share) / len(rows))
        if right <= share + 2 * error:
            text = (
                f"The winner is right in {right:.1%} of the rows, and always giving the most "
                f"frequent class in {share:.1%}: it has learned little or nothing."
            )
            return [Finding("warning", text)]
        return []
    target, predicted = errors(rows)
    variance = float(np.var(target)) if len(target) else 0.0
    if variance > 0 and float(np.mean((predicted - target) ** 2)) >= 0.95 * variance:
        text = "The winner is hardly better than always giving the mean: it has learned little."
        return [Finding("warning", text)]
    return []
