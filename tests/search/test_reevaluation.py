"""The best trials trained again, from new seeds and ranked by their mean, kills or not."""

import csv
import io
import re
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console

from src import retrain
from src.config import load_config
from src.config.schema import ReevaluateSettings
from src.console.listener import ConsoleListener
from src.errors import UserError
from src.evaluation.comparison import lead_of_the_first
from src.records import FitResult, Objective, Reevaluation, TrialRecord, TrialResult, TrialSpec
from src.reporting.run_data import read_run
from src.search import run as run_search
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.search.reevaluation import plan, with_training
from src.search.workflow import SearchOutcome
from tests import quick_search
from tests.conftest import MakeConfig, report_listeners
from tests.quick_search import ran, resume, saved, search

fake, folder = quick_search.fake, quick_search.folder
SETTINGS = ("tuner.max_trials=4", "training.epochs=1", "tuner.reevaluate.trials=2")
TWICE = (*SETTINGS, "tuner.reevaluate.executions=2")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def reevaluated(outcome: SearchOutcome) -> list[str]:
    records = outcome.progress.records
    return [r.spec.trial_id for r in records if r.reevaluated_score is not None]


def test_the_best_are_trained_again_from_new_seeds_and_ranked_by_the_mean(
    tiny: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    pins = ("space.learning_rate=0.01", "data.source=breast_cancer", "objective.threshold=tuned")
    outcome = run_search(tiny("tuner.reevaluate.trials=2", *pins), listeners=report_listeners())
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
    assert {trial_id for trial_id, row in table.items() if row["reevaluated"]} == means.keys()
    for trial_id, mean in means.items():
        assert float(table[trial_id]["reevaluated"]) == pytest.approx(mean)
        assert table[trial_id]["score_std"] == ""  # of the search's single training
    assert outcome.winner is not None
    winner = outcome.winner.record.spec.trial_id
    assert means[winner] == max(means.values())
    epochs = [(e["trial_id"], e["execution"]) for e in rows(run.history_table)]
    assert epochs == sorted(epochs)
    assert {execution for trial_id, execution in epochs if trial_id == winner} == {*"0123"}
    assert len(list((run.tensorboard / winner).glob("execution[123]-fold0/*.trial*"))) == 3
    # The threshold of another trial is tuned with the weights of its re-evaluation.
    second = progress.completed[1].spec.trial_id
    assert retrain.main([str(run.path), "--trial", second]) == 0, capsys.readouterr().err


@pytest.mark.usefixtures("fake")
def test_the_luckiest_is_not_the_winner(folder: Path) -> None:
    console = Console(file=io.StringIO(), width=100)
    outcome = search(folder, *TWICE, listeners=[ConsoleListener(console)])
    first, second = outcome.progress.by_search_score[:2]
    assert (first.result.score or 0) > (second.result.score or 0)
    assert (first.reevaluated_score or 0) < (second.reevaluated_score or 0)  # as the fake has it
    assert outcome.winner is not None
    assert outcome.winner.record is outcome.progress.best is second
    lead = lead_of_the_first(outcome.progress.completed, "max")
    assert lead is not None
    assert lead.mean == pytest.approx(
        (second.reevaluated_score or 0) - (first.reevaluated_score or 0)
    )
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "the best trials train from new seeds, trainings: 4" in text
    assert len(re.findall(r"  \d{4}  re-evaluation ", text)) == 4
    assert f"mean {second.reevaluated_score:.5g}" in text


@pytest.mark.usefixtures("fake")
def test_a_search_that_has_ended_can_be_reevaluated_later_and_more(folder: Path) -> None:
    assert reevaluated(search(folder, *SETTINGS[:2])) == []
    ran.clear()
    (first,) = reevaluated(
        resume(folder, "tuner.reevaluate.trials=1", "tuner.reevaluate.executions=1")
    )
    assert ran == [f"{first}/1"]
    ran.clear()
    outcome = resume(folder, "tuner.reevaluate.trials=2", "tuner.reevaluate.executions=2")
    second = next(t for t in reevaluated(outcome) if t != first)
    assert ran == [f"{first}/2", f"{second}/1", f"{second}/2"]
    search(folder / "whole", *TWICE)
    assert quick_search.result(folder) == quick_search.result(folder / "whole")
    search(folder / "few", *SETTINGS[:2], "run.keep_top=1")  # weights that were deleted
    assert resume(folder / "few", "tuner.reevaluate.trials=3").winner is not None


class Interrupting(SearchListener):
    """Breaks the search off after so many trainings of the re-evaluation."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.states: set[str] = set()  # how a report sees the run meanwhile

    def on_reevaluation(
        self, record: TrialRecord, result: TrialResult, progress: SearchProgress
    ) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.usefixtures("fake")
def test_half_a_reevaluation_goes_on_or_is_whole_where_fewer_trainings_are_asked_for(
    folder: Path,
) -> None:
    settings = (*SETTINGS[:2], "tuner.reevaluate.trials=1", "tuner.reevaluate.executions=4")
    outcome = search(folder, *settings, listeners=[Interrupting(2)])
    assert outcome.end.kind == "interrupted"
    assert read_run(outcome.run).state == "killed"  # the search has not ended before
    ran.clear()
    outcome = resume(folder, "tuner.reevaluate.executions=2")
    assert ran == []
    (trial_id,) = reevaluated(outcome)
    stored = {r.spec.trial_id: r.reevaluated_score for r in saved(folder).records}
    assert stored[trial_id] == outcome.progress.record(trial_id).reevaluated_score is not None
    resume(folder, "tuner.reevaluate.executions=3")
    assert ran == [f"{trial_id}/3"]


@pytest.mark.usefixtures("fake")
def test_a_configuration_that_fails_from_another_seed_does_not_win(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = search(folder / "alone", *SETTINGS[:2]).progress.best
    assert best is not None
    lucky = best.spec.trial_id
    monkeypatch.setattr(quick_search, "FAILING_AGAIN", lucky)
    outcome = search(folder, *TWICE)
    assert outcome.progress.completed[-1].spec.trial_id == lucky
    assert ran.count(f"{lucky}/1") == 1
    assert f"{lucky}/2" not in ran
    (row,) = [r for r in rows(outcome.run.trials_table) if r["trial_id"] == lucky]
    assert row["status"] == "COMPLETED"
    assert row["reason"] == "another training of it failed: ValueError: this one never works"
    ran.clear()
    assert resume(folder).progress.completed[-1].spec.trial_id == lucky
    assert ran == []


@pytest.mark.usefixtures("fake")
def test_a_promotion_and_its_parent_are_trained_once_and_from_the_first_epoch(folder: Path) -> None:
    settings = ("tuner.name=hyperband", "tuner.max_trials=auto", "training.epochs=4")
    outcome = search(folder, *settings, *TWICE[2:])
    roots = [r.spec.root_id for r in outcome.progress.records if r.reevaluation is not None]
    assert len(set(roots)) == len(roots) == 2
    for record in outcome.progress.records:
        if record.reevaluation is not None:
            epochs = [row["epoch"] for row in record.reevaluation.history]
            assert epochs == [*range(1, record.spec.epochs + 1)] * 2


def _fit(execution: int, score: float) -> FitResult:
    return FitResult(execution, 0, score, 1, 1, {"val_accuracy": score})


def _record(trial_id: str, score: float, again: Reevaluation | None = None) -> TrialRecord:
    spec = TrialSpec(trial_id, trial_id, None, {"values": {}}, 0, 1)
    result = TrialResult("COMPLETED", (_fit(0, score),), "", "", (), 1, 0.0, 1.0, "0")
    return TrialRecord(spec, result, again)


def _progress(direction: Literal["min", "max"], *records: TrialRecord) -> SearchProgress:
    progress = SearchProgress(Objective("val_accuracy", direction), None)
    for record in records:
        progress.add(record)
    return progress


@pytest.mark.parametrize("direction", ["max", "min"])
def test_reevaluated_trials_rank_first_and_those_that_failed_last(
    direction: Literal["min", "max"],
) -> None:
    sign = 1.0 if direction == "max" else -1.0
    worse, better = (
        Reevaluation(2, (_fit(1, sign * low), _fit(2, sign * high)))
        for low, high in ((0.5, 0.6), (0.6, 0.7))
    )
    half = Reevaluation(2, (_fit(1, sign * 0.99),))
    progress = _progress(
        direction,
        _record("0000", sign * 0.99, worse),
        _record("0001", sign * 0.90, better),
        _record("0002", sign * 0.80),
        _record("0003", sign * 0.85, half),
        _record("0004", sign * 0.95, replace(half, reason="it failed")),
    )
    ids = [record.spec.trial_id for record in progress.completed]
    assert ids == ["0001", "0000", "0003", "0002", "0004"]
    ids = [record.spec.trial_id for record in progress.by_search_score]
    assert ids == ["0000", "0004", "0001", "0003", "0002"]
    assert [spec.trial_id for spec in plan(progress, ReevaluateSettings(trials=4))] == [
        *("0000", "0001", "0003", "0003")  # each lacks the third, and one of them the second too
    ]


def test_of_equally_good_rungs_the_longest_is_trained() -> None:
    long = _record("0002", 0.9)
    spec = replace(long.spec, root_id="0000", parent_id="0000", initial_epoch=1, epochs=3)
    records = (_record("0000", 0.9), _record("0001", 0.8), replace(long, spec=spec))
    found = plan(_progress("max", *records), ReevaluateSettings(trials=2, executions=1))
    assert [(one.trial_id, one.initial_epoch, one.epochs) for one in found] == [
        *(("0002", 0, 3), ("0001", 0, 1))
    ]


def test_the_mean_is_of_the_new_trainings_alone_and_a_failure_counts() -> None:
    record = first = _record("0000", 0.9)
    for execution, score in ((2, 0.6), (1, 0.5)):
        assert record.reevaluated_score is None
        result = replace(record.result, fits=(_fit(execution, score),), seconds=2.0)
        record = with_training(record, result, executions=2)
    assert record.reevaluation is not None
    assert record.reevaluation.score == pytest.approx(0.55)
    assert record.reevaluation.score_error == pytest.approx(0.05)
    assert record.reevaluation.seconds == 4.0
    assert [fit.execution for fit in record.fits] == [0, 1, 2]
    failed = replace(first.result, status="FAILED", reason="NaN")
    beside = replace(first.result, fits=(_fit(2, 0.8),))  # another training completes
    after = with_training(with_training(first, failed, executions=3), beside, executions=3)
    assert after.reevaluation is not None
    assert after.reevaluation.reason == "another training of it failed: NaN"
    assert after.reevaluation.trained == {2}
    progress = _progress("max", after, _record("0001", 0.5))
    assert [one.spec.trial_id for one in progress.completed] == ["0001", "0000"]
    assert {one.trial_id for one in plan(progress, ReevaluateSettings(trials=2))} == {"0001"}


def test_executions_without_trials_are_refused() -> None:
    with pytest.raises(UserError, match=r"tuner\.reevaluate\.executions: 5 has no effect while"):
        load_config("quick", ["tuner.reevaluate.executions=5"])
