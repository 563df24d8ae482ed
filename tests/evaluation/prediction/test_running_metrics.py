"""Metrics of pieces are those of the whole."""

from typing import Any

import numpy as np
import pytest

from src.evaluation.metrics import evaluate
from src.evaluation.prediction.running_metrics import RunningMetrics


def predictions(task: str, rows: int, classes: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    if task == "regression":
        truth = rng.normal(1e6, 30, rows)
        return truth, (truth + rng.normal(0, 10, rows)).astype(np.float32)[:, None]
    label = rng.integers(0, classes, rows)
    scores = rng.dirichlet(np.ones(classes), rows).astype(np.float32).round(2)
    return label, scores[:, 1:] if task == "binary" else scores + np.float32(1e-3)


@pytest.mark.parametrize(
    ("task", "classes", "threshold"),
    [("binary", 2, None), ("binary", 2, 0.3), ("multiclass", 4, None), ("regression", 0, None)],
)
@pytest.mark.parametrize("piece", [1, 7, 500])
def test_they_are_those_of_all_rows_at_once(
    task: Any, classes: int, threshold: float | None, piece: int
) -> None:
    truth, prediction = predictions(task, 300, classes, 0)
    running = RunningMetrics(task, classes, threshold)
    for start in range(0, len(truth), piece):
        running.add(truth[start : start + piece], prediction[start : start + piece])
    expected = evaluate(task, truth, prediction, threshold)
    found = running.result()
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, rel=1e-9)
    assert running.rows == 300


def test_a_class_that_never_comes_counts_as_it_does_for_scikit_learn() -> None:
    truth = np.array([0, 0, 2, 2])
    prediction = np.eye(4, dtype=np.float32)[[0, 2, 2, 2]]
    running = RunningMetrics("multiclass", 4)
    running.add(truth, prediction)
    expected = evaluate("multiclass", truth, prediction)
    assert expected["roc_auc"] is None
    assert running.result() == pytest.approx(expected)


def test_one_row_and_equal_targets_have_no_r2() -> None:
    running = RunningMetrics("regression", 0)
    running.add(np.array([4.0]), np.array([[5.0]], np.float32))
    assert running.result() == {"rmse": 1.0, "mae": 1.0, "r2": None}
    running.add(np.array([4.0]), np.array([[4.0]], np.float32))
    assert running.result()["r2"] is None
