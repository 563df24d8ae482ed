"""What ends a search before its trials are done: time, epochs, a target, patience."""

import io
import json
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras_tuner as kt
import numpy as np
import pytest
from rich.console import Console

from src.config import load_config
from src.config.schema import LimitSettings
from src.console.summary import show_outcome
from src.messages import SearchEnd
from src.records import TrialRecord, TrialSpec
from src.reporting.rules.proposal import next_command
from src.reporting.run_data import read_run
from src.search.budgets import SearchLimits, limits_text
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.search.workflow import SearchOutcome
from tests import quick_search
from tests.quick_search import ran, result, resume, search, two_at_once
from tests.search.test_faults import StopAfter
from tests.tuners.test_pruners import record

RANDOM = ("tuner.name=random", "tuner.max_trials=6", "training.epochs=4")
HYPERBAND = ("tuner.name=hyperband", "tuner.max_trials=auto", "training.epochs=4")
fake = quick_search.fake
pytestmark = pytest.mark.usefixtures("fake")


def epochs_of(outcome: SearchOutcome) -> list[int]:
    """Those that each trial trained itself, in the order of the trials."""
    return [len(r.result.history) for r in sorted_records(outcome)]


def sorted_records(outcome: SearchOutcome) -> list[TrialRecord]:
    return sorted(outcome.progress.records, key=lambda r: r.spec.trial_id)


class Clock:
    """The time by which limits go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.seconds)
        monkeypatch.setattr("src.search.budgets.time", clock)


class Minutes(SearchListener):
    """A minute passes while a trial begins, and many after the search."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_trial_begin(self, spec: TrialSpec, progress: SearchProgress) -> None:
        self.clock.seconds += 60

    def on_search_end(self, end: SearchEnd, progress: SearchProgress) -> None:
        self.clock.seconds += 6000


def test_epochs_are_used_exactly_and_the_last_trial_is_cut_short(tmp_path: Path) -> None:
    outcome = search(tmp_path, *RANDOM, "limits.epochs=14")
    assert epochs_of(outcome) == [4, 0, 4, 4, 2]  # the second always fails
    assert outcome.end == SearchEnd(
        "finished", "all 14 epochs are used (limits.epochs)", "limits.epochs"
    )
    last = outcome.progress.records[-1].result
    assert (last.status, last.cut) == ("COMPLETED", "ended")
    assert last.reason == "ended at epoch 2 of 4: all 14 epochs are used (limits.epochs)"
    assert last.score == last.history[-1]["val_accuracy"]
    header, *rows = (tmp_path / "run" / "trials.csv").read_text().splitlines()
    names, cells = header.split(","), rows[-1].split(",")
    assert cells[names.index("stopped_by")] == "ended"
    assert cells[names.index("reason")] == last.reason
    assert outcome.winner is not None


def test_a_budget_that_fits_exactly_cuts_nothing(tmp_path: Path) -> None:
    outcome = search(tmp_path, *RANDOM, "limits.epochs=12")
    assert epochs_of(outcome) == [4, 0, 4, 4]
    assert all(r.result.stopped_by is None for r in outcome.progress.records)
    assert outcome.end.setting == "limits.epochs"


@pytest.mark.parametrize("overrides", [RANDOM, HYPERBAND])
@pytest.mark.parametrize("ended", [1, 3])
def test_killed_and_resumed_the_same_epochs_are_used(
    tmp_path: Path, overrides: tuple[str, ...], ended: int
) -> None:
    overrides = (*overrides, "limits.epochs=10")
    assert sum(epochs_of(search(tmp_path / "whole", *overrides))) == 10
    search(tmp_path / "killed", *overrides, listeners=[StopAfter(ended)])
    outcome = resume(tmp_path / "killed")
    assert outcome.end.setting == "limits.epochs"
    assert result(tmp_path / "killed") == result(tmp_path / "whole")


def test_a_promotion_uses_the_epochs_that_it_adds(tmp_path: Path) -> None:
    outcome = search(tmp_path, *HYPERBAND, "limits.epochs=10")
    specs = {r.spec.trial_id: r.spec for r in outcome.progress.records}
    assert any(spec.parent_id is not None for spec in specs.values())
    whole = [r for r in outcome.progress.records if r.result.stopped_by is None]
    for one in (r for r in whole if r.result.status == "COMPLETED"):
        assert len(one.result.history) == one.spec.epochs - one.spec.initial_epoch


def test_with_the_same_budget_nothing_is_left_and_with_a_larger_one_it_goes_on(
    tmp_path: Path,
) -> None:
    first = search(tmp_path, *RANDOM, "limits.epochs=10")
    assert epochs_of(first) == [4, 0, 4, 2]
    ran.clear()
    again = resume(tmp_path)
    assert (ran, again.end, again.resumed_trials) == ([], first.end, 4)
    shown = io.StringIO()
    prepared = quick_search._prepare(load_config("quick", quick_search.settings(tmp_path, *RANDOM)))
    config = prepared.config.model_copy(update={"limits": LimitSettings(epochs=10)})
    console = Console(file=shown, width=200)
    show_outcome(console, replace(prepared, config=config), again, ["--resume"])
    assert "no trial was left to run; a larger limits.epochs goes on" in shown.getvalue()
    assert f"--resume {again.run.path} limits.epochs=20\n" in shown.getvalue()
    data = read_run(again.run)
    assert data.ended_by == "limits.epochs"
    command = next_command(data, [], exhausted=False)[1]
    assert command.endswith(f"--resume {again.run.path} limits.epochs=20")
    more = resume(tmp_path, "limits.epochs=17")
    assert epochs_of(more) == [4, 0, 4, 2, 4, 3]
    assert more.progress.records[3].result == first.progress.records[3].result  # stays as it was


def test_a_promotion_of_a_trial_that_was_cut_trains_anew(tmp_path: Path) -> None:
    search(tmp_path / "whole", *HYPERBAND)
    search(tmp_path / "stopped_by", *HYPERBAND, "limits.epochs=7")
    outcome = resume(tmp_path / "stopped_by", "limits.epochs=null")
    assert outcome.end.reason == "every bracket is complete"
    cut = {r.spec.trial_id for r in outcome.progress.records if r.result.stopped_by is not None}
    assert len(cut) == 1
    records = outcome.progress.records
    for one in (
        r for r in records if r.result.status == "COMPLETED" and r.result.stopped_by is None
    ):
        own = 0 if one.spec.parent_id in cut else one.spec.initial_epoch
        assert len(one.result.history) == one.spec.epochs - own


def test_attempts_that_failed_have_used_epochs_too() -> None:
    progress = SearchProgress(kt.Objective("val_score", "max"), None)
    shared = SearchLimits(LimitSettings(epochs=20), progress)
    spec = TrialSpec("0000", "0000", None, {"values": {}}, 0, 12)
    assert shared.allow(spec) == 12
    assert shared.leaves(spec, 7)
    assert shared.allow_again(spec, 7) == 12  # 13 are left
    assert shared.allow_again(spec, 5) == 8
    assert not shared.leaves(spec, 8)
    assert shared.settle("0000") == 12


def test_a_trial_waits_for_what_running_ones_may_give_back() -> None:
    progress = SearchProgress(kt.Objective("val_score", "max"), None)
    shared = SearchLimits(LimitSettings(epochs=25), progress)
    specs = [TrialSpec(f"000{n}", f"000{n}", None, {"values": {}}, 0, 10) for n in range(4)]
    assert not shared.must_wait(10)
    assert [shared.allow(spec) for spec in specs[:2]] == [10, 10]
    assert shared.must_wait(10)  # 5 are left, and perhaps more
    shared.settle("0001")
    progress.records.append(record(1, [0.5] * 3))
    progress.records[0] = replace(
        progress.records[0], result=replace(progress.records[0].result, trained=3)
    )
    assert not shared.must_wait(10)
    assert shared.allow(specs[2]) == 10
    assert shared.must_wait(10)
    for trial in ("0000", "0002"):
        shared.settle(trial)
    assert not shared.must_wait(10)
    assert shared.end() is None


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param("limits.epochs=14", marks=pytest.mark.slow),
        "limits.epochs=17",
        "limits.trials_without_improvement=3",
    ],
)
def test_two_workers_end_with_the_trials_with_which_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    one = search(tmp_path / "one", *RANDOM, "tuner.max_trials=12", limit)
    workers = two_at_once(monkeypatch)
    two = search(tmp_path / "two", *RANDOM, "tuner.max_trials=12", limit, *workers)
    assert two.end == one.end
    if limit.startswith("limits.epochs"):
        assert result(tmp_path / "two") == result(tmp_path / "one")
        search(
            tmp_path / "stopped_by",
            *RANDOM,
            "tuner.max_trials=12",
            limit,
            *workers,
            listeners=[StopAfter(2)],
        )
        assert resume(tmp_path / "stopped_by").end == one.end
        assert result(tmp_path / "stopped_by") == result(tmp_path / "one")
    else:  # one more may have begun, which is ended
        more = two.progress.records[len(one.progress.records) :]
        assert len(more) <= 1
        assert all(r.result.stopped_by in (None, "ended") for r in more)


def test_the_time_of_all_resumes_is_added_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    overrides = (*RANDOM, "limits.minutes=3.5")
    search(tmp_path, *overrides, listeners=[Minutes(clock), StopAfter(2)])
    assert json.loads((tmp_path / "run" / "search.json").read_bytes())["state"]["seconds"] == 120
    clock.seconds += 10_000  # nobody searches
    outcome = resume(tmp_path, listeners=[Minutes(clock)])
    assert epochs_of(outcome) == [4, 0, 4, 1]  # a minute a trial; the fourth ends after one epoch
    assert outcome.end == SearchEnd(
        "finished", "3.5 minutes are over (limits.minutes)", "limits.minutes"
    )
    assert outcome.progress.seconds == 240
    last = outcome.progress.records[-1].result
    assert last.reason == "ended at epoch 1 of 4: 3.5 minutes are over (limits.minutes)"
    ran.clear()
    assert (resume(tmp_path).end, ran) == (outcome.end, [])
    more = resume(tmp_path, "limits.minutes=60")
    assert epochs_of(more) == [4, 0, 4, 1, 4, 4]
    assert more.end.setting == "tuner.max_trials"


def test_the_time_ends_a_search_with_two_workers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    overrides = (*RANDOM, "limits.minutes=3.5", *two_at_once(monkeypatch))
    outcome = search(tmp_path / "whole", *overrides, listeners=[Minutes(clock)])
    # A minute for each that begins: as the fourth does the time is over, and the third may run yet.
    assert [r.spec.trial_id for r in sorted_records(outcome)] == ["0000", "0001", "0002", "0003"]
    assert epochs_of(outcome)[1::2] == [0, 1]
    reason = "3.5 minutes are over (limits.minutes)"
    assert outcome.end == SearchEnd("finished", reason, "limits.minutes")
    assert sorted_records(outcome)[3].result.reason == f"ended at epoch 1 of 4: {reason}"
    assert outcome.progress.seconds == 240
    # Killed when 0001 had failed, and 0000 was to run again.
    search(tmp_path / "killed", *overrides, listeners=[Minutes(clock), StopAfter(1)])
    state = json.loads((tmp_path / "killed" / "run" / "search.json").read_bytes())["state"]
    assert state["seconds"] == 120
    again = resume(tmp_path / "killed", listeners=[Minutes(clock)])
    assert (again.end, again.progress.seconds) == (outcome.end, 240)
    assert epochs_of(again)[1:] == [0, 1]
    more = resume(tmp_path / "killed", "limits.minutes=60")
    assert epochs_of(more)[1:] == [0, 1, 4, 4, 4]


def test_a_target_ends_the_search(tmp_path: Path) -> None:
    scores = [r.result.score for r in search(tmp_path / "all", *RANDOM).progress.records]
    reached = next(n for n, score in enumerate(scores) if score is not None and score > 0.5)
    outcome = search(tmp_path / "some", *RANDOM, "limits.target=0.5")
    assert [r.result.score for r in outcome.progress.records] == scores[: reached + 1]
    assert outcome.end.reason == (
        f"trial {reached:04} has reached the target: val_accuracy {scores[reached]:.5g} "
        "(limits.target=0.5)"
    )
    beyond = search(tmp_path / "none", *RANDOM, "limits.target=2")
    assert len(beyond.progress.records) == 6
    more = resume(tmp_path / "some", "limits.target=null")
    assert len(more.progress.records) == 6


TARGET = (*RANDOM, "tuner.max_trials=8", "seed=1", "limits.target=0.9")  # 0005 alone reaches it


def test_killed_and_resumed_the_target_ends_the_search_with_the_same_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = search(tmp_path / "one", *TARGET)
    scores = [r.result.score for r in one.progress.records]
    assert len(scores) == 6
    assert one.end.reason == (
        f"trial 0005 has reached the target: val_accuracy {scores[5]:.5g} (limits.target=0.9)"
    )
    search(tmp_path / "killed", *TARGET, listeners=[StopAfter(4)])
    ran.clear()
    assert resume(tmp_path / "killed").end == one.end
    assert ran == ["0004", "0005"]
    assert result(tmp_path / "killed") == result(tmp_path / "one")
    workers = two_at_once(monkeypatch)
    for killer in ([], [StopAfter(2)]):
        folder = tmp_path / f"two{len(killer)}"
        two = search(folder, *TARGET, *workers, listeners=killer)
        if killer:
            assert len(two.progress.records) == 2
            two = resume(folder)
        assert two.end == one.end
        found = sorted_records(two)
        # 0004 may run yet when 0005 has reached the target, or 0006 and 0007 have begun.
        assert [found[n].result.score for n in (0, 1, 2, 3, 5)] == scores[:4] + scores[5:]
        assert all(r.result.stopped_by in (None, "ended") for r in found)
        cut = [r for r in found if r.result.stopped_by is not None]
        assert {r.spec.trial_id for r in cut} <= {"0004", "0006", "0007"}
        assert {r.result.reason.partition(": ")[2] for r in cut} <= {one.end.reason}


def limited(settings: LimitSettings, direction: str, *records: TrialRecord) -> SearchEnd | None:
    progress = SearchProgress(kt.Objective("val_score", direction), None, list(records))
    shared = SearchLimits(settings, progress)
    shared.watch()
    assert shared.ending() == ("" if shared.end() is None else shared.end().reason)  # type: ignore[union-attr]
    return shared.end()


def test_a_target_goes_by_the_direction_and_by_trials_that_count() -> None:
    target = LimitSettings(target=0.4)
    assert limited(target, "max", record(0, [0.3])) is None
    assert limited(target, "max", record(0, [0.4])) is not None
    assert limited(target, "min", record(0, [0.5], best=min)) is None
    assert limited(target, "min", record(0, [0.4], best=min)) is not None
    assert limited(target, "max", record(0, [0.9], cut="pruner")) is None
    assert limited(target, "max", record(0, [0.9], cut="ended")) is not None
    assert limited(target, "max", record(0, [0.9], cut="ended", folds=2)) is None


def test_a_target_is_reached_as_metrics_are_rounded() -> None:
    right = float(np.float32(27) / np.float32(30))
    assert right == 0.8999999761581421
    for direction, best, beyond in (("max", max, 0.900001), ("min", min, 0.899999)):
        for fits in ([[right]], [[right], [right]]):
            reached = record(0, *fits, best=best, folds=len(fits))
            assert limited(LimitSettings(target=0.9), direction, reached) is not None
            assert limited(LimitSettings(target=beyond), direction, reached) is None
    error = record(0, [float(np.float32(0.1))], best=min)  # a little more than 0.1
    assert limited(LimitSettings(target=0.1), "min", error) is not None
    assert limited(LimitSettings(target=0.0), "min", error) is None


def test_trials_without_improvement_are_counted_in_the_order_of_the_trials() -> None:
    patience = LimitSettings(trials_without_improvement=2)
    good, same, failed = record(0, [0.5]), record(1, [0.5]), record(2)
    pruned = record(2, [0.9], cut="pruner")
    assert limited(patience, "max", good, same) is None
    assert limited(patience, "max", failed, good) is None  # trial 1 may still be better
    for last in (failed, pruned):
        end = limited(patience, "max", last, same, good)
        assert end is not None
        assert end.reason == (
            "2 trials in a row, up to 0002, brought nothing better "
            "(limits.trials_without_improvement)"
        )
    rejected = replace(failed, result=replace(failed.result, rejected=True))
    assert limited(patience, "max", good, same, rejected) is None
    assert limited(patience, "max", good, same, record(2, [0.6]), record(3)) is None


def test_a_search_without_improvement_ends_and_says_so(tmp_path: Path) -> None:
    outcome = search(
        tmp_path, *RANDOM, "tuner.max_trials=30", "limits.trials_without_improvement=3"
    )
    scores = [r.result.score or -1.0 for r in outcome.progress.records]
    assert len(scores) < 30
    assert scores.index(max(scores)) == len(scores) - 4
    assert outcome.end.setting == "limits.trials_without_improvement"
    assert outcome.winner is not None


def test_killed_and_resumed_the_trials_without_improvement_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = (*RANDOM, "seed=4", "limits.trials_without_improvement=3")
    whole = search(tmp_path / "whole", *overrides)
    scores = [r.result.score or -1.0 for r in whole.progress.records]
    assert (len(scores), max(scores)) == (4, scores[0])
    assert whole.end.reason.startswith("3 trials in a row, up to 0003,")
    search(tmp_path / "killed", *overrides, listeners=[StopAfter(3)])  # two brought nothing
    assert resume(tmp_path / "killed").end == whole.end
    assert result(tmp_path / "killed") == result(tmp_path / "whole")
    workers = two_at_once(monkeypatch)
    search(tmp_path / "two", *overrides, *workers, listeners=[StopAfter(2)])
    outcome = resume(tmp_path / "two")
    assert outcome.end == whole.end
    found = [r.result.score or -1.0 for r in sorted_records(outcome)]
    assert (found[:4], len(found[4:]) <= 2) == (scores, True)


class StopWhenLast(SearchListener):
    """A signal comes while the limit ends the search."""

    def on_trial_begin(self, spec: TrialSpec, progress: SearchProgress) -> None:
        if spec.trial_id == "0003":
            signal.raise_signal(signal.SIGTERM)


def test_a_signal_wins_and_the_trial_that_it_broke_runs_again(tmp_path: Path) -> None:
    overrides = (*RANDOM, "limits.epochs=10")
    search(tmp_path / "whole", *overrides)
    outcome = search(tmp_path / "stopped_by", *overrides, listeners=[StopWhenLast()])
    assert outcome.end.kind == "interrupted"
    assert len(outcome.progress.records) == 3
    assert resume(tmp_path / "stopped_by").end.setting == "limits.epochs"
    assert result(tmp_path / "stopped_by") == result(tmp_path / "whole")


def test_the_plan_says_what_is_set() -> None:
    every = LimitSettings(minutes=30, epochs=500, target=0.99, trials_without_improvement=10)
    assert limits_text(every, "val_accuracy") == (
        "at most 30 minutes, 500 epochs; until a trial's val_accuracy reaches 0.99 or 10 trials "
        "in a row bring nothing better"
    )
    assert limits_text(LimitSettings(epochs=9), "val_rmse") == "at most 9 epochs"
    assert limits_text(LimitSettings(), "val_rmse") == ""
