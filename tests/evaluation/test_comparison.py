"""Two trials with repeats: whether they differ by more than chance."""

import keras_tuner as kt
import numpy as np
import pytest
from scipy import stats

from src.evaluation.comparison import Lead, lead_of_the_first
from src.records import FitResult, TrialRecord, TrialResult, TrialSpec
from src.search.progress import SearchProgress


def record(number: int, scores: list[float], folds: int = 1) -> TrialRecord:
    spec = TrialSpec(
        *(f"{number:04}", f"{number:04}", None, {"space": [], "values": {}}, 0, 3),
        executions=len(scores) // folds,
        folds=folds,
    )
    fits = tuple(
        FitResult(index // folds, index % folds, score, 2, 3, {"val_loss": score})
        for index, score in enumerate(scores)
    )
    return TrialRecord(spec, TrialResult("COMPLETED", fits, "", "", (), 10, 0.0, 1.0, "0"))


def lead(
    first: list[float], second: list[float], direction: str = "max", folds: int = 1
) -> Lead | None:
    progress = SearchProgress(kt.Objective("val_accuracy", direction), 2)
    progress.records += [record(0, second, folds), record(1, first, folds)]
    return lead_of_the_first(progress)


def test_pairs_tell_apart_what_spreads_would_not() -> None:
    found = lead([0.721, 0.82, 0.919, 0.62], [0.7, 0.8, 0.9, 0.6])
    assert found is not None
    assert found.is_distinguishable
    assert found.mean == pytest.approx(0.02)
    assert found.text.startswith("0001 is better than 0000 by 0.02 ± 0.0013 (95 %, 4 fits of each)")
    assert "more than chance" in found.text


def test_differences_that_vary_do_not() -> None:
    found = lead([0.9, 0.8, 0.85], [0.8, 0.85, 0.84])
    assert found is not None
    assert not found.is_distinguishable
    assert "cannot be told apart" in found.text


def test_the_margin_of_executions_is_that_of_a_paired_t_test() -> None:
    first, second = [0.9, 0.8, 0.85], [0.8, 0.75, 0.84]
    found = lead(first, second)
    interval = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert found is not None
    assert found.mean - found.margin == pytest.approx(interval.low)
    assert found.mean + found.margin == pytest.approx(interval.high)


def test_folds_share_training_rows_which_widens_the_margin() -> None:
    first, second = [0.9, 0.8, 0.85, 0.7], [0.8, 0.75, 0.84, 0.66]
    seeds, folds = lead(first, second), lead(first, second, folds=4)
    assert seeds is not None
    assert folds is not None
    assert folds.margin == pytest.approx(seeds.margin * np.sqrt((1 / 4 + 1 / 3) / (1 / 4)))


def test_lower_is_better_where_it_is() -> None:
    found = lead([0.1, 0.11, 0.1], [0.3, 0.31, 0.29], direction="min")
    assert found is not None
    assert found.mean > 0
    assert found.is_distinguishable


def test_single_fits_say_nothing() -> None:
    assert lead([0.9], [0.8]) is None
    progress = SearchProgress(kt.Objective("val_accuracy", "max"), 1)
    progress.records.append(record(0, [0.9, 0.8]))
    assert lead_of_the_first(progress) is None


def test_standard_errors_of_all_metrics() -> None:
    result = record(0, [0.9, 0.8, 0.85]).result
    expected = np.std([0.9, 0.8, 0.85], ddof=1) / np.sqrt(3)
    assert result.score_error == pytest.approx(expected)
    assert result.errors == {"val_loss": pytest.approx(expected)}
    single = record(0, [0.9]).result
    assert (single.score_error, single.errors) == (None, {})
