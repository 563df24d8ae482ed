"""Limits and pruner in whole searches with two worker processes, stopped and resumed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from src.config import load_config
from src.records import TrialRecord
from src.reporting import report_listeners
from src.search import run
from src.search.workflow import SearchOutcome
from tests.conftest import TINY
from tests.execution.test_process import PROCESSES, assert_same
from tests.search.test_faults import StopAfter

PRUNER = ("pruner.name=median", "pruner.startup_trials=1", "pruner.first_epoch=1")


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
        assert (result.status, result.stopped_by) == ("COMPLETED", "ended")
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
    assert {record.result.stopped_by for record in more} <= {"ended"}


@pytest.mark.parametrize("limit", ["target", "trials_without_improvement"])
def test_what_scores_have_reached_ends_the_search(tmp_path: Path, limit: str) -> None:
    first = search(tmp_path / "whole", "tuner.max_trials=6", "seed=3")
    whole = [record.result.score for record in records_of(first)]
    scores = [score for score in whole if score is not None]
    best = [max(scores[: number + 1]) for number in range(len(scores))]
    if limit == "target":
        value, last = best[4], best.index(best[4])
    else:
        value = 2
        last = next(n for n in range(2, len(best)) if best[n] == best[n - 2])
    settings = ("tuner.max_trials=40", "seed=3", f"limits.{limit}={value!r}")
    search(tmp_path / "run", *settings, listeners=[StopAfter(1)])
    outcome = resume(tmp_path / "run")
    assert outcome.end.setting == f"limits.{limit}"
    found = records_of(outcome)
    assert last < len(found) < 40  # others may have run beside the last one
    assert found[last].result.score == whole[last]
    for record, score in zip(found[:last], whole, strict=False):  # one may run yet, and is ended
        assert record.result.stopped_by == "ended" or record.result.score == score


def test_pruned_trials_are_behind_others_that_had_ended(tmp_path: Path) -> None:
    few = (*PRUNER, "tuner.max_trials=12", "training.epochs=6")
    stopped = {record.spec.trial_id for record in records_of(_stopped(tmp_path, *few))}
    outcome = resume(tmp_path)
    records = records_of(outcome)
    assert len(records) == 12
    later = [record for record in records if record.spec.trial_id not in stopped]
    cut = [record for record in later if record.result.stopped_by is not None]
    assert cut
    for record in cut:  # the bars with which those before the stop were judged are not kept
        values = [row["val_accuracy"] for row in record.result.history]
        bars = {bar.epoch: bar.value for bar in record.spec.thresholds[0]}
        assert len(values) == record.result.epochs < 6
        assert max(values) < bars[len(values)]
        assert all(max(values[:n]) >= bars[n] for n in range(1, len(values)))
    assert outcome.progress.best is not None
    assert outcome.progress.best.result.stopped_by is None


def _stopped(folder: Path, *overrides: str) -> SearchOutcome:
    """A search that is stopped when three trials have ended."""
    return search(folder, *overrides, listeners=[StopAfter(3)])
