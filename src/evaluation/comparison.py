"""Whether two trials that were repeated differ by more than chance."""

from dataclasses import dataclass

from scipy import stats

from src.records import TrialRecord
from src.search.progress import SearchProgress

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Lead:
    """By how much one trial's score is better than another's.

    Attributes:
        mean: over the fits, above 0 where the first is better.
        margin: half the width of its 95 % interval.
        text: both in a sentence.
    """

    mean: float
    margin: float
    text: str

    @property
    def is_distinguishable(self) -> bool:
        """Whether chance alone would hardly give as much."""
        return self.mean > self.margin


def lead_of_the_first(progress: SearchProgress) -> Lead | None:
    """Compares the best two trials, fit by fit; None where they have a single fit to compare.

    The fits of two trials that have the same execution and fold see the same rows, so that their
    differences say more than the two spreads do. Folds share most of their training rows; the
    variance is corrected for that (Nadeau and Bengio 2003).
    """
    if len(progress.completed) < 2:
        return None
    first, second = progress.completed[:2]
    sign = 1.0 if progress.objective.direction == "max" else -1.0
    confirmed = first.reevaluated_score is not None and second.reevaluated_score is not None
    fits = [r.ranking_fits if confirmed else r.result.fits for r in (first, second)]
    others = {(fit.execution, fit.fold): fit.score for fit in fits[1]}
    pairs = [
        sign * (fit.score - others[fit.execution, fit.fold])
        for fit in fits[0]
        if (fit.execution, fit.fold) in others
    ]
    count = len(pairs)
    if count < 2:
        return None
    mean = sum(pairs) / count
    variance = sum((pair - mean) ** 2 for pair in pairs) / (count - 1)
    folds = first.spec.folds
    shared = 1 / (folds - 1) if folds > 1 else 0.0  # validation rows for each training row
    error = (variance * (1 / count + shared)) ** 0.5
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    more = "tuner.folds or tuner.executions_per_trial"
    if confirmed:
        more = "tuner.reevaluate.executions"
    verdict = (
        "more than chance would make of equal ones"
        if mean > margin
        else f"they cannot be told apart; more {more} might"
    )
    return Lead(mean, margin, _sentence(first, second, mean, margin, count, verdict))


def _sentence(
    first: TrialRecord, second: TrialRecord, mean: float, margin: float, count: int, verdict: str
) -> str:
    return (
        f"{first.spec.trial_id} is better than {second.spec.trial_id} by {mean:.3g} ± {margin:.2g} "
        f"(95 %, {count} fits of each): {verdict}"
    )
