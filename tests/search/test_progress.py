"""What `SearchProgress` says of the trials that have ended."""

from dataclasses import replace
from typing import Literal

import pytest

from src.records import FitResult, Objective, Status, StoppedBy, TrialRecord, TrialResult, TrialSpec
from src.search.progress import SearchProgress


def record(
    number: int, score: float | None, stopped_by: StoppedBy | None = None, folds: int = 1
) -> TrialRecord:
    """A record that failed if it has no score."""
    trial_id = f"{number:04}"
    spec = TrialSpec(trial_id, trial_id, None, {"space": [], "values": {}}, 0, 1, folds=folds)
    status: Status = "FAILED" if score is None else "COMPLETED"
    fits = () if score is None else (FitResult(0, 0, score, 1, 1, {}),)
    result = TrialResult(status, fits, "", "", (), 0, 0.0, 0.0, "0", stopped_by=stopped_by)
    return TrialRecord(spec, result)


def progress(
    direction: Literal["min", "max"], *records: TrialRecord | float | None
) -> SearchProgress:
    found = SearchProgress(Objective("val_score", direction), total=None)
    for number, one in enumerate(records):
        found.add(one if isinstance(one, TrialRecord) else record(number, one))
    return found


def ids(found: SearchProgress) -> list[str]:
    return [entry.spec.trial_id for entry in found.completed]


def test_scores_that_do_not_compare_come_last() -> None:
    pruned, ended = record(1, 0.9, "pruner"), record(2, 0.8, "limit")
    found = progress("max", 0.5, pruned, ended, None, 0.7)
    assert ids(found) == ["0002", "0004", "0000", "0001"]  # what a single fit has reached counts
    lacks_a_fold = record(2, 0.8, "limit", folds=2)
    found = progress("max", 0.5, pruned, lacks_a_fold, None, 0.7)
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
    assert progress(direction, None, None).best is None
    # Of equal scores the earlier trial wins, whichever ended first.
    late = ids(progress(direction, *(record(n, 0.5) for n in (10_000, 2, 9_999))))
    assert late == ["0002", "9999", "10000"]


@pytest.mark.parametrize(
    ("scores", "failures", "consecutive"),
    [((), 0, 0), ((None,), 1, 1), ((None, 0.1, None, None), 3, 2), ((None, None, 0.1), 2, 0)],
)
def test_failures_and_failures_in_a_row(
    scores: tuple[float | None, ...], failures: int, consecutive: int
) -> None:
    found = progress("max", *scores)
    assert (found.failures, found.consecutive_failures) == (failures, consecutive)
    rejected = record(9, None)
    found.add(replace(rejected, result=replace(rejected.result, rejected=True)))
    assert (found.failures, found.consecutive_failures) == (failures + 1, consecutive)
