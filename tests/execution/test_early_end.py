"""A trial ends before its time: at a pruner's bar, without epochs left, or with the search."""

from collections.abc import Sequence
from typing import Any

from callbacks import TrainingPlan
from src.config.schema import LimitSettings
from src.execution.early_end import Cutter, nothing_ends
from src.records import PruningThreshold, TrialSpec


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
