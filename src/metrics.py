"""What a finished model is judged by, computed by scikit-learn from its predictions."""

from typing import Any

import numpy as np
from sklearn import metrics

from hypermodels.problem import Task

Array = np.ndarray[Any, Any]


def evaluate(task: Task, truth: Array, prediction: Array) -> dict[str, float | None]:
    """Computes the metrics of a task.

    Args:
        task: which metrics.
        truth: `(rows,)`: labels 0 … classes − 1, or targets in their own units.
        prediction: what the model gives: `(rows, 1)` probabilities of class 1, `(rows, classes)`
            probabilities, or `(rows, 1)` values in the target's units.

    Returns:
        For classes accuracy, balanced_accuracy, precision, recall and f1 (macro averages),
        roc_auc (one against the rest, macro) and log_loss; for regression rmse, mae and r2. None
        where a metric is not defined, as roc_auc is when a class has no row.
    """
    if task == "regression":
        value = prediction.reshape(-1)
        return {
            "rmse": float(metrics.root_mean_squared_error(truth, value)),
            "mae": float(metrics.mean_absolute_error(truth, value)),
            "r2": float(metrics.r2_score(truth, value)) if len(truth) > 1 else None,
        }
    probability = class_probabilities(task, prediction)
    classes = np.arange(probability.shape[1])
    label = probability.argmax(axis=1)
    average = {"average": "macro", "zero_division": 0.0}
    return {
        "accuracy": float(metrics.accuracy_score(truth, label)),
        "balanced_accuracy": float(
            metrics.recall_score(truth, label, average="macro", labels=np.unique(truth))
        ),
        "precision": float(metrics.precision_score(truth, label, **average)),
        "recall": float(metrics.recall_score(truth, label, **average)),
        "f1": float(metrics.f1_score(truth, label, **average)),
        "roc_auc": _roc_auc(truth, probability),
        "log_loss": float(metrics.log_loss(truth, probability, labels=classes)),
    }


def class_probabilities(task: Task, prediction: Array) -> Array:
    """Probabilities `(rows, classes)` in float64, each row summing to 1."""
    probability = prediction.astype(np.float64)
    if task == "binary":
        probability = np.column_stack([1 - probability[:, 0], probability[:, 0]])
    return np.asarray(probability / probability.sum(axis=1, keepdims=True))


def _roc_auc(truth: Array, probability: Array) -> float | None:
    if len(np.unique(truth)) < probability.shape[1]:
        return None
    if probability.shape[1] == 2:
        return float(metrics.roc_auc_score(truth, probability[:, 1]))
    return float(metrics.roc_auc_score(truth, probability, multi_class="ovr"))
