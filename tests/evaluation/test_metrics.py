"""Metrics and their bootstrap intervals against scikit-learn and closed forms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from hypermodels.problem import Task
from src.evaluation.metrics import evaluate, intervals, weighted_metrics
from src.evaluation.outputs import class_probabilities, predicted_labels


def problem(task: Task, rows: int, seed: int) -> tuple[Any, Any]:
    """Labels or targets, and a model's outputs; some of them are equal."""
    random = np.random.default_rng(seed)
    if task == "regression":
        truth = random.normal(1000.0, 3.0, rows)
        return truth, (truth + random.normal(0, 2.0, rows))[:, None].astype(np.float32)
    classes = 2 if task == "binary" else 4
    label = random.integers(0, classes, rows)
    scores = random.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[label]
    odds = np.exp(np.round(scores, 1))
    probability = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    return label, probability[:, 1:] if task == "binary" else probability


def by_scikit_learn(
    task: Task, truth: Any, outputs: Any, threshold: float | None
) -> dict[str, float]:
    """NaN where a metric is not defined."""
    if task == "regression":
        value = outputs[:, 0]
        return {
            "rmse": metrics.root_mean_squared_error(truth, value),
            "mae": metrics.mean_absolute_error(truth, value),
            "r2": metrics.r2_score(truth, value) if len(np.unique(truth)) > 1 else np.nan,
        }
    probability = class_probabilities(task, outputs)
    label = predicted_labels(task, outputs, threshold)
    macro: dict[str, Any] = {"average": "macro", "zero_division": 0.0}
    present = np.unique(truth)
    classes = [1] if task == "binary" else range(4)

    def area(of_one: Callable[..., float]) -> float:
        if len(present) < max(2, len(classes)):
            return np.nan
        pairs = zip(classes, outputs.T, strict=True)
        return float(np.mean([of_one(truth == c, column) for c, column in pairs]))

    return {
        "accuracy": metrics.accuracy_score(truth, label),
        "balanced_accuracy": metrics.recall_score(truth, label, average="macro", labels=present),
        "precision": metrics.precision_score(truth, label, **macro),
        "recall": metrics.recall_score(truth, label, **macro),
        "f1": metrics.f1_score(truth, label, **macro),
        "roc_auc": area(metrics.roc_auc_score),
        "pr_auc": area(metrics.average_precision_score),
        "log_loss": metrics.log_loss(truth, probability, labels=range(probability.shape[1])),
    }


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    rows=st.integers(1, 40),
    seed=st.integers(0, 10_000),
    threshold=st.sampled_from([None, 0.3]),
)
def test_metrics_of_rows_and_of_rows_drawn_again_are_those_of_scikit_learn(
    task: Task, rows: int, seed: int, threshold: float | None
) -> None:
    truth, outputs = problem(task, rows, seed)
    value = threshold if task == "binary" else None
    expected = by_scikit_learn(task, truth, outputs, value)
    found = evaluate(task, truth, outputs, value)
    found = {name: np.nan if number is None else number for name, number in found.items()}
    assert found == pytest.approx(expected, rel=1e-9, nan_ok=True)
    counts = np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), size=3)
    replicates = weighted_metrics(task, truth, outputs, value, counts)
    for number, count in enumerate(counts):
        drawn = np.repeat(np.arange(rows), count)
        expected = by_scikit_learn(task, truth[drawn], outputs[drawn], value)
        own = {name: float(values[number]) for name, values in replicates.items()}
        assert own == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_undefined_metrics_are_none() -> None:
    one_class = evaluate("binary", np.array([1, 1]), np.array([[0.9], [0.4]]))
    assert (one_class["accuracy"], one_class["roc_auc"], one_class["pr_auc"]) == (0.5, None, None)
    one_row = evaluate("regression", np.array([1.0]), np.array([[3.0]]))
    assert one_row == {"rmse": 2.0, "mae": 2.0, "r2": None}
    assert evaluate("regression", np.full(3, 0.1), np.zeros((3, 1)))["r2"] is None


def test_labels_of_half_and_of_a_threshold() -> None:
    outputs = np.array([[0.1], [0.3], [0.25], [0.5]], np.float32)
    assert predicted_labels("binary", outputs).tolist() == [0, 0, 0, 0]
    assert predicted_labels("binary", outputs, 0.25).tolist() == [0, 1, 1, 1]
    assert predicted_labels("binary", outputs, 0.3).tolist() == [0, 1, 0, 1]  # in float32


def test_probabilities_that_are_equal_stay_so() -> None:
    """Rows of float32 sum to 1 but for rounding, which must not rank them."""
    rows = [[1.0, 3e-8, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.5, 0.5]]
    found = evaluate("multiclass", np.array([1, 0, 1, 2]), np.array(rows, np.float32))
    assert found["roc_auc"] == pytest.approx((2.5 / 3 + 2.5 / 4 + 2.5 / 3) / 3)
    assert class_probabilities("multiclass", np.full((1, 3), 0.3333, np.float32)).sum() == 1


def test_certain_and_wrong_predictions_stay_finite() -> None:
    found = evaluate("binary", np.array([0, 1]), np.array([[1.0], [0.0]], dtype=np.float32))
    assert found["log_loss"] == pytest.approx(-np.log(np.finfo(float).eps))


def test_the_interval_of_an_accuracy_is_that_of_a_share() -> None:
    truth = np.repeat([0, 1], 500)
    outputs = np.where(np.arange(1000) % 10 == 0, 1 - truth, truth)[:, None].astype(np.float32)
    ends = intervals("binary", truth, outputs, None)["accuracy"]
    margin = 1.96 * np.sqrt(0.9 * 0.1 / 1000)
    assert ends == pytest.approx((0.9 - margin, 0.9 + margin), abs=0.004)


def test_a_metric_that_few_replicates_define_has_no_interval() -> None:
    outputs = np.linspace(0.2, 0.8, 6, dtype=np.float32)[:, None]
    found = intervals("binary", np.array([0, 1, 1, 1, 1, 1]), outputs, None)
    assert found["roc_auc"] is None
    assert found["log_loss"] is not None
