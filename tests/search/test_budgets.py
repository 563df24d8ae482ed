"""What ends a search before its trials are done: time, epochs, a target, no improvement."""

import io
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from rich.console import Console

from src.config import load_config
from src.config.schema import LimitSettings
from src.console.outcome import show_outcome
from src.messages import SearchEnd
from src.records import FitResult, Objective, TrialRecord, TrialResult, TrialSpec
from src.reporting.rules.proposal import next_command
from src.reporting.run_data import read_run
from src.search.budgets import SearchBudgets
from src.search.listener import SearchListener
from src.search.preparation import prepare
from src.search.progress import SearchProgress
from src.search.workflow import SearchOutcome
from tests import quick_search
from tests.quick_search import StopAfter, at_once, ran, result, resume, saved, search

RANDOM = ("tuner.max_trials=6", "training.epochs=4")
HYPERBAND = ("tuner.name=hyperband", "tuner.max_trials=auto", "training.epochs=4")
fake, folder = quick_search.fake, quick_search.folder
pytestmark = pytest.mark.usefixtures("fake")


def sorted_records(outcome: SearchOutcome) -> list[TrialRecord]:
    return sorted(outcome.progress.records, key=lambda r: r.spec.trial_id)


def epochs_of(outcome: SearchOutcome) -> list[int]:
    """How many epochs each trial trained itself, in the order of the trials."""
    return [len(r.result.history) for r in sorted_records(outcome)]


def test_epochs_are_used_exactly_and_a_larger_budget_goes_on(folder: Path) -> None:
    first = search(folder, *RANDOM, "limits.epochs=10")
    assert epochs_of(first) == [4, 0, 4, 2]  # the second always fails
    reason = "all 10 epochs are used (limits.epochs)"
    assert first.end == SearchEnd("finished", reason, "limits.epochs")
    last = first.progress.records[-1].result
    assert (last.status, last.stopped_by) == ("COMPLETED", "limit")
    assert last.reason == f"ended at epoch 2 of 4: {reason}"
    assert first.winner is not None
    ran.clear()
    again = resume(folder)
    assert (ran, again.end, again.resumed_trials) == ([], first.end, 4)
    shown = io.StringIO()
    config = load_config("quick", quick_search.settings(folder, *RANDOM, "limits.epochs=10"))
    show_outcome(Console(file=shown, width=200), prepare(config), again)
    assert f"--resume {again.run.path} limits.epochs=20\n" in shown.getvalue()
    command = next_command(read_run(again.run), [], exhausted=False)[1]
    assert command.endswith(f"--resume {again.run.path} limits.epochs=20")
    more = resume(folder, "limits.epochs=17")
    assert epochs_of(more) == [4, 0, 4, 2, 4, 3]
    assert more.progress.records[3].result == last  # stays as it was


def test_a_budget_that_fits_exactly_ends_no_trial(folder: Path) -> None:
    outcome = search(folder, *RANDOM, "limits.epochs=12")
    assert epochs_of(outcome) == [4, 0, 4, 4]
    assert all(r.result.stopped_by is None for r in outcome.progress.records)


@pytest.mark.parametrize("overrides", [RANDOM, HYPERBAND])
def test_killed_and_resumed_the_same_epochs_are_used(
    folder: Path, overrides: tuple[str, ...]
) -> None:
    overrides = (*overrides, "limits.epochs=10")
    assert sum(epochs_of(search(folder / "whole", *overrides))) == 10
    search(folder / "killed", *overrides, listeners=[StopAfter(3)])
    resume(folder / "killed")
    assert result(folder / "killed") == result(folder / "whole")


def test_a_promotion_of_a_trial_that_was_ended_early_trains_anew(folder: Path) -> None:
    search(folder, *HYPERBAND, "limits.epochs=7")
    outcome = resume(folder, "limits.epochs=null")
    assert outcome.end.reason == "every bracket is complete"
    records = outcome.progress.records
    cut = {r.spec.trial_id for r in records if r.result.stopped_by is not None}
    assert len(cut) == 1
    for record in records:
        if record.result.status == "COMPLETED" and record.spec.trial_id not in cut:
            first = 0 if record.spec.parent_id in cut else record.spec.initial_epoch
            assert len(record.result.history) == record.spec.epochs - first


def spec(number: int, epochs: int) -> TrialSpec:
    return TrialSpec(f"{number:04}", f"{number:04}", None, {"values": {}}, 0, epochs)


def test_a_trial_waits_for_what_running_trials_may_return() -> None:
    progress = SearchProgress(Objective("val_score", "max"), None)
    budgets = SearchBudgets(LimitSettings(epochs=25), progress)
    assert not budgets.must_wait(10)
    assert [budgets.reserve(spec(n, 10)) for n in range(2)] == [10, 10]
    assert budgets.must_wait(10)  # 5 are left, and perhaps more
    budgets.release("0001")
    progress.epochs += 3
    assert not budgets.must_wait(10)
    assert budgets.reserve(spec(2, 10)) == 10
    assert budgets.must_wait(10)
    for trial in ("0000", "0002"):
        budgets.release(trial)
    assert not budgets.must_wait(10)
    assert budgets.end() is None


@pytest.mark.parametrize("limit", ["limits.epochs=17", "limits.trials_without_improvement=3"])
def test_two_workers_end_with_the_trials_with_which_one_does(folder: Path, limit: str) -> None:
    many = (*RANDOM, "tuner.max_trials=12", limit)
    one = search(folder / "one", *many)
    two = search(folder / "two", *many, *at_once(2))
    assert two.end == one.end
    if limit.startswith("limits.epochs"):
        assert epochs_of(two) == epochs_of(one)
        search(folder / "stopped_by", *many, *at_once(2), listeners=[StopAfter(2)])
        assert resume(folder / "stopped_by").end == one.end
        assert result(folder / "stopped_by")["trials"] == result(folder / "one")["trials"]
    else:  # one more may have begun, which is ended
        more = sorted_records(two)[len(one.progress.records) :]
        assert len(more) <= 1
        assert all(r.result.stopped_by in (None, "limit") for r in more)


class Minutes(SearchListener):
    """A minute passes while a trial begins, and many after the search."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.seconds)
        monkeypatch.setattr("src.search.budgets.time", clock)

    def on_trial_begin(self, spec: TrialSpec, progress: SearchProgress) -> None:
        self.seconds += 60

    def on_search_end(self, end: SearchEnd, progress: SearchProgress) -> None:
        self.seconds += 6000


def test_the_time_of_all_resumes_is_added_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minutes = Minutes(monkeypatch)
    search(folder, *RANDOM, "limits.minutes=3.5", listeners=[minutes, StopAfter(2)])
    assert saved(folder).seconds == 120
    minutes.seconds += 10_000  # nobody searches
    outcome = resume(folder, listeners=[minutes])
    assert epochs_of(outcome) == [4, 0, 4, 1]  # a minute a trial; the fourth ends at once
    reason = "3.5 minutes are over (limits.minutes)"
    assert outcome.end == SearchEnd("finished", reason, "limits.minutes")
    assert outcome.progress.seconds == 240
    assert sorted_records(outcome)[3].result.reason == f"ended at epoch 1 of 4: {reason}"
    ran.clear()
    assert (resume(folder).end, ran) == (outcome.end, [])
    more = resume(folder, "limits.minutes=60")
    assert epochs_of(more)[3:] == [1, 4, 4]
    assert more.end.setting == "tuner.max_trials"


def test_a_target_ends_the_search_with_the_same_trial_after_a_kill(folder: Path) -> None:
    target = (*RANDOM, "tuner.max_trials=8", "seed=1", "limits.target=0.9")  # 0005 reaches it
    one = search(folder / "one", *target)
    scores = [r.result.score for r in one.progress.records]
    assert len(scores) == 6
    assert one.end.reason == (
        f"trial 0005 has reached the target: val_accuracy {scores[5]:.5g} (limits.target=0.9)"
    )
    search(folder / "killed", *target, listeners=[StopAfter(4)])
    ran.clear()
    assert resume(folder / "killed").end == one.end
    assert ran == ["0004", "0005"]
    assert result(folder / "killed") == result(folder / "one")
    two = search(folder / "two", *target, *at_once(2))
    assert two.end == one.end
    found = sorted_records(two)  # 0004 may run yet, or 0006 and 0007 have begun
    assert [found[n].result.score for n in (0, 1, 2, 3, 5)] == scores[:4] + scores[5:]
    assert len(resume(folder / "one", "limits.target=null").progress.records) == 8


def record(number: int, *scores: float, cut: Any = None, folds: int = 1) -> TrialRecord:
    """A trial with a fit of each score; failed without any."""
    fits = tuple(FitResult(0, n, score, 1, 1, {}) for n, score in enumerate(scores))
    status: Any = "COMPLETED" if fits else "FAILED"
    done = TrialResult(status, fits, "", "", (), 1, 0.0, 1.0, "0", stopped_by=cut)
    return TrialRecord(replace(spec(number, 10), folds=folds), done)


def limited(
    settings: LimitSettings, direction: Literal["min", "max"], *records: TrialRecord
) -> SearchEnd | None:
    progress = SearchProgress(Objective("val_score", direction), None)
    budgets = SearchBudgets(settings, progress)
    budgets.start()
    for one in records:
        progress.add(one)
        budgets.add(one)
    end = budgets.end()
    assert budgets.trial_end_reason() == ("" if end is None else end.reason)
    return end


def test_a_target_goes_by_the_direction_and_by_trials_that_count() -> None:
    target = LimitSettings(target=0.4)
    assert limited(target, "max", record(0, 0.3)) is None
    assert limited(target, "max", record(0, 0.4)) is not None
    assert limited(target, "min", record(0, 0.5)) is None
    assert limited(target, "min", record(0, 0.4)) is not None
    assert limited(target, "max", record(0, 0.9, cut="pruner")) is None
    assert limited(target, "max", record(0, 0.9, cut="limit")) is not None
    assert limited(target, "max", record(0, 0.9, cut="limit", folds=2)) is None
    # Metrics are float32: 27 of 30 right is a little less than 0.9, and 0.1 a little more.
    right, wrong = float(np.float32(27) / np.float32(30)), float(np.float32(0.1))
    assert limited(LimitSettings(target=0.9), "max", record(0, right, right, folds=2)) is not None
    assert limited(LimitSettings(target=0.900001), "max", record(0, right)) is None
    assert limited(LimitSettings(target=0.1), "min", record(0, wrong)) is not None
    assert limited(LimitSettings(target=0.0), "min", record(0, wrong)) is None


def test_trials_without_improvement_are_counted_in_the_order_of_the_trials() -> None:
    patience = LimitSettings(trials_without_improvement=2)
    good, same, failed = record(0, 0.5), record(1, 0.5), record(2)
    assert limited(patience, "max", good, same) is None
    assert limited(patience, "max", failed, good) is None  # trial 1 may still be better
    for last in (failed, record(2, 0.9, cut="pruner")):
        end = limited(patience, "max", last, same, good)
        assert end is not None
        assert end.reason == (
            "2 trials in a row, up to 0002, brought no improvement "
            "(limits.trials_without_improvement)"
        )
    rejected = replace(failed, result=replace(failed.result, rejected=True))
    assert limited(patience, "max", good, same, rejected) is None
    assert limited(patience, "max", good, same, record(2, 0.6), record(3)) is None


def test_killed_and_resumed_the_trials_without_improvement_go_on(folder: Path) -> None:
    overrides = (*RANDOM, "seed=4", "limits.trials_without_improvement=3")
    whole = search(folder / "whole", *overrides)
    assert whole.end.reason.startswith("3 trials in a row, up to 0003,")
    search(folder / "killed", *overrides, listeners=[StopAfter(3)])  # two brought nothing
    resume(folder / "killed")
    assert result(folder / "killed") == result(folder / "whole")


class StopAt(SearchListener):
    """A signal comes while the limit ends the search."""

    def on_trial_begin(self, spec: TrialSpec, progress: SearchProgress) -> None:
        if spec.trial_id == "0003":
            signal.raise_signal(signal.SIGTERM)


def test_a_signal_wins_and_the_trial_that_it_broke_runs_again(folder: Path) -> None:
    overrides = (*RANDOM, "limits.epochs=10")
    search(folder / "whole", *overrides)
    outcome = search(folder / "stopped_by", *overrides, listeners=[StopAt()])
    assert outcome.end.kind == "interrupted"
    assert len(outcome.progress.records) == 3
    assert resume(folder / "stopped_by").end.setting == "limits.epochs"
    assert result(folder / "stopped_by") == result(folder / "whole")
