"""Metrics of classes against scikit-learn's."""

import math
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from hypermodels.class_metrics import average_precision, balanced_accuracy, macro_f1, roc_auc
from hypermodels.metrics import ON_REQUEST
from tests.hypermodels.test_metrics import expected


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
    for seed in range(20):
        labels, probabilities = draw(seed)
        judged = expected(labels, probabilities)
        for name, metric in ON_REQUEST["binary"].items():
            assert metric(labels, probabilities) == pytest.approx(judged[name], abs=1e-12), name


def test_classes_without_rows_count_as_in_scikit_learn() -> None:
    labels = np.array([0, 0, 1, 1])
    predicted = np.eye(4, dtype="float32")[[0, 2, 1, 1]]  # class 2 is predicted, class 3 never
    assert balanced_accuracy(labels, predicted) == 0.75
    f1 = metrics.f1_score(labels, [0, 2, 1, 1], average="macro")
    assert macro_f1(labels, predicted) == pytest.approx(f1, rel=1e-12)


def test_without_a_row_of_a_class_areas_are_not_defined() -> None:
    for label in (0, 1):
        labels, probabilities = np.full(3, label), np.array([[0.2], [0.4], [0.2]], np.float32)
        assert math.isnan(roc_auc(labels, probabilities))
        assert math.isnan(average_precision(labels, probabilities))
    three = np.full((4, 3), 1 / 3, np.float32)
    assert math.isnan(roc_auc(np.array([0, 1, 0, 1]), three))
    assert roc_auc(np.array([0, 1, 2, 1]), three) == 0.5
