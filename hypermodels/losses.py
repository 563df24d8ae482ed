"""Losses and metrics of each task, under the names that objectives, tables and charts use."""

from typing import Any

import keras

from hypermodels.problem import Problem

LOSSES = ("mse", "mae", "huber")
LIMITS = {"label_smoothing": (0.0, 0.9)}
# Hyperparameters that change what the loss means: where one of them is searched, the losses of two
# trials cannot be compared.
LOSS_HYPERPARAMETERS = frozenset({"loss_function", "label_smoothing", "regularizer", "l1", "l2"})


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
        return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
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
        keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
        keras.metrics.SparseCategoricalCrossentropy(name="log_loss"),
    ]


class SparseCrossentropy(keras.losses.Loss):
    """Cross-entropy of integer labels with label smoothing, which Keras has for one-hot ones only.

    Label smoothing follows Szegedy et al., "Rethinking the Inception architecture" (2016).
    """

    def __init__(self, classes: int, label_smoothing: float = 0.0) -> None:
        super().__init__(name="cross_entropy")
        self.classes = classes
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Labels of shape `(rows,)` or `(rows, 1)` and probabilities `(rows, classes)`."""
        labels = keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "int32")
        return keras.losses.categorical_crossentropy(
            keras.ops.one_hot(labels, self.classes),
            y_pred,
            label_smoothing=self.label_smoothing,
        )


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
