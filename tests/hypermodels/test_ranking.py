"""Areas under curves against scikit-learn's."""

import math
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from hypermodels.ranking import average_precision, roc_auc


def draw(seed: int) -> tuple[Any, Any]:
    """Labels and probabilities of any number of rows and classes, with many or few ties."""
    random = np.random.default_rng(seed)
    rows, classes = int(random.integers(10, 400)), int(random.integers(2, 6))
    labels = random.permutation(np.arange(rows) % classes)
    if seed % 3 == 0:  # rare classes
        labels = np.minimum(labels, random.integers(0, classes, rows))
        labels[:classes] = np.arange(classes)
    probabilities = random.dirichlet(np.full(classes, 0.3), rows).astype("float32")
    probabilities[np.arange(rows), labels] += np.float32(random.uniform(0, 0.5))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    if seed % 2:
        probabilities = probabilities.round(1)  # zeros and ones among them
    return labels, probabilities[:, 1:] if classes == 2 else probabilities


def test_they_are_scikit_learns() -> None:
    for seed in range(60):
        labels, probabilities = draw(seed)
        columns = enumerate(probabilities.T, start=int(probabilities.shape[1] == 1))
        areas, precisions = [], []
        for label, column in columns:
            areas.append(metrics.roc_auc_score(labels == label, column))
            precisions.append(metrics.average_precision_score(labels == label, column))
        assert roc_auc(labels, probabilities) == pytest.approx(np.mean(areas), abs=1e-12)
        found = average_precision(labels, probabilities)
        assert found == pytest.approx(np.mean(precisions), abs=1e-12)


def test_by_hand() -> None:
    labels = np.array([0, 1, 0, 1, 1])
    probabilities = np.array([[0.1], [0.4], [0.4], [0.4], [0.9]], np.float32)
    assert roc_auc(labels, probabilities) == (3 + 2 * 0.5 + 1) / 6
    assert average_precision(labels, probabilities) == pytest.approx((1 + 3 / 4 + 3 / 4) / 3)


def test_the_probabilities_stay_as_they_are() -> None:
    labels, probabilities = np.array([1, 0]), np.array([[0.9], [0.1]], np.float32)
    assert roc_auc(labels, probabilities) == average_precision(labels, probabilities) == 1.0
    np.testing.assert_array_equal(probabilities, np.array([[0.9], [0.1]], np.float32))


def test_without_a_row_of_a_class_they_are_not_defined() -> None:
    for label in (0, 1):
        labels, probabilities = np.full(3, label), np.array([[0.2], [0.4], [0.2]], np.float32)
        assert math.isnan(roc_auc(labels, probabilities))
        assert math.isnan(average_precision(labels, probabilities))
    three = np.full((4, 3), 1 / 3, np.float32)
    assert math.isnan(roc_auc(np.array([0, 1, 0, 1]), three))
    assert roc_auc(np.array([0, 1, 2, 1]), three) == 0.5
