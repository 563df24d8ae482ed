"""Losses and metrics against NumPy."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hypermodels.losses import LOSSES, RowLoss
from hypermodels.problem import Problem
from tests.hypermodels.helpers import PROBLEMS, arrays, build, evaluate


def predict(model: Any, x: Any) -> Any:
    return model(x).numpy().astype("float64")


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.2])
def test_label_smoothing_of_several_classes(smoothing: float) -> None:
    x, y = arrays("multiclass")
    model = build("multiclass", label_smoothing=smoothing)
    logs = evaluate(model, x, y, "multiclass")
    probabilities = predict(model, x)
    targets = np.eye(3)[y] * (1 - smoothing) + smoothing / 3
    expected = -(targets * np.log(probabilities)).sum(axis=1).mean()
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.2])
def test_label_smoothing_of_two_classes(smoothing: float) -> None:
    x, y = arrays("binary")
    model = build("binary", label_smoothing=smoothing)
    logs = evaluate(model, x, y, "binary")
    probability = predict(model, x)[:, 0]
    targets = y * (1 - smoothing) + smoothing / 2
    expected = -(targets * np.log(probability) + (1 - targets) * np.log(1 - probability)).mean()
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_log_loss_and_accuracy_know_nothing_of_smoothing_and_penalties(task: str) -> None:
    x, y = arrays(task)
    model = build(task, label_smoothing=0.2, regularizer="elastic_net", l1=0.01, l2=0.01)
    logs = evaluate(model, x, y, task)
    probabilities = predict(model, x)
    if task == "binary":
        probabilities = np.concatenate([1 - probabilities, probabilities], axis=1)
    expected = -np.log(probabilities[np.arange(len(y)), y]).mean()
    assert logs["log_loss"] == pytest.approx(expected, rel=1e-4)
    assert logs["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == y).mean())
    assert logs["loss"] > expected + 0.05


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


def test_regression_metrics_are_in_the_targets_own_units() -> None:
    problem: Problem = PROBLEMS["regression"]
    x, y = arrays("regression")
    model = build("regression")
    logs = evaluate(model, x, y, "regression")
    target = y * problem.target_scale + problem.target_mean
    predicted = predict(model, x)[:, 0] * problem.target_scale + problem.target_mean
    residual = target - predicted
    assert logs["rmse"] == pytest.approx(np.sqrt((residual**2).mean()), rel=1e-5)
    assert logs["mae"] == pytest.approx(np.abs(residual).mean(), rel=1e-5)
    r2 = 1 - (residual**2).sum() / ((target - target.mean()) ** 2).sum()
    assert logs["r2"] == pytest.approx(r2, rel=1e-4)
    assert logs["rmse"] > 10  # of a target whose standard deviation is 25


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


def test_masked_rows_count_as_in_kerass_losses() -> None:
    inputs = keras.Input((4, 2))
    hidden = keras.layers.TimeDistributed(keras.layers.Dense(3, activation="softmax"))(
        keras.layers.Masking()(inputs)
    )
    model = keras.Model(inputs, hidden)
    x = np.random.default_rng(0).normal(size=(5, 4, 2)).astype("float32")
    x[:, 2:] = 0.0
    y = np.ones((5, 4), "int32")
    predicted = model(x)

    class OfKeras(RowLoss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)

    expected = keras.losses.SparseCategoricalCrossentropy()(y, predicted)
    assert float(OfKeras()(y, predicted)) == pytest.approx(float(expected), rel=1e-6)
    whole = keras.losses.SparseCategoricalCrossentropy()(y, tf.identity(predicted))
    assert abs(float(expected) - float(whole)) > 0.005
