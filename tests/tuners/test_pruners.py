"""Thresholds from the curves of ended trials, and what an oracle is told of pruned trials."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras_tuner as kt
import pytest

from src.config import load_config
from src.records import FitResult, PruningThreshold, TrialRecord, TrialResult, TrialSpec
from src.tuners.pruners import Curves
from tests.quick_search import StopAfter, fake, ran, result, resume, search  # noqa: F401

MEDIAN = (
    *("tuner.name=random", "tuner.max_trials=9", "training.epochs=8"),
    *("pruner.name=median", "pruner.startup_trials=3", "pruner.first_epoch=2"),
)


def curves_of(*overrides: str, direction: str = "max") -> Curves:
    config = load_config(None, ("training.epochs=10", *overrides))
    return Curves(config, kt.Objective("val_score", direction))


def record(
    number: int, *fits: Sequence[float], stopped_by: Any = None, best: Any = max, folds: int = 1
) -> TrialRecord:
    """A trial with these values of its objective, by fit and epoch."""
    rows = [
        {"execution": 0, "fold": fold, "epoch": epoch, "val_score": value}
        for fold, values in enumerate(fits)
        for epoch, value in enumerate(values, start=1)
    ]
    results = tuple(
        FitResult(0, fold, best(values), 1, len(values), {}) for fold, values in enumerate(fits)
    )
    spec = TrialSpec(f"{number:04}", f"{number:04}", None, {"values": {}}, 0, 10, folds=folds)
    status: Any = "COMPLETED" if fits else "FAILED"
    reason = "pruned" if stopped_by else ""
    done = TrialResult(
        status, results, reason, "", tuple(rows), 1, 0.0, 1.0, "0", stopped_by=stopped_by
    )
    return TrialRecord(spec, done)


def values(thresholds: Sequence[PruningThreshold]) -> dict[int, float]:
    return {one.epoch: one.value for one in thresholds}


def test_the_threshold_is_the_median_of_the_best_so_far_of_those_that_got_there() -> None:
    curves = curves_of("pruner.name=median", "pruner.startup_trials=3", "pruner.first_epoch=2")
    curves.add(record(0, [0.1, 0.5, float("nan"), 0.3]))  # ended by itself: its best counts on
    curves.add(record(1, [0.2, 0.3, 0.8, 0.9, 0.2]))
    curves.add(record(2))  # failed
    assert curves.thresholds() == ((),)  # too few yet
    curves.add(record(3, [0.4, 0.1, 0.6], stopped_by="pruner"))
    (thresholds,) = curves.thresholds()
    assert values(thresholds) == {2: 0.4, 3: 0.6}  # from epoch 4 on there are two
    assert thresholds[1].meaning == "the median of 3 trials there"
    curves.add(record(4, [0.7]))
    later = dict.fromkeys(range(4, 10), 0.7)
    assert values(curves.thresholds()[0]) == pytest.approx({2: 0.45, 3: 0.65} | later)


def test_halving_keeps_the_best_of_each_rung() -> None:
    curves = curves_of(
        *("pruner.name=halving", "pruner.startup_trials=2", "pruner.first_epoch=1"),
        "pruner.factor=2",
    )
    curves.add(record(0, [0.1] * 10))
    curves.add(record(1, [0.2] * 10))
    (thresholds,) = curves.thresholds()
    assert values(thresholds) == dict.fromkeys((1, 2, 4, 8), 0.2)  # one of three
    assert thresholds[0].meaning == "the best of 2 trials there"
    for number in (2, 3, 4):
        curves.add(record(number, [number / 10 + 0.1, 0.5], stopped_by="pruner"))
    # 0.1, 0.2, 0.3, 0.4, 0.5 at the first rung: with the next trial three of six go on
    (thresholds,) = curves.thresholds()
    assert values(thresholds) == pytest.approx({1: 0.3, 2: 0.5, 4: 0.2, 8: 0.2})
    assert thresholds[0].meaning == "place 3 among 5 trials there"


def test_each_fold_is_compared_with_the_same_fold_and_without_a_pruner_nothing_is() -> None:
    curves = curves_of("pruner.name=median", "pruner.startup_trials=1", "tuner.folds=2")
    curves.add(record(0, [0.9] * 10, [0.3] * 10, folds=2))
    assert [set(values(one).values()) for one in curves.thresholds()] == [{0.9}, {0.3}]
    without = curves_of()
    without.add(record(0, [0.9] * 10))
    assert (without.prunes, without.thresholds()) == (False, ())


def test_of_a_pruned_trial_the_score_of_its_rank_is_told() -> None:
    curves = curves_of("pruner.name=median")
    cut = record(9, [0.3, 0.35], stopped_by="pruner")
    assert curves.expected_score(cut) == 0.35  # nothing to compare with
    for number, (early, final) in enumerate([(0.2, 0.6), (0.3, 0.7), (0.4, 0.9), (0.5, 0.8)]):
        curves.add(record(number, [0.1, early, final]))
    # By epoch 2 midway between the second and the third of four, whose scores were 0.7 and 0.8.
    assert curves.expected_score(cut) == pytest.approx(0.75)
    assert curves.expected_score(record(9, [0.3, 0.2], stopped_by="pruner")) == pytest.approx(0.7)
    assert curves.expected_score(record(9, [0.1, 0.15], stopped_by="pruner")) == pytest.approx(0.55)
    assert curves.expected_score(record(9, [0.1, 0.95], stopped_by="limit")) == pytest.approx(0.95)
    assert curves.expected_score(record(9, [0.1, 0.15])) == 0.15  # it trained to its end
    curves.add(cut)  # a pruned trial is no measure for others
    assert curves.expected_score(cut) == pytest.approx(0.75)


def test_of_errors_lower_is_better() -> None:
    overrides = ("pruner.name=median", "pruner.startup_trials=2", "pruner.first_epoch=1")
    curves = curves_of(*overrides, direction="min")

    def told(reached: float) -> float | None:
        return curves.expected_score(record(9, [reached], stopped_by="pruner", best=min))

    for number, (early, final) in enumerate([(4.0, 2.0), (3.0, 1.0)]):
        curves.add(record(number, [early, final], best=min))
    assert values(curves.thresholds()[0]) == {1: 3.5} | dict.fromkeys(range(2, 10), 1.5)
    assert (told(3.0), told(5.0)) == (1.0, 3.0)
    curves.add(record(2, [3.0, 0.6], best=min))  # of 0.6, 1 and 2, those of rank 1 and 2 were equal
    assert [told(3.0), told(0.5)] == pytest.approx([0.8, 0.5])


@pytest.mark.usefixtures("fake")
def test_a_search_that_was_killed_prunes_the_same_trials(tmp_path: Path) -> None:
    outcome = search(tmp_path / "whole", *MEDIAN)
    expected = result(tmp_path / "whole")
    cut = [r for r in outcome.progress.records if r.result.stopped_by == "pruner"]
    assert 2 <= len(cut) <= 6
    assert all(2 <= r.result.epochs < 8 for r in cut)
    assert outcome.progress.best is not None
    assert outcome.progress.best.comparable
    search(tmp_path / "killed", *MEDIAN, listeners=[StopAfter(5)])
    ran.clear()
    resume(tmp_path / "killed")
    assert len(ran) == 4
    assert result(tmp_path / "killed") == expected
