"""Metrics of each task, under the names that objectives, tables and charts use."""

from collections.abc import Callable
from functools import cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hypermodels import class_metrics
from hypermodels.problem import Problem, Task

# From NumPy arrays: the labels `(rows,)` and the predictions `(rows, outputs)` of all rows.
WholeMetric = Callable[[np.ndarray[Any, Any], np.ndarray[Any, Any]], float]
STANDARD: dict[Task, tuple[str, ...]] = {
    "binary": ("accuracy", "log_loss"),
    "multiclass": ("accuracy", "log_loss"),
    "regression": ("rmse", "mae", "r2"),
}
# They cost a little, and are in the logs of trainings whose plan names them.
ON_REQUEST: dict[Task, dict[str, WholeMetric]] = {
    "binary": {
        "balanced_accuracy": class_metrics.balanced_accuracy,
        "f1": class_metrics.macro_f1,
        "auc": class_metrics.roc_auc,
        "pr_auc": class_metrics.average_precision,
    },
    "regression": {},
}
ON_REQUEST["multiclass"] = ON_REQUEST["binary"]
LEAST_PROBABILITY = float(np.finfo(np.float64).eps)  # as in scikit-learn's log_loss


def build_metrics(problem: Problem) -> list[Any]:
    """Returns fresh Keras metrics, those in `STANDARD`; errors are in the target's own units.

    `log_loss` has no smoothing, weights or penalties, so that any two trials can be compared.
    """
    if problem.task == "regression":
        return [
            _in_units(keras.metrics.RootMeanSquaredError, problem.target_scale)(name="rmse"),
            _in_units(keras.metrics.MeanAbsoluteError, problem.target_scale)(name="mae"),
            keras.metrics.R2Score(name="r2"),
        ]
    return [keras.metrics.MeanMetricWrapper(of_rows, name=n) for n, of_rows in OF_ROWS.items()]


def hits(y_true: Any, y_pred: Any) -> Any:
    """1 for each row that is predicted rightly, else 0, float32 `(rows,)`; see `log_losses`."""
    labels = tf.cast(tf.reshape(y_true, (-1,)), tf.int64)
    binary = y_pred.shape[-1] == 1
    found = tf.cast(y_pred[:, 0] > 0.5, tf.int64) if binary else tf.argmax(y_pred, axis=-1)
    return tf.cast(tf.equal(labels, found), tf.float32)


def log_losses(y_true: Any, y_pred: Any) -> Any:
    """The negative logarithm of each label's probability, float32 `(rows,)`.

    A probability is at least 2.2e-16, as in scikit-learn: Keras's 1e-7 is kind to a model that is
    sure and wrong. `y_pred` has shape `(rows, 1)`, of class 1, or `(rows, classes)`.
    """
    y_pred = tf.convert_to_tensor(y_pred)
    if y_pred.shape[-1] == 1:
        positive = tf.reshape(y_true, (-1, 1)) == 1
        probability = tf.reshape(tf.where(positive, y_pred, 1.0 - y_pred), (-1,))
    else:
        labels = tf.cast(tf.reshape(y_true, (-1,)), tf.int32)
        own = tf.gather(y_pred, labels, batch_dims=1)
        probability = own / tf.reduce_sum(y_pred, axis=-1)
    # Unlike a maximum, this keeps NaN.
    bounded = tf.where(probability < LEAST_PROBABILITY, LEAST_PROBABILITY, probability)
    return -tf.math.log(bounded)


@cache  # so that a search makes no new class a trial
def _in_units(metric: Any, scale: float) -> Any:
    """The class of an error of a standardised target, times the target's standard deviation."""

    class InUnits(metric):
        def result(self) -> Any:
            return super().result() * scale

    return InUnits


OF_ROWS: dict[str, Callable[[Any, Any], Any]] = {"accuracy": hits, "log_loss": log_losses}
