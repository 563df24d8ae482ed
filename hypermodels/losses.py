"""Losses of each task, and the hyperparameters that they have."""

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


class RowLoss(keras.losses.Loss):
    """A loss of each row, and its mean over the rows of a batch in half of Keras's operations.

    Weights, masks, other reductions and other types than the loss's own are left to Keras.
    """

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Labels, predictions and weights, or None, of the rows, at least one; returns a scalar."""
        y_pred = keras.ops.convert_to_tensor(y_pred)
        # A tensor's mask has no public name.
        usual = sample_weight is None and getattr(y_pred, "_keras_mask", None) is None
        if not usual or self.reduction != "sum_over_batch_size" or y_pred.dtype != self.dtype:
            return super().__call__(y_true, y_pred, sample_weight)
        losses = self.call(y_true, y_pred)
        return tf.reduce_sum(losses) * tf.math.reciprocal(tf.cast(tf.size(losses), losses.dtype))


class BinaryCrossentropy(RowLoss):
    """Cross-entropy of labels 0 and 1, as Keras's, with the label smoothing as a variable.

    Attributes:
        tunables: the variable `label_smoothing`, unless that is 0.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__(name="cross_entropy")
        self.tunables = _smoothing(label_smoothing)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Labels and probabilities of shape `(rows, 1)`."""
        y_true = tf.cast(y_true, y_pred.dtype)
        if self.tunables:
            smoothing = tf.cast(self.tunables["label_smoothing"], y_pred.dtype)
            y_true = y_true * (1.0 - smoothing) + 0.5 * smoothing
        return keras.losses.binary_crossentropy(y_true, y_pred)


class SparseCrossentropy(RowLoss):
    """Cross-entropy of integer labels with label smoothing, which Keras has for one-hot ones only.

    Label smoothing follows Szegedy et al., "Rethinking the Inception architecture" (2016).

    Attributes:
        tunables: the variable `label_smoothing`, unless that is 0.
    """

    def __init__(self, classes: int, label_smoothing: float = 0.0) -> None:
        super().__init__(name="cross_entropy")
        self.classes = classes
        self.tunables = _smoothing(label_smoothing)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Labels of shape `(rows,)` or `(rows, 1)` and probabilities `(rows, classes)`."""
        labels = tf.cast(tf.reshape(y_true, (-1,)), tf.int32)
        logits = _logits(y_pred)
        if not self.tunables:
            return tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
                features=logits, labels=labels
            ).loss
        smoothing = tf.cast(self.tunables["label_smoothing"], y_pred.dtype)
        share = smoothing / self.classes
        targets = tf.one_hot(labels, self.classes, 1.0 - smoothing + share, share)
        return tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=logits, labels=targets).loss


def _smoothing(value: float) -> dict[str, Any]:
    """Its variable by its name; nothing for 0, which costs no operations then."""
    return {"label_smoothing": tunable("label_smoothing", value)} if value else {}


def _logits(probabilities: Any) -> Any:
    """What softmax made the probabilities of, as Keras's own losses find it, or their logarithms.

    Gradients through a saturated softmax would vanish.
    """
    if tf.is_symbolic_tensor(probabilities) and probabilities.op.type == "Softmax":
        return probabilities.op.inputs[0]
    return tf.math.log(tf.clip_by_value(probabilities, keras.backend.epsilon(), 1.0))
