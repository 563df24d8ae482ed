"""Metrics of each task, under the names that objectives, tables and charts use.

Some are in the logs of every training. Those on request, which cost a little, are there where the
training's plan names them.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hypermodels.epoch_model import RowMetrics, WholeMetric
from hypermodels.problem import Problem
from hypermodels.ranking import average_precision, roc_auc

LEAST_PROBABILITY = float(np.finfo(np.float64).eps)  # as scikit-learn takes it in its log_loss


def build_metrics(problem: Problem, requested: Collection[str] = ()) -> list[Any]:
    """Returns fresh Keras metrics: `accuracy` and `log_loss`, or `rmse`, `mae` and `r2`.

    Those of regression are in the target's own units, although the model trains on a standardised
    target. `log_loss` is the plain cross-entropy, without smoothing, weights or penalties, so that
    it can be compared between any two trials.

    Args:
        problem: decides which.
        requested: more of them, names in `on_request`; others are passed over.
    """
    if problem.task == "regression":
        return [
            RootMeanSquaredErrorInUnits(problem.target_scale, name="rmse"),
            MeanAbsoluteErrorInUnits(problem.target_scale, name="mae"),
            keras.metrics.R2Score(name="r2"),
        ]
    binary = problem.task == "binary"
    found = [
        keras.metrics.BinaryAccuracy(name="accuracy")
        if binary
        else SparseAccuracy(name="accuracy"),
        LogLoss(name="log_loss"),
    ]
    return found + [COUNTED[name](problem.classes, name) for name in COUNTED if name in requested]


def build_whole_metrics(problem: Problem, requested: Collection[str]) -> Mapping[str, WholeMetric]:
    """Those that need the predictions of all rows at once, for `EpochModel.whole_metrics`.

    Args:
        problem: has such metrics if it is one of classes.
        requested: names in `on_request`; others are passed over.
    """
    if problem.task == "regression":
        return {}
    return {name: WHOLE[name] for name in WHOLE if name in requested}


@cache
def row_metrics(problem: Problem, requested: tuple[str, ...]) -> RowMetrics:
    """The values of `build_metrics`, by name, of all labels and predictions at once.

    The same function for all models of a problem, for `EpochModel.share_metrics`.
    """
    built = build_metrics(problem, requested)
    for metric in built:  # some make their variables with the first rows, which a trace must find
        metric.update_state(tf.zeros((2, 1), tf.int32), tf.zeros((2, problem.outputs)))

    def values(y_true: Any, y_pred: Any) -> dict[str, Any]:
        found = {}
        for metric in built:
            state = metric.stateless_update_state(metric.stateless_reset_state(), y_true, y_pred)
            found[metric.name] = metric.stateless_result(state)
        return found

    traced: RowMetrics = tf.function(values, autograph=False, reduce_retracing=True)
    return traced


@cache
def metric_names(problem: Problem, requested: tuple[str, ...]) -> tuple[str, ...]:
    """Names of what `build_metrics` and `build_whole_metrics` give, in the order of the logs."""
    counted = [metric.name for metric in build_metrics(problem, requested)]
    return (*counted, *build_whole_metrics(problem, requested))


def on_request(problem: Problem) -> tuple[str, ...]:
    """Names of the metrics that are in the logs only where they are asked for."""
    return () if problem.task == "regression" else (*COUNTED, *WHOLE)


class RowMean(keras.metrics.Metric, ABC):
    """The weighted mean over the rows of a number that each has.

    As a subclass of `keras.metrics.Mean` would have it, in half the operations.
    """

    def __init__(self, name: str, dtype: Any = None) -> None:
        super().__init__(dtype=dtype, name=name)  # as Keras gives both to what it loads
        self.total = self.add_variable((), "zeros", name="total")
        self.weight = self.add_variable((), "zeros", name="weight")

    @abstractmethod
    def of_rows(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the numbers of the rows, float32 `(rows,)`, from labels and predictions."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes labels of any shape, predictions `(rows, outputs)` and weights or None."""
        values = self.of_rows(y_true, y_pred)
        if sample_weight is None:
            weight = tf.cast(tf.size(values), tf.float32)
        else:
            weights = tf.cast(tf.reshape(sample_weight, (-1,)), tf.float32)
            values, weight = values * weights, tf.reduce_sum(weights)
        self.total.assign(self.total + tf.reduce_sum(values))
        self.weight.assign(self.weight + weight)

    def result(self) -> Any:
        """The mean; 0 before the first row."""
        return tf.math.divide_no_nan(
            tf.convert_to_tensor(self.total), tf.convert_to_tensor(self.weight)
        )


class SparseAccuracy(RowMean):
    """The share of rows whose label has the highest probability."""

    def of_rows(self, y_true: Any, y_pred: Any) -> Any:
        """Whether the row is right, 0 or 1, from probabilities `(rows, classes)`."""
        labels = tf.cast(tf.reshape(y_true, (-1,)), tf.int64)
        return tf.cast(tf.equal(labels, tf.argmax(y_pred, axis=-1)), tf.float32)


class LogLoss(RowMean):
    """The mean of the negative logarithms of the labels' probabilities.

    As scikit-learn has it: of the probabilities as they are, which are at least 2.2e-16. Keras's
    own takes 1e-7 for the least, which is kinder to a model that is sure and wrong.
    """

    def of_rows(self, y_true: Any, y_pred: Any) -> Any:
        """The logarithms, from probabilities `(rows, 1)` of class 1 or `(rows, classes)`."""
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


class ClassCounts(keras.metrics.Metric):
    """Counts, of each class, the rows that are rightly predicted, that have it as their label, and
    that have it as their prediction: the one with the highest probability.

    Args:
        classes: how many there are, 2 for binary.
        name: in the logs.
    """

    def __init__(self, classes: int, name: str) -> None:
        super().__init__(name=name)
        self.classes = classes
        # float32 would stop counting at 16.7 million rows.
        self.counts = self.add_variable((3, classes), "zeros", dtype="float64", name="counts")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Labels of any shape, probabilities `(rows, 1)` of class 1 or `(rows, classes)`."""
        labels = tf.cast(tf.reshape(y_true, (-1,)), tf.int32)
        binary = y_pred.shape[-1] == 1
        found = tf.cast(y_pred[:, 0] > 0.5, tf.int32) if binary else _argmax(y_pred)
        weights = tf.ones(tf.shape(labels), tf.float64)
        if sample_weight is not None:
            weights = tf.cast(tf.reshape(sample_weight, (-1,)), tf.float64)
        right = tf.where(labels == found, weights, 0.0)
        counted = [
            tf.math.unsorted_segment_sum(amounts, of, self.classes)
            for amounts, of in ((right, labels), (weights, labels), (weights, found))
        ]
        self.counts.assign(self.counts + tf.stack(counted))


class BalancedAccuracy(ClassCounts):
    """The mean, over the classes that have rows, of the share that is rightly predicted."""

    def result(self) -> Any:
        """From 0 to 1."""
        right, true, _ = tf.unstack(tf.convert_to_tensor(self.counts))
        return _mean(right, true)


class MacroF1(ClassCounts):
    """The mean of F1 over the classes that have rows or predictions."""

    def result(self) -> Any:
        """From 0 to 1."""
        right, true, predicted = tf.unstack(tf.convert_to_tensor(self.counts))
        return _mean(2.0 * right, true + predicted)


class RootMeanSquaredErrorInUnits(keras.metrics.RootMeanSquaredError):
    """Root mean squared error of a standardised target, times the target's standard deviation."""

    def __init__(self, scale: float, name: str) -> None:
        super().__init__(name=name)
        self.scale = scale

    def result(self) -> Any:
        """The error in the target's own units."""
        return super().result() * self.scale


class MeanAbsoluteErrorInUnits(keras.metrics.MeanAbsoluteError):
    """Mean absolute error of a standardised target, times the target's standard deviation."""

    def __init__(self, scale: float, name: str) -> None:
        super().__init__(name=name)
        self.scale = scale

    def result(self) -> Any:
        """The error in the target's own units."""
        return super().result() * self.scale


COUNTED: dict[str, type[ClassCounts]] = {"balanced_accuracy": BalancedAccuracy, "f1": MacroF1}
WHOLE: dict[str, WholeMetric] = {"auc": roc_auc, "pr_auc": average_precision}


def _argmax(probabilities: Any) -> Any:
    return tf.argmax(probabilities, axis=-1, output_type=tf.int32)


def _mean(parts: Any, wholes: Any) -> Any:
    """The mean share, over the classes whose whole is not 0."""
    shares = tf.math.divide_no_nan(parts, wholes)
    classes = tf.math.count_nonzero(wholes, dtype=tf.float64)
    return tf.cast(tf.math.divide_no_nan(tf.reduce_sum(shares), classes), tf.float32)
