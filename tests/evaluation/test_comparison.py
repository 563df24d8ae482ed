"""Whether two trials with repeats differ by more than chance."""

import numpy as np
import pytest
from scipy import stats

from src.evaluation.comparison import Lead, lead_of_the_first
from src.records import FitResult, TrialRecord, TrialResult, TrialSpec


def record(number: int, scores: list[float], folds: int = 1) -> TrialRecord:
    trial_id = f"{number:04}"
    spec = TrialSpec(trial_id, trial_id, None, {"space": [], "values": {}}, 0, 3, folds=folds)
    fits = tuple(
        FitResult(index // folds, index % folds, score, 2, 3, {"val_loss": score})
        for index, score in enumerate(scores)
    )
    return TrialRecord(spec, TrialResult("COMPLETED", fits, "", "", (), 10, 0.0, 1.0, "0"))


def lead(
    first: list[float], second: list[float], direction: str = "max", folds: int = 1
) -> Lead | None:
    return lead_of_the_first([record(1, first, folds), record(0, second, folds)], direction)


def test_pairs_tell_apart_what_spreads_would_not() -> None:
    found = lead([0.721, 0.82, 0.919, 0.62], [0.7, 0.8, 0.9, 0.6])
    assert found is not None
    assert found.mean == pytest.approx(0.02)
    assert found.text.startswith("0001 is better than 0000 by 0.02 ± 0.0013 (95 %, 4 fits of each)")
    assert "more than chance" in found.text
    lower = lead([0.1, 0.11, 0.1], [0.3, 0.31, 0.29], direction="min")
    assert lower is not None
    assert lower.mean == pytest.approx(0.59 / 3)


def test_the_margin_is_that_of_a_paired_t_test_and_wider_for_folds() -> None:
    first, second = [0.9, 0.8, 0.85, 0.7], [0.8, 0.85, 0.84, 0.66]
    seeds, folds = lead(first, second), lead(first, second, folds=4)
    interval = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert seeds is not None
    assert folds is not None
    assert (seeds.mean - seeds.margin, seeds.mean + seeds.margin) == pytest.approx(tuple(interval))
    assert "cannot be told apart" in seeds.text
    assert folds.margin == pytest.approx(seeds.margin * np.sqrt((1 / 4 + 1 / 3) / (1 / 4)))


def test_single_fits_and_a_single_trial_say_nothing() -> None:
    assert lead([0.9], [0.8]) is None
    assert lead_of_the_first([record(0, [0.9, 0.8])], "max") is None
