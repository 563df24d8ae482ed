"""Losses and metrics of each task, under the names that objectives, tables and charts use."""

from typing import Any

import keras
import tensorflow as tf

from hypermodels.problem import Problem
from hypermodels.tunables import tunable

LOSSES = ("mse", "mae", "huber")
LIMITS = {"label_smoothing": (0.0, 0.9)}
TUNABLES = frozenset({"label_smoothing"})
# Hyperparameters that change what the loss means: where one of them is searched, the losses of two
# trials cannot be compared.
LOSS_HYPERPARAMETERS = frozenset(
    {"loss_function", "label_smoothing", "regularizer", "l1", "l2", "regularizer_scale"}
    | {"regularization_schedule"}
)


def declare_loss(hp: Any, problem: Problem) -> None:
    """Declares `loss_function` for regression, `label_smoothing` for classes."""
    if problem.task == "regression":
        hp.Choice("loss_function", list(LOSSES))
    else:
        hp.Float("label_smoothing", 0.0, 0.2)


def build_loss(hp: Any, problem: Problem) -> Any:
    """Returns the Keras loss that the values in `hp` describe."""
    if problem.task == "regression":
        return {
            "mse": keras.losses.MeanSquaredError,
            "mae": keras.losses.MeanAbsoluteError,
            "huber": keras.losses.Huber,
        }[hp.get("loss_function")]()
    smoothing = hp.get("label_smoothing")
    if problem.task == "binary":
        return BinaryCrossentropy(smoothing)
    return SparseCrossentropy(problem.classes, smoothing)


def build_metrics(problem: Problem) -> list[Any]:
    """Returns fresh metrics: `accuracy` and `log_loss`, or `rmse`, `mae` and `r2`.

    Those of regression are in the target's own units, although the model trains on a standardised
    target. `log_loss` is the plain cross-entropy, without smoothing or penalties, so that it can be
    compared between any two trials.
    """
    if problem.task == "regression":
        return [
            RootMeanSquaredErrorInUnits(problem.target_scale, name="rmse"),
            MeanAbsoluteErrorInUnits(problem.target_scale, name="mae"),
            keras.metrics.R2Score(name="r2"),
        ]
    if problem.task == "binary":
        return [
            keras.metrics.BinaryAccuracy(name="accuracy"),
            keras.metrics.BinaryCrossentropy(name="log_loss"),
        ]
    return [
        SparseAccuracy(name="accuracy"),
        SparseLogLoss(name="log_loss"),
    ]


class BinaryCrossentropy(keras.losses.Loss):
    """Cross-entropy of labels 0 and 1, as Keras's, with the label smoothing as a variable.

    Attributes:
        tunables: the variable `label_smoothing`.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__(name="cross_entropy")
        self.tunables = {"label_smoothing": tunable("label_smoothing", label_smoothing)}

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Labels and probabilities of shape `(rows, 1)`."""
        smoothing = tf.cast(self.tunables["label_smoothing"], y_pred.dtype)
        y_true = tf.cast(y_true, y_pred.dtype) * (1.0 - smoothing) + 0.5 * smoothing
        return keras.losses.binary_crossentropy(y_true, y_pred)


class SparseCrossentropy(keras.losses.Loss):
    """Cross-entropy of integer labels with label smoothing, which Keras has for one-hot ones only.

    Label smoothing follows Szegedy et al., "Rethinking the Inception architecture" (2016).

    Attributes:
        tunables: the variable `label_smoothing`.
    """

    def __init__(self, classes: int, label_smoothing: float = 0.0) -> None:
        super().__init__(name="cross_entropy")
        self.classes = classes
        self.tunables = {"label_smoothing": tunable("label_smoothing", label_smoothing)}

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Labels of shape `(rows,)` or `(rows, 1)` and probabilities `(rows, classes)`."""
        smoothing = tf.cast(self.tunables["label_smoothing"], y_pred.dtype)
        share = smoothing / self.classes
        labels = tf.cast(tf.reshape(y_true, (-1,)), tf.int32)
        targets = tf.one_hot(labels, self.classes, 1.0 - smoothing + share, share)
        logits = _logits(y_pred)
        return tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=logits, labels=targets).loss


class SparseAccuracy(keras.metrics.Mean):
    """The share of rows whose label has the highest probability."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Labels of shape `(rows,)` or `(rows, 1)` and probabilities `(rows, classes)`."""
        labels = tf.cast(tf.reshape(y_true, (-1,)), tf.int64)
        found = tf.equal(labels, tf.argmax(y_pred, axis=-1))
        super().update_state(tf.cast(found, tf.float32), sample_weight)


class SparseLogLoss(keras.metrics.Mean):
    """The mean cross-entropy of the labels."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Labels of shape `(rows,)` or `(rows, 1)` and probabilities `(rows, classes)`."""
        labels = tf.cast(tf.reshape(y_true, (-1,)), tf.int32)
        logits = _logits(y_pred)
        loss = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(features=logits, labels=labels).loss
        super().update_state(loss, sample_weight)


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


def _logits(probabilities: Any) -> Any:
    """What softmax made the probabilities of, as Keras's own losses find it, or their logarithms.

    Gradients through a saturated softmax would vanish.
    """
    if tf.is_symbolic_tensor(probabilities) and probabilities.op.type == "Softmax":
        return probabilities.op.inputs[0]
    return tf.math.log(tf.clip_by_value(probabilities, keras.backend.epsilon(), 1.0))
