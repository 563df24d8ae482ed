"""Bootstrap intervals: how far the metrics of these rows may be from those of all rows to come."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hypermodels.problem import Task
from src.evaluation.metrics import class_probabilities, predicted_labels

Array = np.ndarray[Any, Any]
Interval = tuple[float, float]

REPLICATES = 1000
CONFIDENCE = 0.95
LEAST_DEFINED = 0.95  # share of the replicates in which a metric must be defined
CELLS = 4_000_000  # rows × replicates at once: bounds memory to some dozens of megabytes


def intervals(
    task: Task,
    truth: Array,
    prediction: Array,
    threshold: float | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Percentile intervals of 95 % for the metrics of `metrics.evaluate` (Efron 1979).

    Each replicate draws as many rows as there are, with replacement. What is drawn is the rows
    alone: that another training would give another model is not in these intervals.

    Args:
        task: which metrics.
        truth: `(rows,)`: labels 0 … classes − 1, or targets in their own units.
        prediction: as the model gives it, see `src.evaluation.metrics.evaluate`.
        threshold: as for `src.evaluation.metrics.evaluate`.
        replicates: how many; the ends of an interval are steady to a few per cent of its length
            with 1,000.
        seed: of the draws.

    Returns:
        The lower and the upper end by the metric's name; None where a metric is not defined in one
        of twenty replicates, as roc_auc is not where a class has few rows.
    """
    found: dict[str, list[Array]] = {}
    for counts in draws(len(truth), replicates, seed):
        for name, values in weighted_metrics(task, truth, prediction, threshold, counts).items():
            found.setdefault(name, []).append(values)
    tails = [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]
    result: dict[str, Interval | None] = {}
    for name, parts in found.items():
        values = np.concatenate(parts)
        defined = values[np.isfinite(values)]
        enough = len(defined) >= LEAST_DEFINED * len(values)
        low, high = np.percentile(defined, tails) if enough else (0.0, 0.0)
        result[name] = (float(low), float(high)) if enough else None
    return result


def weighted_metrics(
    task: Task, truth: Array, prediction: Array, threshold: float | None, counts: Array
) -> dict[str, Array]:
    """The metrics of `metrics.evaluate` on rows that occur more than once, or not at all.

    Args:
        task: as for `intervals`.
        truth: as for `intervals`.
        prediction: as for `intervals`.
        threshold: as for `intervals`.
        counts: `(replicates, rows)`: how often each row occurs.

    Returns:
        `(replicates,)` values by the metric's name; NaN where one is not defined.
    """
    weights = np.asarray(counts, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if task == "regression":
            return _of_values(truth, prediction, weights)
        probability = class_probabilities(task, prediction)
        labels = predicted_labels(task, prediction, threshold)
        return (
            _of_labels(truth, labels, probability.shape[1], weights)
            | {"log_loss": _log_loss(truth, probability, weights)}
            | weighted_areas(truth, prediction, weights)
        )


def of_confusion(confusion: Array) -> dict[str, Array]:
    """The metrics of `src.evaluation.metrics.evaluate` that are functions of a confusion matrix.

    Args:
        confusion: `(replicates, classes, classes)`: rows of each class, by the predicted one.
    """
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    actual, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    occurs = actual + predicted > 0
    recall = np.where(actual > 0, hits / actual, 0.0)
    precision = np.where(predicted > 0, hits / predicted, 0.0)
    f1 = np.where(occurs, 2 * hits / (actual + predicted), 0.0)
    macro = occurs.sum(axis=1)
    return {
        "accuracy": hits.sum(axis=1) / actual.sum(axis=1),
        "balanced_accuracy": recall.sum(axis=1) / (actual > 0).sum(axis=1),
        "precision": precision.sum(axis=1) / macro,
        "recall": recall.sum(axis=1) / macro,
        "f1": f1.sum(axis=1) / macro,
    }


def weighted_areas(truth: Array, prediction: Array, weights: Array) -> dict[str, Array]:
    """roc_auc and pr_auc: the mean over the classes, each against the rest; of two, of class 1.

    Args:
        truth: `(rows,)` labels 0 … classes − 1.
        prediction: `(rows, 1)` probabilities of class 1, or `(rows, classes)` probabilities.
        weights: `(replicates, rows)`: how often each row occurs.
    """
    classes = [1] if prediction.shape[1] == 1 else range(prediction.shape[1])
    pairs = zip(classes, prediction.T, strict=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        areas = np.array([_areas(truth == label, column, weights) for label, column in pairs])
    roc, average = areas.mean(axis=0)
    return {"roc_auc": roc, "pr_auc": np.where(np.isnan(roc), np.nan, average)}


def draws(rows: int, replicates: int, seed: int) -> Iterator[Array]:
    """Yields `(some replicates, rows)` arrays of how often each row is drawn; all together make up
    the replicates."""
    generator = np.random.default_rng(seed)
    share = np.full(rows, 1.0 / rows)
    at_once = max(1, CELLS // rows)
    for start in range(0, replicates, at_once):
        yield generator.multinomial(rows, share, size=min(at_once, replicates - start))


def _of_values(truth: Array, prediction: Array, weights: Array) -> dict[str, Array]:
    total = weights.sum(axis=1)
    error = (truth - prediction.reshape(-1)).astype(np.float64)
    squares = weights @ error**2
    # Around the mean of all rows: else a target far from zero would leave nothing of its spread.
    centred = truth - truth.mean()
    spread = weights @ centred**2 - (weights @ centred) ** 2 / total
    # As many rows of one and the same target have no spread but what rounding leaves.
    constant = spread <= 1e-12 * (weights @ centred**2)
    return {
        "rmse": np.sqrt(squares / total),
        "mae": weights @ np.abs(error) / total,
        "r2": np.where(constant, np.nan, 1 - squares / spread),
    }


def _of_labels(truth: Array, label: Array, classes: int, weights: Array) -> dict[str, Array]:
    """Those of the confusion matrix; a class counts in a replicate where it occurs in it."""
    cells = np.zeros((len(truth), classes * classes))
    cells[np.arange(len(truth)), truth * classes + label] = 1.0
    return of_confusion((weights @ cells).reshape(-1, classes, classes))


def _log_loss(truth: Array, probability: Array, weights: Array) -> Array:
    tiny = np.finfo(probability.dtype).eps  # as scikit-learn clips
    own = np.clip(probability[np.arange(len(truth)), truth], tiny, 1 - tiny)
    return np.asarray(weights @ -np.log(own) / weights.sum(axis=1))


def _areas(positive: Array, score: Array, weights: Array) -> tuple[Array, Array]:
    """Area under the ROC curve and average precision; rows of equal scores are one threshold."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    ordered = weights[:, order]
    hits = np.cumsum(ordered * positive[order], axis=1)[:, ends]
    alarms = np.cumsum(ordered * ~positive[order], axis=1)[:, ends]
    start = np.zeros((len(weights), 1))
    steps = np.diff(hits, axis=1, prepend=start)
    all_hits, all_alarms = hits[:, -1], alarms[:, -1]
    # A step of the ROC curve passes half of the alarms at its own threshold.
    passed = alarms - np.diff(alarms, axis=1, prepend=start) / 2
    roc = 1 - (steps * passed).sum(axis=1) / (all_hits * all_alarms)
    precision = np.where(hits + alarms > 0, hits / (hits + alarms), 0.0)
    average = (steps * precision).sum(axis=1) / all_hits
    both = (all_hits > 0) & (all_alarms > 0)
    return np.where(both, roc, np.nan), np.where(all_hits > 0, average, np.nan)
