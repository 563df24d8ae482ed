"""Whether the best two trials, each of several fits, differ by more than chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from src.records import TrialRecord


@dataclass(frozen=True)
class Lead:
    """Mean difference of two trials' fits, above 0 where the first is better, ± a 95 % margin."""

    mean: float
    margin: float
    text: str


def error_of_mean(variance: float, fits: int, folds: int) -> float:
    """Standard error of a mean over fits whose scores have this variance.

    Folds share most of their training rows, which is corrected for (Nadeau and Bengio 2003).
    """
    shared = 1 / (folds - 1) if folds > 1 else 0.0  # validation rows for each training row
    return math.sqrt(variance * (1 / fits + shared))


def lead_of_the_first(completed: Sequence[TrialRecord], direction: str) -> Lead | None:
    """Compares the first two trials, fit by fit; None where they have a single fit to compare.

    Fits of the same execution and fold see the same rows, so that their differences tell more than
    the spreads of both trials do.
    """
    if len(completed) < 2:
        return None
    first, second = completed[:2]
    again = first.reevaluated_score is not None and second.reevaluated_score is not None
    fits = [r.ranking_fits if again else r.result.fits for r in (first, second)]
    own, others = ({(fit.execution, fit.fold): fit.score for fit in own} for own in fits)
    pairs = [score - others[fit] for fit, score in own.items() if fit in others]
    count, folds = len(pairs), first.spec.folds
    if count < 2:
        return None
    mean = float(np.mean(pairs)) * (1 if direction == "max" else -1)
    error = error_of_mean(float(np.var(pairs, ddof=1)), count, folds)
    margin = float(stats.t.ppf(0.975, count - 1)) * error
    more = "tuner.reevaluate.executions" if again else "tuner.folds or tuner.executions_per_trial"
    verdict = f"they cannot be told apart; more {more} might"
    if mean > margin:
        verdict = "more than chance would make of equal trials"
    text = (
        f"{first.spec.trial_id} is better than {second.spec.trial_id} by {mean:.3g} ± {margin:.2g} "
        f"(95 %, {count} fits of each): {verdict}"
    )
    return Lead(mean, margin, text)
