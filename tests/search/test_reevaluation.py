"""The best trials trained again, from new seeds and ranked by their mean, kills or not."""

import csv
import io
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras_tuner as kt
import pytest
from rich.console import Console

from src import retrain
from src.config import load_config
from src.config.schema import ReevaluateSettings
from src.console.listener import ConsoleListener
from src.console.text import trial_line
from src.errors import UserError
from src.evaluation.comparison import lead_of_the_first
from src.records import FitResult, Reevaluation, TrialRecord, TrialResult, TrialSpec
from src.reporting import report_listeners
from src.reporting.run_data import read_run
from src.search import run as run_search
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.search.reevaluation import confirmed, trainings
from src.search.workflow import SearchOutcome
from src.store.run_directory import RunDirectory
from tests import quick_search
from tests.conftest import MakeConfig
from tests.quick_search import ran, resume, search

fake = quick_search.fake

SETTINGS = ("tuner.max_trials=4", "training.epochs=1", "tuner.reevaluate.trials=2")
TWICE = (*SETTINGS, "tuner.reevaluate.executions=2")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def confirmed_trials(outcome: SearchOutcome) -> list[str]:
    return [r.spec.trial_id for r in outcome.progress.records if r.confirmed is not None]


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_the_best_are_trained_again_from_new_seeds_and_ranked_by_the_mean(
    tiny: MakeConfig, workers: int
) -> None:
    outcome = run_search(
        tiny("tuner.reevaluate.trials=2", f"run.workers={workers}", "space.learning_rate=0.01"),
        listeners=report_listeners(),
    )
    run, progress = outcome.run, outcome.progress
    best = [record.spec.trial_id for record in progress.by_search_score]
    fits = rows(run.fits_table)
    assert {fit["trial_id"] for fit in fits} == set(best[:2])
    means = {}
    for trial_id in best[:2]:
        own = {int(fit["execution"]): fit for fit in fits if fit["trial_id"] == trial_id}
        assert sorted(own) == [0, 1, 2, 3]
        means[trial_id] = statistics.mean(float(own[number]["score"]) for number in (1, 2, 3))
        assert len({fit["loss"] for fit in own.values()}) == 4  # every time from another seed
    table = {row["trial_id"]: row for row in rows(run.trials_table)}
    assert [bool(row["reevaluated"]) for row in table.values()] == [
        trial_id in means for trial_id in table
    ]
    for trial_id, mean in means.items():
        assert float(table[trial_id]["reevaluated"]) == pytest.approx(mean)
        assert table[trial_id]["score_std"] == ""  # of the search's single training
    assert outcome.winner is not None
    winner = outcome.winner.record.spec.trial_id
    assert means[winner] == max(means.values())
    assert progress.best is outcome.winner.record
    epochs = rows(run.history_table)
    assert [(e["trial_id"], e["execution"]) for e in epochs] == sorted(
        (e["trial_id"], e["execution"]) for e in epochs
    )
    assert {e["execution"] for e in epochs if e["trial_id"] == winner} == {"0", "1", "2", "3"}
    assert len(list((run.tensorboard / winner).glob("execution[123]-fold0/*.trial*"))) == 3


@pytest.mark.usefixtures("fake")
def test_the_luckiest_is_not_the_winner(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=100)
    outcome = search(tmp_path, *TWICE, listeners=[ConsoleListener(console)])
    first, second = outcome.progress.by_search_score[:2]
    assert (first.result.score or 0) > (second.result.score or 0)
    assert (first.confirmed or 0) < (second.confirmed or 0)  # as the fake training has it
    assert outcome.progress.best is second
    assert outcome.winner is not None
    assert outcome.winner.record is second
    lead = lead_of_the_first(outcome.progress.completed, "max")
    assert lead is not None
    assert lead.mean == pytest.approx((second.confirmed or 0) - (first.confirmed or 0))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "the best trials from new seeds, 4 trainings" in text
    assert text.count("  again ") == 4
    assert f"mean {second.confirmed:.5g}" in text


@pytest.mark.usefixtures("fake")
def test_a_search_that_has_ended_can_be_confirmed_later_and_more(tmp_path: Path) -> None:
    outcome = search(tmp_path, *SETTINGS[:2])
    assert confirmed_trials(outcome) == []
    ran.clear()
    outcome = resume(tmp_path, "tuner.reevaluate.trials=1", "tuner.reevaluate.executions=1")
    (first,) = confirmed_trials(outcome)
    assert ran == [f"{first}/1"]
    ran.clear()
    outcome = resume(tmp_path, "tuner.reevaluate.trials=2", "tuner.reevaluate.executions=2")
    second = next(t for t in confirmed_trials(outcome) if t != first)
    assert ran == [f"{first}/2", f"{second}/1", f"{second}/2"]
    whole = tmp_path / "whole"
    search(whole, *TWICE)
    assert quick_search.result(tmp_path) == quick_search.result(whole)
    ran.clear()
    resume(tmp_path)
    assert ran == []


class Stopping(SearchListener):
    """Asks the search to stop when so many trainings have confirmed."""

    def __init__(self, after: int) -> None:
        self.left = after

    def on_reevaluation(
        self, record: TrialRecord, result: TrialResult, progress: SearchProgress
    ) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_search_that_is_killed_while_it_confirms_goes_on_there(
    tmp_path: Path, after: int
) -> None:
    stopped = search(tmp_path, *TWICE, listeners=[Stopping(after)])
    assert stopped.end.kind == "interrupted"
    done = [name for name in ran if "/" in name]
    assert len(done) == after
    ran.clear()
    resume(tmp_path)
    assert len(ran) == 4 - after
    assert not set(ran) & set(done)
    whole = tmp_path / "whole"
    search(whole, *TWICE)
    assert quick_search.result(tmp_path) == quick_search.result(whole)


@pytest.mark.usefixtures("fake")
def test_weights_that_the_search_has_deleted_are_not_needed(tmp_path: Path) -> None:
    few = ("run.keep_top=1", "tuner.max_trials=6", "training.epochs=1")
    search(tmp_path, *few)
    for trials, executions in ((5, 1), (2, 2), (1, 4)):
        again = [f"tuner.reevaluate.trials={trials}", f"tuner.reevaluate.executions={executions}"]
        outcome = resume(tmp_path, *again)
        assert outcome.end.kind == "finished", outcome.end.reason
        assert outcome.progress.notices == []
        assert outcome.winner is not None
        assert outcome.winner.record.reevaluated_score is not None
    ran.clear()
    assert resume(tmp_path, *again).progress.notices == []
    assert ran == []


@pytest.mark.usefixtures("fake")
def test_half_a_confirmation_is_whole_where_fewer_trainings_are_asked_for(tmp_path: Path) -> None:
    settings = (*SETTINGS[:2], "tuner.reevaluate.trials=1", "tuner.reevaluate.executions=4")
    search(tmp_path, *settings, listeners=[Stopping(2)])
    ran.clear()
    outcome = resume(tmp_path, "tuner.reevaluate.executions=2")
    assert ran == []
    assert len(confirmed_trials(outcome)) == 1
    assert outcome.winner is not None


class Reading(SearchListener):
    """Notes how the report sees the run while it confirms."""

    def __init__(self, run: Path) -> None:
        self.run, self.states = RunDirectory(run), set[str]()

    def on_reevaluation(
        self, record: TrialRecord, result: TrialResult, progress: SearchProgress
    ) -> None:
        self.states.add(json.loads(self.run.snapshot.read_bytes())["state"]["end"].get("kind", ""))


@pytest.mark.usefixtures("fake")
def test_the_search_has_not_ended_before_all_is_confirmed(tmp_path: Path) -> None:
    reading = Reading(tmp_path / "run")
    search(tmp_path, *TWICE, listeners=[reading])
    assert reading.states == {""}
    assert read_run(reading.run).state == "finished"


def test_to_confirm_later_exports_what_to_confirm_at_once_does(
    tiny: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("tuner.max_trials=2", "data.source=breast_cancer", "objective.threshold=tuned")
    again = ["tuner.reevaluate.trials=2", "tuner.reevaluate.executions=1"]
    at_once = run_search(tiny(*common, *again, "run.name=at_once"))
    later = run_search(tiny(*common, "run.name=later"))
    later = run_search(None, again, resume=str(later.run.path))
    assert at_once.winner is not None
    assert later.winner is not None
    assert later.winner.validation == at_once.winner.validation
    assert later.run.predictions.read_text() == at_once.run.predictions.read_text()
    # The threshold of another trial is tuned with the weights that confirmed it.
    second = at_once.progress.completed[1].spec.trial_id
    assert retrain.main([str(at_once.run.path), "--trial", second]) == 0, capsys.readouterr().err


@pytest.mark.usefixtures("fake")
def test_damaged_weights_of_the_winner_are_trained_again(tmp_path: Path) -> None:
    outcome = search(tmp_path, *TWICE)
    expected = quick_search.result(tmp_path)
    assert outcome.winner is not None
    winner = outcome.winner.record.spec.trial_id
    path = outcome.run.weights(winner, 2, 0)
    path.write_text("damaged")
    outcome.run.model.unlink()
    ran.clear()
    outcome = resume(tmp_path)
    assert ran == [f"{winner}/2"]
    assert any(f"{path}: missing or damaged" in notice for notice in outcome.progress.notices)
    assert quick_search.result(tmp_path) == expected


@pytest.mark.usefixtures("fake")
def test_damaged_epochs_cost_those_epochs_alone(tmp_path: Path) -> None:
    outcome = search(tmp_path, *TWICE)
    assert outcome.winner is not None
    winner = outcome.winner.record.spec.trial_id
    table = outcome.run.history_table
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(x for x in lines if not x.startswith(f"{winner},2,")))
    ran.clear()
    outcome = resume(tmp_path)
    assert ran == []
    (notice,) = outcome.progress.notices
    assert f"The epochs of trial {winner} are lost, and nothing else" in notice
    kept = [line for line in table.read_text().splitlines() if line.startswith(f"{winner},")]
    assert [line.split(",")[1] for line in kept] == ["0", "1"]


@pytest.mark.usefixtures("fake")
def test_a_configuration_that_fails_from_another_seed_does_not_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = search(tmp_path / "alone", *SETTINGS[:2])
    assert alone.progress.best is not None
    lucky = alone.progress.best.spec.trial_id
    monkeypatch.setattr(quick_search, "FAILING_AGAIN", lucky)
    outcome = search(tmp_path, *TWICE)
    ranked = [record.spec.trial_id for record in outcome.progress.completed]
    assert ranked[-1] == lucky
    assert ran.count(f"{lucky}/1") == 1
    assert f"{lucky}/2" not in ran
    (row,) = [r for r in rows(outcome.run.trials_table) if r["trial_id"] == lucky]
    assert row["status"] == "COMPLETED"
    assert row["reason"] == "another training of it failed: ValueError: not from another seed"
    ran.clear()
    assert resume(tmp_path).progress.completed[-1].spec.trial_id == lucky
    assert ran == []


@pytest.mark.usefixtures("fake")
def test_a_promotion_and_its_parent_are_confirmed_once_and_from_the_first_epoch(
    tmp_path: Path,
) -> None:
    settings = ("tuner.name=hyperband", "tuner.max_trials=auto", "training.epochs=4")
    outcome = search(tmp_path, *settings, *TWICE[2:])
    roots = [r.spec.root_id for r in outcome.progress.records if r.confirmed is not None]
    assert len(set(roots)) == len(roots) == 2
    for record in outcome.progress.records:
        if record.reevaluation is not None:
            epochs = [row["epoch"] for row in record.reevaluation.history]
            assert epochs == [*range(1, record.spec.epochs + 1)] * 2


def _fit(execution: int, score: float) -> FitResult:
    return FitResult(execution, 0, score, 1, 1, {"val_accuracy": score})


def _record(trial_id: str, score: float, confirmation: Reevaluation | None = None) -> TrialRecord:
    spec = TrialSpec(trial_id, trial_id, None, {"values": {}}, 0, 1)
    result = TrialResult("COMPLETED", (_fit(0, score),), "", "", (), 1, 0.0, 1.0, "0")
    return TrialRecord(spec, result, confirmation)


@pytest.mark.parametrize("direction", ["max", "min"])
def test_confirmed_trials_rank_first_and_those_that_failed_last(direction: Any) -> None:
    sign = 1.0 if direction == "max" else -1.0
    progress = SearchProgress(kt.Objective("val_accuracy", direction), None)
    worse, better = (
        Reevaluation(2, (_fit(1, sign * low), _fit(2, sign * high)))
        for low, high in ((0.5, 0.6), (0.6, 0.7))
    )
    half = Reevaluation(2, (_fit(1, sign * 0.99),))
    progress.records = [
        _record("0000", sign * 0.99, worse),
        _record("0001", sign * 0.90, better),
        _record("0002", sign * 0.80),
        _record("0003", sign * 0.85, half),
        _record("0004", sign * 0.95, replace(half, reason="it failed")),
    ]
    ids = [record.spec.trial_id for record in progress.completed]
    assert ids == ["0001", "0000", "0003", "0002", "0004"]
    text = trial_line(progress.records[0], progress).plain
    assert text.endswith("0.09 ahead of 0001, which is confirmed")
    ids = [record.spec.trial_id for record in progress.by_search_score]
    assert ids == ["0000", "0004", "0001", "0003", "0002"]
    assert [spec.trial_id for spec in trainings(progress, ReevaluateSettings(trials=4))] == [
        *("0000", "0001", "0003", "0003")  # each lacks the third, and one of them the second too
    ]


def test_of_equally_good_rungs_the_longest_is_confirmed() -> None:
    progress = SearchProgress(kt.Objective("val_accuracy", "max"), None)
    short, other = _record("0000", 0.9), _record("0001", 0.8)
    long = _record("0002", 0.9)
    spec = replace(long.spec, root_id="0000", parent_id="0000", initial_epoch=1, epochs=3)
    progress.records = [short, other, replace(long, spec=spec)]
    found = trainings(progress, ReevaluateSettings(trials=2, executions=1))
    assert [(one.trial_id, one.initial_epoch, one.epochs) for one in found] == [
        *(("0002", 0, 3), ("0001", 0, 1))
    ]


def test_the_mean_is_of_the_new_trainings_alone() -> None:
    record = _record("0000", 0.9)
    for execution, score in ((2, 0.6), (1, 0.5)):
        assert record.reevaluated_score is None
        result = replace(record.result, fits=(_fit(execution, score),), seconds=2.0)
        record = confirmed(record, result, executions=2)
    assert record.reevaluated_score == pytest.approx(0.55)
    assert record.reevaluation is not None
    assert record.reevaluation.score_error == pytest.approx(0.05)
    assert record.reevaluation.seconds == 4.0
    assert [fit.execution for fit in record.fits] == [0, 1, 2]


def test_a_training_that_failed_counts_though_another_one_beside_it_completes() -> None:
    record = _record("0000", 0.9)
    failed = confirmed(record, replace(record.result, status="FAILED", reason="NaN"), executions=3)
    beside = replace(record.result, fits=(_fit(2, 0.8),))
    after = confirmed(failed, beside, executions=3)
    assert after.reevaluation is not None
    assert after.reevaluation.reason == "another training of it failed: NaN"
    assert after.reevaluation.trained == {2}
    progress = SearchProgress(kt.Objective("val_accuracy", "max"), None)
    progress.records = [after, _record("0001", 0.5)]
    assert [one.spec.trial_id for one in progress.completed] == ["0001", "0000"]
    assert {one.trial_id for one in trainings(progress, ReevaluateSettings(trials=2))} == {"0001"}


def test_executions_without_trials_are_refused() -> None:
    with pytest.raises(UserError, match=r"reevaluate\.executions: 5 has no effect while"):
        load_config("quick", ["tuner.reevaluate.executions=5"])
