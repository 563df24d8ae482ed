"""Losses of each task, and the hyperparameters that they have."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hypermodels.problem import Problem
from hypermodels.tunables import tunable

LOSSES = {
    "mse": keras.losses.MeanSquaredError,
    "mae": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,
}
LIMITS = {"label_smoothing": (0.0, 0.9)}
TUNABLES = frozenset({"label_smoothing"})
# They change what the loss means: the losses of trials that differ in one cannot be compared.
LOSS_HYPERPARAMETERS = frozenset(
    {"loss_function", "label_smoothing", "regularizer", "l1", "l2"} | {"regularization_schedule"}
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
        return LOSSES[hp.get("loss_function")]()
    loss = BinaryCrossentropy if problem.task == "binary" else SparseCrossentropy
    return loss(problem.classes, hp.get("label_smoothing"))


def balanced_weights(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A weight for each row, float32, by which each class has the same total."""
    _, codes, counts = np.unique(labels.reshape(-1), return_inverse=True, return_counts=True)
    weights: np.ndarray[Any, Any] = len(codes) / (len(counts) * counts)
    return weights.astype(np.float32)[codes]


class Crossentropy(keras.losses.Loss):
    """The mean cross-entropy of a batch in half of Keras's operations.

    Label smoothing (Szegedy et al. 2016) is a variable in `tunables`, unless it is 0.
    """

    def __init__(self, classes: int, label_smoothing: float = 0.0) -> None:
        super().__init__(name="cross_entropy")
        self.classes = classes
        self.tunables = {}
        if label_smoothing:
            self.tunables["label_smoothing"] = tunable("label_smoothing", label_smoothing)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns a scalar; Keras treats sample weights."""
        if sample_weight is not None:
            return super().__call__(y_true, y_pred, sample_weight)
        losses = self.call(y_true, tf.convert_to_tensor(y_pred))
        return tf.reduce_sum(losses) * tf.math.reciprocal(tf.cast(tf.size(losses), losses.dtype))


class BinaryCrossentropy(Crossentropy):
    """The cross-entropy of labels 0 and 1."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Labels and probabilities of shape `(rows, 1)`."""
        y_true = tf.cast(y_true, y_pred.dtype)
        if self.tunables:
            smoothing = tf.cast(self.tunables["label_smoothing"], y_pred.dtype)
            y_true = y_true * (1.0 - smoothing) + 0.5 * smoothing
        return keras.losses.binary_crossentropy(y_true, y_pred)


class SparseCrossentropy(Crossentropy):
    """The cross-entropy of integer labels; Keras smooths one-hot labels only."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Labels of shape `(rows,)` or `(rows, 1)` and probabilities `(rows, classes)`."""
        labels = tf.cast(tf.reshape(y_true, (-1,)), tf.int32)
        operations, logits = tf.raw_ops, _logits(y_pred)
        if not self.tunables:
            return operations.SparseSoftmaxCrossEntropyWithLogits(
                features=logits, labels=labels
            ).loss
        smoothing = tf.cast(self.tunables["label_smoothing"], y_pred.dtype)
        share = smoothing / self.classes
        targets = tf.one_hot(labels, self.classes, 1.0 - smoothing + share, share)
        return operations.SoftmaxCrossEntropyWithLogits(features=logits, labels=targets).loss


def _logits(probabilities: Any) -> Any:
    """The inputs of the softmax, as a saturated softmax has no gradient; or else logarithms."""
    if tf.is_symbolic_tensor(probabilities) and probabilities.op.type == "Softmax":
        return probabilities.op.inputs[0]
    return tf.math.log(tf.clip_by_value(probabilities, keras.backend.epsilon(), 1.0))
