"""Metrics of a model's predictions, and their bootstrap intervals.

One computation serves one set of rows and the bootstrap's thousand replicates at once. The
definitions are scikit-learn's, and a test compares them.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hypermodels.problem import Task
from src.evaluation.outputs import Array, class_probabilities, predicted_labels

Metrics = dict[str, float | None]
Interval = tuple[float, float]

REPLICATES = 1000  # with which the ends are steady to a few per cent of the interval's length
TAILS = (2.5, 97.5)  # percentiles
LEAST_DEFINED = 0.95  # share of the replicates in which a metric must be defined
CELLS = 4_000_000  # rows × replicates at once: bounds memory to some dozens of megabytes


def evaluate(task: Task, truth: Array, outputs: Array, threshold: float | None = None) -> Metrics:
    """Computes the metrics of a task, from at least one row.

    The truth is `(rows,)` labels 0 … classes − 1, or targets in their own units. Of classes the
    metrics are accuracy, balanced_accuracy, precision, recall, f1, roc_auc, pr_auc (average
    precision; macro averages, all of them) and log_loss; of regression rmse, mae and r2. None where
    a metric is not defined, as are roc_auc and pr_auc when a class has no row.
    """
    found = weighted_metrics(task, truth, outputs, threshold, np.ones((1, len(truth))))
    return defined({name: values[0] for name, values in found.items()})


def defined(values: Any) -> Metrics:
    """Returns a dict or a pandas Series of metrics with None in place of NaN and infinities."""
    return {name: float(value) if np.isfinite(value) else None for name, value in values.items()}


def intervals(
    task: Task, truth: Array, outputs: Array, threshold: float | None, replicates: int = REPLICATES
) -> dict[str, Interval | None]:
    """Percentile intervals of 95 % for the metrics of `evaluate` (Efron 1979).

    Each replicate draws as many rows as there are, with replacement. How much another training of
    the model would change its metrics is not part of the intervals. None where more than one
    replicate in twenty does not define the metric, as roc_auc where a class has few rows.
    """
    parts = [
        weighted_metrics(task, truth, outputs, threshold, counts)
        for counts in draws(len(truth), replicates, seed=0)
    ]
    found: dict[str, Interval | None] = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])
        is_defined = np.isfinite(values).mean() >= LEAST_DEFINED
        found[name] = tuple(np.nanpercentile(values, TAILS).tolist()) if is_defined else None
    return found


def draws(rows: int, replicates: int, seed: int) -> Iterator[Array]:
    """Yields `(some replicates, rows)` arrays of how often each row is drawn, until all are."""
    generator = np.random.default_rng(seed)
    at_once = max(1, CELLS // rows)
    for start in range(0, replicates, at_once):
        size = min(at_once, replicates - start)
        yield generator.multinomial(rows, np.full(rows, 1.0 / rows), size=size)


def weighted_metrics(
    task: Task, truth: Array, outputs: Array, threshold: float | None, weights: Array
) -> dict[str, Array]:
    """The metrics of `evaluate` on rows that occur several times, or not at all.

    Takes `(replicates, rows)` weights, how often each row occurs, and returns `(replicates,)`
    values, NaN where a metric is not defined.
    """
    weights = np.asarray(weights, np.float64)
    if task == "regression":
        return _value_metrics(truth, outputs.reshape(-1), weights)
    probability = class_probabilities(task, outputs)
    classes = probability.shape[1]
    cells = truth.astype(np.int64) * classes + predicted_labels(task, outputs, threshold)
    confusion = np.array([np.bincount(cells, row, classes**2) for row in weights])
    tiny = np.finfo(np.float64).eps  # as scikit-learn clips
    own = np.clip(probability[np.arange(len(truth)), truth], tiny, 1 - tiny)
    return (
        label_metrics(confusion.reshape(-1, classes, classes))
        | weighted_areas(truth, outputs, weights)
        | {"log_loss": weights @ -np.log(own) / weights.sum(axis=1)}
    )


def label_metrics(confusion: Array) -> dict[str, Array]:
    """The metrics of confusion matrices `(replicates, true classes, predicted classes)`."""
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    actual, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    occurs = (actual + predicted > 0).sum(axis=1)  # classes that count in a macro average
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = np.where(actual > 0, hits / actual, 0.0)
        precision = np.where(predicted > 0, hits / predicted, 0.0)
        f1 = np.where(actual + predicted > 0, 2 * hits / (actual + predicted), 0.0)
        return {
            "accuracy": hits.sum(axis=1) / actual.sum(axis=1),
            "balanced_accuracy": recall.sum(axis=1) / (actual > 0).sum(axis=1),
            "precision": precision.sum(axis=1) / occurs,
            "recall": recall.sum(axis=1) / occurs,
            "f1": f1.sum(axis=1) / occurs,
        }


def weighted_areas(truth: Array, outputs: Array, weights: Array) -> dict[str, Array]:
    """roc_auc and pr_auc: of class 1, or the mean over several classes, each against the rest.

    The probabilities are taken as they are: scaling rows to sum to 1 would rank equal ones.
    """
    classes = [1] if outputs.shape[1] == 1 else range(outputs.shape[1])
    pairs = zip(classes, outputs.T, strict=True)
    roc, average = np.mean([_areas(truth == c, column, weights) for c, column in pairs], axis=0)
    return {"roc_auc": roc, "pr_auc": np.where(np.isnan(roc), np.nan, average)}


def _areas(positive: Array, score: Array, weights: Array) -> tuple[Array, Array]:
    """Area under the ROC curve and average precision; rows of equal scores are one threshold."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    ordered = weights[:, order]
    hits = np.cumsum(ordered * positive[order], axis=1)[:, ends]
    alarms = np.cumsum(ordered * ~positive[order], axis=1)[:, ends]
    start = np.zeros((len(weights), 1))
    steps = np.diff(hits, axis=1, prepend=start)
    # A step of the ROC curve passes half of the false alarms at its own threshold.
    passed = alarms - np.diff(alarms, axis=1, prepend=start) / 2
    all_hits, all_alarms = hits[:, -1], alarms[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 where a class has no rows
        roc = 1 - (steps * passed).sum(axis=1) / (all_hits * all_alarms)
        precision = np.where(hits + alarms > 0, hits / (hits + alarms), 0.0)
        return roc, (steps * precision).sum(axis=1) / all_hits


def _value_metrics(truth: Array, value: Array, weights: Array) -> dict[str, Array]:
    total = weights.sum(axis=1)
    error = (truth - value).astype(np.float64)
    squares = weights @ error**2
    # Around the mean of all rows: else a target far from zero would leave nothing of its spread.
    centred = truth - truth.mean()
    spread = weights @ centred**2 - (weights @ centred) ** 2 / total
    # Rows of one and the same target have no spread but what rounding leaves.
    spread[spread <= 1e-12 * (weights @ centred**2)] = np.nan
    return {
        "rmse": np.sqrt(squares / total),
        "mae": weights @ np.abs(error) / total,
        "r2": 1 - squares / spread,
    }
