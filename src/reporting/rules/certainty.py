"""Whether the winner is real: the noise of scores, the test rows, the simplest guess."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.reporting.analysis.noise import Noise
from src.reporting.analysis.winner import errors
from src.reporting.rules.finding import Finding, listed
from src.reporting.text import count, number


@dataclass(frozen=True)
class Judged:
    """A metric of the winner on the rows that it was chosen by and on those that it never saw.

    Attributes:
        name: of the metric.
        direction: `max` or `min`.
        validation: on validation rows.
        test: on test rows.
        test_rows: how many.
        error: the standard error of the difference of the two; None where it is not known.
        interval: the 95 % interval of the metric on test rows, where there is one.
    """

    name: str
    direction: str
    validation: float | None
    test: float | None
    test_rows: int
    error: float | None = None
    interval: tuple[float, float] | None = None


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
                "How far scores are off by chance is not known: `tuner.reevaluate.trials=3` shows "
                "it for the best few, `tuner.executions_per_trial=3` for all.",
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


def reevaluated(completed: pd.DataFrame) -> list[Finding]:
    """How the winner scored in its re-evaluation.

    Args:
        completed: the trials, best first.
    """
    if not len(completed) or pd.isna(completed["reevaluated"].iloc[0]):
        return []
    best = completed.iloc[0]
    mean, seen = float(best["reevaluated"]), float(best["search_score"])
    error = best["reevaluated_error"]
    plus = "" if pd.isna(error) else f" ± {number(float(error), 2)}"
    trials = int(completed["reevaluated"].notna().sum())
    were = "trials were" if trials > 1 else "trial was"
    text = (
        f"The best {trials} {were} trained again from new seeds: `{best['trial_id']}` has the "
        f"best mean, {number(mean)}{plus}, where the search had seen {number(seen)}."
    )
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


def test_agrees(judged: Judged) -> list[Finding]:
    """Whether the winner is on the test rows what validation promised."""
    validation, test, name = judged.validation, judged.test, judged.name
    if validation is None or test is None or judged.test_rows < 1:
        return []
    interval = ""
    if judged.interval is not None:
        low, high = judged.interval
        interval = f" (95 %: {number(low)} … {number(high)})"
    here = f"On the {judged.test_rows:,} test rows, used once, {name} is {number(test)}{interval}"
    worse = validation - test if judged.direction == "max" else test - validation
    if judged.error is None:
        return [Finding("note", f"{here}, against {number(validation)} in validation.")]
    if worse > 2 * judged.error:
        return [
            Finding(
                "warning",
                f"{here}, clearly worse than {number(validation)} in validation: the best of many "
                "trials is partly lucky, or these rows are harder. Believe the test.",
            )
        ]
    return [Finding("good", f"{here}, which agrees with {number(validation)} in validation.")]


def not_judged(exported: str) -> list[Finding]:
    """Says that another trial than the best one was judged on the test rows.

    Args:
        exported: its id.
    """
    text = f"The test rows have judged trial `{exported}`, the best when it was exported, not this."
    return [Finding("note", text)]


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
