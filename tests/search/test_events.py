"""What `SearchProgress` says of the trials that have ended."""

from dataclasses import replace
from typing import Literal

import keras_tuner as kt
import pytest

from src.records import Cut, FitResult, Status, TrialRecord, TrialResult, TrialSpec
from src.search.progress import SearchProgress


def record(trial_id: str, score: float | None) -> TrialRecord:
    """A record that failed if it has no score."""
    spec = TrialSpec(trial_id, trial_id, None, {"space": [], "values": {}}, 0, 1)
    status: Status = "FAILED" if score is None else "COMPLETED"
    fits = () if score is None else (FitResult(0, 0, score, 1, 1, {}),)
    return TrialRecord(spec, TrialResult(status, fits, "", "", (), 0, 0.0, 0.0, "main"))


def progress(direction: Literal["min", "max"], *scores: float | None) -> SearchProgress:
    found = SearchProgress(kt.Objective("val_score", direction), total=None)
    found.records.extend(record(f"{index:04d}", score) for index, score in enumerate(scores))
    return found


def ids(found: SearchProgress) -> list[str]:
    return [entry.spec.trial_id for entry in found.completed]


def test_scores_that_do_not_compare_come_last() -> None:
    found = progress("max", 0.5, 0.9, 0.8, None, 0.7)
    cuts: dict[int, Cut] = {1: "pruner", 2: "ended"}
    for index, cut in cuts.items():
        entry = found.records[index]
        found.records[index] = replace(entry, result=replace(entry.result, cut=cut))
    assert ids(found) == ["0002", "0004", "0000", "0001"]  # what a single fit has reached counts
    ended = found.records[2]
    found.records[2] = replace(ended, spec=replace(ended.spec, folds=2))  # it lacks a fold
    assert ids(found) == ["0004", "0000", "0001", "0002"]
    assert found.pruned == 1


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("max", ["0003", "0000", "0002", "0004"]), ("min", ["0004", "0002", "0000", "0003"])],
)
def test_completed_is_best_first(direction: Literal["min", "max"], expected: list[str]) -> None:
    found = progress(direction, 0.5, None, 0.0, 0.9, -1.0)
    assert ids(found) == expected
    assert found.best is found.completed[0]
    assert found.failures == 1


@pytest.mark.parametrize("direction", ["min", "max"])
def test_of_equal_scores_the_earlier_trial_wins(direction: Literal["min", "max"]) -> None:
    found = progress(direction, 0.5, 0.5, 0.5)
    found.records.reverse()  # the order in which they ended does not count
    assert ids(found) == ["0000", "0001", "0002"]


def test_a_failed_trial_never_counts_as_best() -> None:
    assert progress("max", None, None).best is None
    assert progress("min", None, 7.0, None).best == record("0001", 7.0)


@pytest.mark.parametrize(
    ("scores", "failures", "consecutive"),
    [
        ((), 0, 0),
        ((None,), 1, 1),
        ((None, 0.1, None, None), 3, 2),
        ((None, None, 0.1), 2, 0),
    ],
)
def test_failures_and_failures_in_a_row(
    scores: tuple[float | None, ...], failures: int, consecutive: int
) -> None:
    found = progress("max", *scores)
    assert found.failures == failures
    assert found.consecutive_failures == consecutive
