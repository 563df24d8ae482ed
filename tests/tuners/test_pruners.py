"""Bars from the curves of trials that have ended, and what an oracle is told of those they cut."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras_tuner as kt
import pytest

from callbacks import TrainingPlan
from src.config import load_config
from src.config.schema import LimitSettings
from src.errors import UserError
from src.execution.early_end import Cutter, nothing_ends
from src.records import PruningThreshold, FitResult, TrialRecord, TrialResult, TrialSpec
from src.search import preparation as preparing
from src.tuners.grid import GridOracle
from src.tuners.keras_tuner_oracles import HyperbandOracle, RandomOracle
from src.tuners.pruners import Curves, check_pruner, pruner_notices
from tests import quick_search
from tests.conftest import TINY
from tests.quick_search import ran, result, resume, search, settings, two_at_once
from tests.search.test_faults import StopAfter

PRUNED = ("tuner.name=random", "tuner.max_trials=9", "training.epochs=8")
MEDIAN = (*PRUNED, "pruner.name=median", "pruner.startup_trials=3", "pruner.first_epoch=2")
fake = quick_search.fake


def curves_of(*overrides: str, direction: str = "max") -> Curves:
    config = load_config(None, ("training.epochs=10", *overrides))
    return Curves(config, kt.Objective("val_score", direction))


def record(
    number: int, *fits: Sequence[float], cut: Any = None, best: Any = max, folds: int = 1
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
    reason = "pruner" if cut else ""
    done = TrialResult(status, results, reason, "", tuple(rows), 1, 0.0, 1.0, "0", cut=cut)
    return TrialRecord(spec, done)


def values(bars: Sequence[PruningThreshold]) -> dict[int, float]:
    return {bar.epoch: bar.value for bar in bars}


def test_the_bar_is_the_median_of_the_best_so_far_of_those_that_got_there() -> None:
    curves = curves_of("pruner.name=median", "pruner.startup_trials=3", "pruner.first_epoch=2")
    curves.add(record(0, [0.1, 0.5, 0.4, 0.3]))  # ended by itself: its best counts to the end
    curves.add(record(1, [0.2, 0.3, 0.8, 0.9, 0.2]))
    assert curves.bars() == ((),)  # too few yet
    curves.add(record(2))  # failed
    assert curves.bars() == ((),)
    curves.add(record(3, [0.4, 0.1, 0.6], cut="pruner"))
    bars = curves.bars()[0]
    assert values(bars) == {2: 0.4, 3: 0.6}  # from epoch 4 on there are two
    assert bars[1].meaning == "the median of 3 trials there"
    curves.add(record(4, [0.7]))
    later = dict.fromkeys(range(4, 10), 0.7)
    assert values(curves.bars()[0]) == pytest.approx({2: 0.45, 3: 0.65} | later)


def test_of_errors_the_bar_is_the_median_of_the_lowest() -> None:
    curves = curves_of("pruner.name=median", "pruner.startup_trials=3", direction="min")
    for number, low in enumerate([3.0, 1.0, 2.0]):
        curves.add(record(number, [9.0, low, 5.0], best=min))
    assert values(curves.bars()[0]) == dict.fromkeys(range(5, 10), 2.0)


def test_halving_keeps_the_best_of_each_rung() -> None:
    curves = curves_of(
        *("pruner.name=halving", "pruner.startup_trials=2", "pruner.first_epoch=1"),
        "pruner.factor=2",
    )
    curves.add(record(0, [0.1] * 10))
    curves.add(record(1, [0.2] * 10))
    bars = curves.bars()[0]
    assert values(bars) == dict.fromkeys((1, 2, 4, 8), 0.2)  # one of three
    assert bars[0].meaning == "the best of 2 trials there"
    for number in (2, 3, 4):
        curves.add(record(number, [number / 10 + 0.1, 0.5], cut="pruner"))
    # 0.1, 0.2, 0.3, 0.4, 0.5 at the first rung: with the next trial three of six go on
    assert values(curves.bars()[0]) == pytest.approx({1: 0.3, 2: 0.5, 4: 0.2, 8: 0.2})
    assert curves.bars()[0][0].meaning == "place 3 among 5 trials there"


def test_each_fold_is_compared_with_the_same_fold() -> None:
    curves = curves_of("pruner.name=median", "pruner.startup_trials=1", "tuner.folds=2")
    curves.add(record(0, [0.9] * 10, [0.3] * 10, folds=2))
    assert [set(values(bars).values()) for bars in curves.bars()] == [{0.9}, {0.3}]


def test_a_pruned_trial_is_told_the_score_of_its_rank() -> None:
    curves = curves_of("pruner.name=median")
    cut = record(9, [0.3, 0.35], cut="pruner")
    assert curves.expected_score(cut) == 0.35  # nothing to compare with
    for number, (early, final) in enumerate([(0.2, 0.6), (0.3, 0.7), (0.4, 0.9), (0.5, 0.8)]):
        curves.add(record(number, [0.1, early, final]))
    # By epoch 2 midway between the second and the third of four, whose scores were 0.7 and 0.8.
    assert curves.expected_score(cut) == pytest.approx(0.75)
    assert curves.expected_score(record(9, [0.3, 0.2], cut="pruner")) == pytest.approx(0.7)
    assert curves.expected_score(record(9, [0.1, 0.15], cut="pruner")) == pytest.approx(0.55)
    assert curves.expected_score(record(9, [0.1, 0.95], cut="ended")) == pytest.approx(0.95)
    assert curves.expected_score(record(9, [0.1, 0.15])) == 0.15  # it trained to its end
    curves.add(cut)  # it has not, and is nobody's measure
    assert curves.expected_score(cut) == pytest.approx(0.75)


def test_of_errors_the_score_of_the_rank_is_never_above_its_own() -> None:
    curves = curves_of("pruner.name=median", direction="min")
    for number, (early, final) in enumerate([(4.0, 2.0), (3.0, 1.0)]):
        curves.add(record(number, [early, final], best=min))
    assert curves.expected_score(record(9, [3.0], cut="pruner", best=min)) == pytest.approx(1.0)
    assert curves.expected_score(record(9, [5.0], cut="pruner", best=min)) == pytest.approx(3.0)
    curves.add(record(2, [3.0, 0.6], best=min))  # of 0.6, 1 and 2, those of rank 1 and 2 were equal
    assert curves.expected_score(record(9, [3.0], cut="pruner", best=min)) == pytest.approx(0.8)
    assert curves.expected_score(record(9, [0.5], cut="ended", best=min)) == pytest.approx(0.5)


def test_settings_that_would_do_nothing_are_refused() -> None:
    for overrides, message in (
        (("pruner.first_epoch=3",), "pruner.first_epoch: 3 has no effect with pruner.name: 'none'"),
        (("pruner.name=median", "pruner.factor=4"), "it is for pruner.name=halving"),
        (("pruner.name=median", "training.epochs=5"), "leaves nothing of the 5 epochs of a trial"),
        (("pruner.name=halving", "pruner.factor=1"), "an integer of at least 2"),
    ):
        with pytest.raises(UserError, match=message):
            load_config(None, overrides)
    pruned = load_config(None, ("pruner.name=median", "tuner.max_trials=5"))
    with pytest.raises(UserError, match="'median' does not go with tuner"):
        check_pruner(pruned, HyperbandOracle)  # whatever its name: it is asked for rungs
    with pytest.raises(UserError, match="Did you mean 'median'"):
        check_pruner(load_config(None, ("pruner.name=medain",)), RandomOracle)
    check_pruner(pruned, GridOracle)
    assert "no trial is ever pruned: all 5 of tuner.max_trials" in pruner_notices(pruned, 5)[0]
    assert pruner_notices(pruned, 6) == []
    assert pruner_notices(load_config(None, ("pruner.name=median",)), None) == []


def test_that_a_small_grid_is_never_pruned_is_said() -> None:
    pins = (
        *("space.normalization=none", "space.dropout=0", "space.optimizer=adam"),
        *("space.learning_rate=0.01", "space.batch_size=32", "space.schedule=constant"),
    )
    found = {}
    for units in ("[4, 5, 6]", "[4, 5, 6, 7]"):
        grid = ("tuner.name=grid", "tuner.max_trials=auto", *pins, f"space.units={units}")
        prepared = preparing.prepare(load_config("quick", (*TINY, *MEDIAN, *grid)))
        found[prepared.trials] = [n for n in prepared.notices if n.startswith("pruner.")]
    assert found == {
        3: [
            "pruner.startup_trials: no trial is ever pruned: all 3 trials train to their end, as "
            "the first 3 do"
        ],
        4: [],
    }


def cutter_of(spec: TrialSpec, ending: Any = nothing_ends) -> Cutter:
    plan = TrainingPlan(spec.epochs, "val_score", "max")
    return Cutter(spec, plan, LimitSettings(epochs=40), ending)


class Model:
    stop_training = False


def train(cutter: Cutter, fold: int, curve: Sequence[float]) -> int:
    """Plays a fit; returns its epochs."""
    cutter.begin(0, fold)
    model = Model()
    for callback in cutter.callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    for epoch, value in enumerate(curve):
        for callback in cutter.callbacks:
            callback.on_epoch_end(epoch, {"val_score": value})
        if model.stop_training:
            return epoch + 1
    return len(curve)


def test_a_trial_that_is_cut_in_one_fit_trains_no_further_ones_and_says_where() -> None:
    bars = ((PruningThreshold(2, 0.5, "the median of 9 trials there"),), (PruningThreshold(1, 0.7, "the least"),), ())
    spec = TrialSpec("0001", "0001", None, {"values": {}}, 0, 4, folds=3, thresholds=bars)
    cutter = cutter_of(spec)
    assert train(cutter, 0, [0.4, 0.5, 0.6, 0.6]) == 4
    assert not cutter.ends_trial()
    assert train(cutter, 1, [0.6, 0.8, 0.8, 0.8]) == 1
    assert cutter.ends_trial()
    assert cutter.cut == "pruner"
    assert (
        cutter.reason
        == "pruned at epoch 1 of 4 in fit 2 of 3: val_score 0.6 is below 0.7, the least"
    )


def test_an_allowance_ends_a_trial_but_not_where_it_ends_by_itself() -> None:
    spec = TrialSpec("0001", "0001", None, {"values": {}}, 0, 4, folds=2, epoch_budget=6)
    cutter = cutter_of(spec)
    assert (train(cutter, 0, [0.1] * 4), cutter.ends_trial()) == (4, False)
    assert (train(cutter, 1, [0.1] * 4), cutter.ends_trial()) == (2, True)
    assert (
        cutter.reason
        == "ended at epoch 2 of 4 in fit 2 of 2: all 40 epochs are used (limits.epochs)"
    )
    exact = cutter_of(TrialSpec("0001", "0001", None, {"values": {}}, 0, 4, epoch_budget=4))
    assert (train(exact, 0, [0.1] * 4), exact.ends_trial()) == (4, False)
    between = cutter_of(TrialSpec("0001", "0001", None, {"values": {}}, 0, 4, folds=2, epoch_budget=4))
    assert (train(between, 0, [0.1] * 4), between.ends_trial()) == (4, True)
    assert between.reason.startswith("ended after fit 1 of 2: all 40 epochs")


def test_when_the_search_ends_a_trial_ends_with_its_first_epoch_at_the_earliest() -> None:
    spec = TrialSpec("0001", "0001", None, {"values": {}}, 0, 4)
    cutter = cutter_of(spec, lambda: "30 minutes are over (limits.minutes)")
    assert train(cutter, 0, [0.1] * 4) == 1
    assert (cutter.cut, cutter.ends_trial()) == ("ended", True)
    assert cutter.reason == "ended at epoch 1 of 4: 30 minutes are over (limits.minutes)"


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("rule", ["median", pytest.param("halving", marks=pytest.mark.slow)])
def test_a_search_that_was_killed_prunes_the_same_trials(tmp_path: Path, rule: str) -> None:
    overrides = (*MEDIAN, f"pruner.name={rule}")
    outcome = search(tmp_path / "whole", *overrides)
    expected = result(tmp_path / "whole")
    cut = [r for r in outcome.progress.records if r.result.stopped_by == "pruner"]
    assert 2 <= len(cut) <= 6
    assert all(2 <= r.result.epochs < 8 for r in cut)
    assert outcome.progress.best is not None
    assert not outcome.progress.best.ranks_behind
    for ended in (2, 6):
        folder = tmp_path / f"killed{ended}"
        search(folder, *overrides, listeners=[StopAfter(ended)])
        ran.clear()
        resume(folder)
        assert len(ran) == 9 - ended
        assert result(folder) == expected


@pytest.mark.usefixtures("fake")
def test_killed_with_two_workers_the_pruner_goes_on_from_the_trials_that_had_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = (*MEDIAN, *two_at_once(monkeypatch))
    search(tmp_path, *overrides, listeners=[StopAfter(5)])
    outcome = resume(tmp_path)
    records = outcome.progress.records
    assert len(records) == 9
    curves = Curves(
        load_config("quick", settings(tmp_path, *overrides)), outcome.progress.objective
    )
    bars = [curves.bars()]
    for one in records:  # in the order in which they ended
        curves.add(one)
        bars.append(curves.bars())
    late = [one for one in records if int(one.spec.trial_id) > 5]  # begun after the kill
    assert len(late) == 3
    for one in late:  # when it began, one of those before it may have been running
        assert one.spec.thresholds in bars[int(one.spec.trial_id) - 1 :]
        assert one.spec.thresholds[0]
    for one in records:
        judged = {bar.epoch: bar.value for bar in (one.spec.thresholds or ((),))[0]}
        reached = [row["val_accuracy"] for row in one.result.history]
        behind = [epoch for epoch in judged if epoch <= len(reached)]
        behind = [epoch for epoch in behind if max(reached[:epoch]) < judged[epoch]]
        assert behind == ([len(reached)] if one.result.stopped_by == "pruner" else [])
    assert sum(one.result.stopped_by == "pruner" for one in records) >= 1


@pytest.mark.usefixtures("fake")
def test_a_pruned_trial_is_trained_again_to_the_same_epoch_and_no_further(tmp_path: Path) -> None:
    """As when its weights are needed yet and damaged: the winner's here, which a limit ended."""
    search(tmp_path, *PRUNED[:2], "training.epochs=5", "limits.epochs=3")
    outcome = resume(tmp_path)
    best = outcome.progress.best
    assert best is not None
    assert (best.result.stopped_by, best.result.epochs) == ("ended", 3)
    outcome.run.weights("0000", 0, 0).write_text("damaged")
    ran.clear()
    again = resume(tmp_path)
    assert ran == ["0000"]
    assert again.progress.records[0].result == best.result
    assert again.end.reason == "all 3 epochs are used (limits.epochs)"
