"""Bootstrap intervals: exact metrics of every replicate, and ends that cover what they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypermodels.problem import Task
from src.evaluation import metrics
from src.evaluation.bootstrap import intervals, weighted_metrics


def problem(task: Task, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels or targets, and what a model gives for them; some predictions are equal."""
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


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    rows=st.integers(2, 40),
    seed=st.integers(0, 10_000),
    threshold=st.sampled_from([None, 0.3]),
)
def test_a_replicate_has_the_metrics_of_the_rows_that_it_drew(
    task: Task, rows: int, seed: int, threshold: float | None
) -> None:
    truth, prediction = problem(task, rows, seed)
    cut = threshold if task == "binary" else None
    counts = np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), size=5)
    found = weighted_metrics(task, truth, prediction, cut, counts)
    for replicate, count in enumerate(counts):
        drawn = np.repeat(np.arange(rows), count)
        expected = metrics.evaluate(task, truth[drawn], prediction[drawn], cut)
        assert set(found) == set(expected)
        for name, value in expected.items():
            own = found[name][replicate]
            if value is None or (name == "r2" and len(np.unique(drawn)) == 1):
                assert np.isnan(own), name
            else:
                assert own == pytest.approx(value, rel=1e-5, abs=1e-6), name


def test_the_interval_of_an_accuracy_is_that_of_a_share() -> None:
    truth = np.repeat([0, 1], 500)
    prediction = np.where(np.arange(1000) % 10 == 0, 1 - truth, truth)[:, None].astype(np.float32)
    low, high = intervals("binary", truth, prediction)["accuracy"] or (0.0, 0.0)
    assert low == pytest.approx(0.9 - 1.96 * np.sqrt(0.9 * 0.1 / 1000), abs=0.004)
    assert high == pytest.approx(0.9 + 1.96 * np.sqrt(0.9 * 0.1 / 1000), abs=0.004)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    covered = []
    for seed in range(100):
        truth, prediction = problem("regression", 120, seed)
        low, high = intervals("regression", truth, prediction, replicates=100)["mae"] or (0, 0)
        covered.append(low <= 2.0 * np.sqrt(2 / np.pi) <= high)
    assert 0.88 <= np.mean(covered) <= 0.99


def test_the_same_seed_draws_the_same_rows_however_many_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    truth, prediction = problem("multiclass", 50, 0)
    whole = intervals("multiclass", truth, prediction, replicates=40)
    assert intervals("multiclass", truth, prediction, replicates=40) == whole
    assert intervals("multiclass", truth, prediction, replicates=40, seed=1) != whole
    monkeypatch.setattr("src.evaluation.bootstrap.CELLS", 350)  # seven replicates
    assert intervals("multiclass", truth, prediction, replicates=40) == whole


def test_a_metric_that_few_replicates_define_has_no_interval() -> None:
    truth = np.array([0, 1, 1, 1, 1, 1])
    prediction = np.linspace(0.2, 0.8, 6, dtype=np.float32)[:, None]
    found = intervals("binary", truth, prediction)
    assert found["roc_auc"] is None
    assert found["log_loss"] is not None
