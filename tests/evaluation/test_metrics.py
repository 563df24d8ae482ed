"""The metrics of finished models against closed forms."""

import math
import warnings

import numpy as np
import pytest
from sklearn import metrics

from src.evaluation.metrics import class_probabilities, evaluate, predicted_labels


def test_binary_against_counts() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    prediction = np.array([0.1, 0.6, 0.2, 0.9, 0.8, 0.3, 0.7, 0.55], dtype=np.float32)[:, None]
    found = evaluate("binary", truth, prediction)
    # Class 1: 4 of 5 found, 4 of 5 right; class 0: 2 of 3 found, 2 of 3 right.
    right = prediction[:, 0].astype(float)
    pairs = [(p, n) for p in right[truth == 1] for n in right[truth == 0]]
    assert found == pytest.approx(
        {
            "accuracy": 6 / 8,
            "balanced_accuracy": (4 / 5 + 2 / 3) / 2,
            "precision": (4 / 5 + 2 / 3) / 2,
            "recall": (4 / 5 + 2 / 3) / 2,
            "f1": (4 / 5 + 2 / 3) / 2,
            "roc_auc": np.mean([p > n for p, n in pairs]),
            # At each row of class 1, the share of class 1 among it and those above it.
            "pr_auc": (1 + 1 + 1 + 4 / 5 + 5 / 6) / 5,
            "log_loss": -np.mean(np.log(np.where(truth == 1, right, 1 - right))),
        }
    )


def test_a_probability_of_one_half_is_class_0() -> None:
    assert evaluate("binary", np.array([0, 1]), np.array([[0.5], [0.51]]))["accuracy"] == 1.0


def test_a_threshold_decides_and_changes_nothing_of_the_probabilities() -> None:
    truth = np.array([0, 0, 1, 1])
    prediction = np.array([[0.1], [0.3], [0.25], [0.3]], np.float32)
    assert predicted_labels("binary", prediction, 0.25).tolist() == [0, 1, 1, 1]
    assert predicted_labels("binary", prediction, 0.3).tolist() == [0, 1, 0, 1]  # in float32
    plain, decided = (
        evaluate("binary", truth, prediction),
        evaluate("binary", truth, prediction, 0.25),
    )
    assert (plain["accuracy"], decided["accuracy"]) == (0.5, 0.75)
    assert plain["f1"] == pytest.approx(1 / 3)
    assert decided["f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    for name in ("roc_auc", "pr_auc", "log_loss"):
        assert plain[name] == decided[name]


def test_probabilities_that_are_equal_stay_so() -> None:
    """Rows of float32 sum to 1 but for rounding, which must not rank them."""
    rows = [[1.0, 3e-8, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.5, 0.5]]
    certain = np.array(rows, np.float32)
    found = evaluate("multiclass", np.array([1, 0, 1, 2]), certain)
    assert found["roc_auc"] == pytest.approx((2.5 / 3 + 2.5 / 4 + 2.5 / 3) / 3)


def test_multiclass_against_scikit_learn() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, 200)
    prediction = random.dirichlet(np.ones(4), 200).astype(np.float32)
    prediction[:100, :] += np.eye(4, dtype=np.float32)[truth[:100]]
    prediction /= prediction.sum(axis=1, keepdims=True)
    label = prediction.argmax(axis=1)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, label, average="macro"
    )
    areas = [metrics.roc_auc_score(truth == c, prediction[:, c]) for c in range(4)]
    precisions = [metrics.average_precision_score(truth == c, prediction[:, c]) for c in range(4)]
    expected = {
        "accuracy": np.mean(truth == label),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, label),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": np.mean(areas),
        "pr_auc": np.mean(precisions),
        "log_loss": -np.mean(np.log(prediction[np.arange(200), truth])),
    }
    assert evaluate("multiclass", truth, prediction) == pytest.approx(expected, rel=1e-5)


def test_a_class_without_rows_has_no_roc_auc_and_counts_where_it_is_predicted() -> None:
    truth = np.array([0, 0, 1, 1])
    prediction = np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate("multiclass", truth, prediction)
    assert found["roc_auc"] is None
    assert found["pr_auc"] is None
    assert found["balanced_accuracy"] == pytest.approx((0.5 + 1) / 2)  # of the classes there are
    assert found["recall"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["precision"] == pytest.approx((1 + 1 + 0) / 3)
    assert found["log_loss"] == pytest.approx(-(math.log(0.8) * 3 + math.log(0.2)) / 4)


def test_rows_of_a_single_class() -> None:
    found = evaluate("binary", np.array([1, 1]), np.array([[0.9], [0.4]]))
    assert found["roc_auc"] is None
    assert found["pr_auc"] is None
    assert found["accuracy"] == 0.5
    assert found["log_loss"] == pytest.approx(-(math.log(0.9) + math.log(0.4)) / 2)


def test_certain_and_wrong_predictions_stay_finite() -> None:
    found = evaluate("binary", np.array([0, 1]), np.array([[1.0], [0.0]], dtype=np.float32))
    assert found["log_loss"] is not None
    assert 10 < found["log_loss"] < 100
    assert found["f1"] == 0.0


def test_regression_against_closed_forms() -> None:
    truth = np.array([1.0, 2.0, 3.0, 6.0])
    prediction = np.array([[1.0], [2.5], [2.0], [8.0]])
    assert evaluate("regression", truth, prediction) == pytest.approx(
        {
            "rmse": math.sqrt((0.25 + 1 + 4) / 4),
            "mae": 3.5 / 4,
            "r2": 1 - 5.25 / 14,  # the squares around the mean, 3: 4 + 1 + 0 + 9
        }
    )


def test_a_single_row_has_no_r2() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate("regression", np.array([1.0]), np.array([[3.0]]))
    assert found == {"rmse": 2.0, "mae": 2.0, "r2": None}


def test_class_probabilities_are_float64_and_sum_to_1() -> None:
    rounded = np.array([[0.3333, 0.3333, 0.3333]], dtype=np.float32)
    found = class_probabilities("multiclass", rounded)
    assert found.dtype == np.float64
    assert found.sum() == pytest.approx(1.0, abs=1e-15)
    assert class_probabilities("binary", np.array([[0.25]])).tolist() == [[0.75, 0.25]]
