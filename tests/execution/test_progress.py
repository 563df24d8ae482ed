"""Reports of running trials are few, and hold all epochs since the one before."""

from dataclasses import replace
from itertools import count

import pytest

from src.execution.progress import at_intervals
from src.messages import TrialProgress

BEGIN = TrialProgress(worker=0, trial_id="0000", fit=1, fits=1, epoch=0, epochs=9)


def after(epoch: int) -> TrialProgress:
    return replace(BEGIN, epoch=epoch, rows=({"epoch": epoch},))


def test_at_most_five_a_second_are_passed_on_with_all_their_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = count(100.0, 0.0625)
    monkeypatch.setattr("src.execution.progress.time.monotonic", lambda: next(clock))
    told: list[TrialProgress] = []
    report = at_intervals(told.append)
    for progress in (BEGIN, *map(after, range(1, 9))):
        report(progress)
    assert [progress.epoch for progress in told] == [0, 4, 8]
    assert [[row["epoch"] for row in progress.rows] for progress in told] == [
        [],
        [1, 2, 3, 4],
        [5, 6, 7, 8],
    ]
    report(replace(BEGIN, fit=2))  # at once
    assert told[-1].fit == 2
