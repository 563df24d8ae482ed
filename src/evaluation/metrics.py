"""What a finished model is judged by, computed by scikit-learn from its predictions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hypermodels.problem import Task

Array = np.ndarray[Any, Any]


def evaluate(
    task: Task, truth: Array, prediction: Array, threshold: float | None = None
) -> dict[str, float | None]:
    """Computes the metrics of a task.

    Args:
        task: which metrics.
        truth: `(rows,)`: labels 0 … classes − 1, or targets in their own units.
        prediction: what the model gives: `(rows, 1)` probabilities of class 1, `(rows, classes)`
            probabilities, or `(rows, 1)` values in the target's units.
        threshold: as in `predicted_labels`.

    Returns:
        For classes accuracy, balanced_accuracy, precision, recall and f1 (macro averages),
        roc_auc and pr_auc (average precision; both one against the rest, macro) and log_loss; for
        regression rmse, mae and r2. None where a metric is not defined, as roc_auc and pr_auc are
        when a class has no row.
    """
    from sklearn import metrics  # half a second, which predictions do without

    if task == "regression":
        value = prediction.reshape(-1)
        return {
            "rmse": float(metrics.root_mean_squared_error(truth, value)),
            "mae": float(metrics.mean_absolute_error(truth, value)),
            "r2": float(metrics.r2_score(truth, value)) if len(truth) > 1 else None,
        }
    probability = class_probabilities(task, prediction)
    classes = np.arange(probability.shape[1])
    label = predicted_labels(task, prediction, threshold)
    average = {"average": "macro", "zero_division": 0.0}
    return {
        "accuracy": float(metrics.accuracy_score(truth, label)),
        "balanced_accuracy": float(
            metrics.recall_score(truth, label, average="macro", labels=np.unique(truth))
        ),
        "precision": float(metrics.precision_score(truth, label, **average)),
        "recall": float(metrics.recall_score(truth, label, **average)),
        "f1": float(metrics.f1_score(truth, label, **average)),
        **areas(truth, prediction),
        "log_loss": float(metrics.log_loss(truth, probability, labels=classes)),
    }


def areas(truth: Array, prediction: Array) -> dict[str, float | None]:
    """Returns roc_auc and pr_auc, which need all rows at once; arguments as in `evaluate`."""
    from sklearn import metrics

    return {
        "roc_auc": _mean_over_classes(metrics.roc_auc_score, truth, prediction),
        "pr_auc": _mean_over_classes(metrics.average_precision_score, truth, prediction),
    }


def predicted_labels(task: Task, prediction: Array, threshold: float | None = None) -> Array:
    """The predicted classes `(rows,)`: those of the highest probability, the first of equal ones.

    Args:
        task: `binary` or `multiclass`.
        prediction: as in `evaluate`.
        threshold: class 1 of a binary task begins at this probability; None for above 0.5.
    """
    if threshold is not None:
        return (prediction[:, 0] >= np.float32(threshold)).astype(np.int64)
    return np.asarray(class_probabilities(task, prediction).argmax(axis=1))


def class_probabilities(task: Task, prediction: Array) -> Array:
    """Probabilities `(rows, classes)` in float64, each row summing to 1."""
    probability = prediction.astype(np.float64)
    if task == "binary":
        probability = np.column_stack([1 - probability[:, 0], probability[:, 0]])
    return np.asarray(probability / probability.sum(axis=1, keepdims=True))


def _mean_over_classes(
    area: Callable[[Array, Array], float], truth: Array, prediction: Array
) -> float | None:
    """The area of one class against the rest, of two of class 1 alone.

    The probabilities are taken as they are: that they be made to sum to 1 would rank equal ones.
    """
    classes = [1] if prediction.shape[1] == 1 else range(prediction.shape[1])
    if len(np.unique(truth)) < max(len(classes), 2):
        return None
    pairs = zip(classes, prediction.T, strict=True)
    return float(np.mean([area(truth == label, column) for label, column in pairs]))
