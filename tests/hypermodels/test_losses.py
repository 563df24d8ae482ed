"""Losses against NumPy and against Keras's own."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hypermodels.losses import LOSSES
from tests.hypermodels.helpers import arrays, build, evaluate


def predict(model: Any, x: Any) -> Any:
    return model(x).numpy().astype("float64")


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_label_smoothing(smoothing: float) -> None:
    x, y = arrays("multiclass")
    model = build("multiclass", label_smoothing=smoothing)
    targets = np.eye(3)[y] * (1 - smoothing) + smoothing / 3
    expected = -(targets * np.log(predict(model, x))).sum(axis=1).mean()
    assert evaluate(model, x, y, "multiclass")["loss"] == pytest.approx(expected, rel=1e-5)
    x, y = arrays("binary")
    model = build("binary", label_smoothing=smoothing)
    probability = predict(model, x)[:, 0]
    targets = y * (1 - smoothing) + smoothing / 2
    expected = -(targets * np.log(probability) + (1 - targets) * np.log(1 - probability)).mean()
    assert evaluate(model, x, y, "binary")["loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_regression_losses_are_of_the_standardised_target(loss: str) -> None:
    x, y = arrays("regression")
    model = build("regression", loss_function=loss)
    error = np.abs(predict(model, x)[:, 0] - y)
    expected = {
        "mse": error**2,
        "mae": error,
        "huber": np.where(error <= 1, error**2 / 2, error - 0.5),
    }[loss].mean()
    assert evaluate(model, x, y, "regression")["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("task", "stock"),
    [
        ("multiclass", keras.losses.SparseCategoricalCrossentropy()),
        ("binary", keras.losses.BinaryCrossentropy()),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_without_smoothing_value_and_gradient_are_kerass(
    task: str, stock: Any, weighted: bool
) -> None:
    x, y = arrays(task)
    y = y.reshape(-1, 1) if task == "binary" else y
    weights = np.linspace(0.1, 2.0, len(x)).astype("float32") if weighted else None
    model = build(task, label_smoothing=0.0)
    assert model.loss.tunables == {}
    found = []
    for loss in (model.loss, stock):
        with tf.GradientTape() as tape:
            value = loss(y, model(x), weights)
        found.append([value, *tape.gradient(value, model.trainable_variables)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)


def test_the_gradient_of_a_saturated_softmax_does_not_vanish() -> None:
    model = build("multiclass", layers=1, label_smoothing=0.0)
    model.layers[-1].bias.assign([200.0, 0.0, 0.0])
    x, y = arrays("multiclass")

    @tf.function  # type: ignore[untyped-decorator, unused-ignore]
    def gradient() -> Any:
        with tf.GradientTape() as tape:
            loss = model.loss(np.ones_like(y), model(x))
        return tape.gradient(loss, model.layers[-1].bias.value)

    np.testing.assert_allclose(gradient(), [1.0, -1.0, 0.0], atol=1e-6)
