"""Limits and pruner in whole searches with two worker processes, stopped and resumed."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.config import load_config
from src.records import TrialRecord
from src.search import run
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.search.workflow import SearchOutcome
from tests.conftest import TINY, report_listeners
from tests.execution.test_process import PROCESSES, assert_same


class StopAfter(SearchListener):
    """Asks the search to stop when so many trials have ended."""

    def __init__(self, count: int) -> None:
        self.count = count

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        if len(progress.records) >= self.count:
            signal.raise_signal(signal.SIGTERM)
            self.count = 10**6


def search(folder: Path, *overrides: str, listeners: Sequence[Any] = ()) -> SearchOutcome:
    """A new search in `folder/run` with two processes, unless the overrides say otherwise."""
    places = (f"run.directory={folder}", "run.name=run")
    config = load_config("quick", [*TINY, *PROCESSES, *places, *overrides])
    return run(config, listeners=[*report_listeners(), *listeners])


def resume(folder: Path, *overrides: str) -> SearchOutcome:
    """Goes on with it."""
    return run(None, overrides, report_listeners(), resume=str(folder / "run"))


def records_of(outcome: SearchOutcome) -> list[TrialRecord]:
    """In the order of the trials."""
    return sorted(outcome.progress.records, key=lambda record: record.spec.trial_id)


def trained(outcome: SearchOutcome) -> int:
    """Epochs in history.csv."""
    return len(outcome.run.history_table.read_text().splitlines()) - 1


def test_epochs_are_exact_after_a_stop_and_the_trials_those_of_one_process(tmp_path: Path) -> None:
    budget = ("tuner.max_trials=20", "limits.epochs=11")
    one = search(tmp_path / "one", *budget, "run.engine=serial", "run.workers=1")
    assert trained(one) == 11
    search(tmp_path / "two", *budget, listeners=[StopAfter(2)])
    two = resume(tmp_path / "two")
    assert_same(two, one)
    assert [record.result.epochs for record in records_of(two)] == [3, 3, 3, 2]
    assert two.end.reason == "all 11 epochs are used (limits.epochs)"
    assert trained(resume(tmp_path / "two", "limits.epochs=16")) == 16


def test_the_time_ends_both_processes_trials_with_their_epoch(tmp_path: Path) -> None:
    endless = ("training.epochs=1000000", "space.early_stopping_patience=0")
    outcome = search(tmp_path, *endless, "limits.minutes=0.05")
    assert outcome.end.reason == "0.05 minutes are over (limits.minutes)"
    first = records_of(outcome)
    assert 1 <= len(first) <= 2  # a slow machine may not come to the second
    for record in first:
        result = record.result
        assert (result.status, result.stopped_by) == ("COMPLETED", "limit")
        place = f"ended at epoch {result.epochs} of 1000000"
        assert result.reason == f"{place}: 0.05 minutes are over (limits.minutes)"
        assert result.score == max(row["val_accuracy"] for row in result.history)
    seconds = outcome.progress.seconds
    assert seconds >= 3
    again = resume(tmp_path, f"limits.minutes={(seconds + 3) / 60}")
    assert again.progress.seconds >= seconds + 3
    assert records_of(again)[: len(first)] == first
    more = records_of(again)[len(first) :]
    assert len(more) <= 2
    assert {record.result.stopped_by for record in more} <= {"limit"}
