"""How far a score is off by chance: from repeats, or from the rows that it was measured on."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from src.config.objectives import judged_metric
from src.evaluation.comparison import error_of_mean
from src.evaluation.metrics import draws, label_metrics, weighted_areas, weighted_metrics
from src.reporting.analysis.winner import class_report, errors, is_classification, probabilities
from src.reporting.run_data import RunData

Array = np.ndarray[Any, Any]

VALUES = ("rmse", "mae", "r2")
LABELS = ("balanced_accuracy", "precision", "recall", "f1")
AREAS = ("roc_auc", "pr_auc")
REPLICATES = 200
FEWEST_ROWS = 20
MOST_ROWS = 5000  # that areas under curves are resampled on; the error shrinks as 1 / √rows
MOST_TRIALS = 10  # the best ones, whose repeats are looked at
TINY = float(np.finfo(float).eps)  # the smallest probability, as val_log_loss has it


@dataclass(frozen=True)
class Noise:
    """The standard error of one trial's score.

    Attributes:
        error: in units of the score.
        source: where it comes from, in a few words.
    """

    error: float
    source: str

    @property
    def difference(self) -> float:
        """The smallest difference of two scores that chance would hardly make: two errors of it."""
        return 2 * math.sqrt(2) * self.error


def score_noise(data: RunData) -> Noise | None:
    """Estimates the noise of the scores near the best; None where the files do not tell.

    With repeats (executions or folds) it is what they differ by, beside what a fold or an execution
    adds to all trials alike. Without, it is the error that another draw of validation rows would
    make, of the winner's predictions: what another seed would change is left out, so that it is too
    small rather than too large. A loss of the model's own has none.
    """
    if (noise := _of_repeats(data)) is not None:
        return noise
    best, rows = data.best, data.validation_rows
    if best is None:
        return None
    name = judged_metric(data.objective)
    if name == "accuracy" and rows is not None:
        return Noise(binomial_error(float(best["score"]), rows), f"from {rows:,} validation rows")
    if not len(data.predictions):
        return None
    measured = data.predictions[data.predictions["split"] == "validation"]
    error = standard_error(name, measured)
    return None if error is None else Noise(error, f"from {len(measured):,} validation rows")


def binomial_error(share: float, rows: int) -> float:
    """The standard error of a share of rows, above 0 even of all of them or none."""
    least = 1 / (rows + 2)
    share = min(max(share, least), 1 - least)
    return math.sqrt(share * (1 - share) / rows)


def standard_error(metric: str, rows: pd.DataFrame) -> float | None:
    """How far a metric of these rows is off that of all rows to come; the model stays the same.

    A share of rows has a binomial error, a mean over rows that of a mean; all others are computed
    on rows drawn anew (Efron 1979).

    Args:
        metric: by its name in best/metrics.json.
        rows: of predictions.csv, of one split.

    Returns:
        The standard error; None for few rows, for another metric, or where it is not defined.
    """
    if len(rows) < FEWEST_ROWS:
        return None
    error = math.nan
    if not is_classification(rows):
        error = _of_values(metric, rows) if metric in VALUES else math.nan
    elif metric == "accuracy":
        right = rows["target"].astype(str) == rows["prediction"].astype(str)
        error = binomial_error(float(right.mean()), len(rows))
    elif metric == "log_loss":
        error = _of_log_loss(rows)
    elif metric in LABELS:
        error = _of_labels(metric, rows)
    elif metric in AREAS:
        error = _of_areas(metric, rows)
    return error if math.isfinite(error) and error > 0 else None


def _of_repeats(data: RunData) -> Noise | None:
    fits = _fits(data)
    if fits < 2:
        return None
    source = f"from {fits} trainings of each trial"
    best = data.completed.head(MOST_TRIALS)
    folds = data.settings.get("tuner.folds")
    paired = _paired_error(data.fits, best["trial_id"], folds if isinstance(folds, int) else 1)
    if paired is not None:
        return Noise(paired, source)
    spread = best["score_std"].dropna()
    if not len(spread):
        return None
    return Noise(float(np.sqrt((spread**2).mean())) / math.sqrt(fits), source)


def _paired_error(fits: pd.DataFrame, trials: "pd.Series[Any]", folds: int) -> float | None:
    """The error of a trial's mean in comparisons with others of the same folds and executions.

    What is left of each fit's score, once its trial's mean and its fold's are taken off, is noise.
    """
    if not {"trial_id", "execution", "fold", "score"} <= set(fits.columns):
        return None
    near = fits[fits["trial_id"].isin(trials)]
    table = near.pivot_table("score", "trial_id", ["execution", "fold"]).dropna()
    count, repeats = table.shape
    if count < 2 or repeats < 2:
        return None
    scores = table.to_numpy(float)
    left = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0) + scores.mean()
    variance = float((left**2).sum()) / ((count - 1) * (repeats - 1))
    return error_of_mean(variance, repeats, folds)


def _fits(data: RunData) -> int:
    counts = [data.settings.get("tuner.executions_per_trial"), data.settings.get("tuner.folds")]
    return math.prod(c for c in counts if isinstance(c, int) and c > 0)


def _of_labels(metric: str, rows: pd.DataFrame) -> float:
    """From the confusion matrix alone: its cells are drawn instead of the rows."""
    confusion = class_report(rows).confusion
    drawn = np.random.default_rng(0).multinomial(
        len(rows), confusion.reshape(-1) / len(rows), size=REPLICATES
    )
    values = label_metrics(drawn.reshape(-1, *confusion.shape))[metric]
    return float(np.nanstd(values))


def _of_log_loss(rows: pd.DataFrame) -> float:
    truth, probability = probabilities(rows)
    known = truth >= 0
    own = np.clip(probability[known, truth[known]], TINY, 1.0)
    return float(np.std(-np.log(own))) / math.sqrt(max(len(own), 1))


def _of_areas(metric: str, rows: pd.DataFrame) -> float:
    taken = rows if len(rows) <= MOST_ROWS else rows.sample(MOST_ROWS, random_state=0)
    truth, probability = probabilities(taken)
    if probability.shape[1] == 2:
        probability = probability[:, 1:]
    values = _resampled(len(taken), lambda counts: weighted_areas(truth, probability, counts))
    return float(np.nanstd(values[metric])) * math.sqrt(len(taken) / len(rows))


def _of_values(metric: str, rows: pd.DataFrame) -> float:
    truth, predicted = errors(rows)
    values = _resampled(
        len(truth),
        lambda counts: weighted_metrics("regression", truth, predicted, None, counts),
    )
    return float(np.nanstd(values[metric]))


def _resampled(rows: int, compute: Callable[[Array], dict[str, Array]]) -> dict[str, Array]:
    parts = [compute(counts) for counts in draws(rows, REPLICATES, 0)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
