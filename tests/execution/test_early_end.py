"""A trial ends before its time: at a pruning threshold, without epochs left, or with the search."""

from collections.abc import Sequence
from typing import Any

from callbacks import TrainingPlan
from src.config.schema import LimitSettings
from src.execution.early_end import EarlyEnd
from src.records import PruningThreshold, TrialSpec


def early_end_of(spec: TrialSpec, ending: Any = lambda: "") -> EarlyEnd:
    plan = TrainingPlan(spec.epochs, "val_score", "max")
    return EarlyEnd(spec, plan, LimitSettings(epochs=40), ending)


class Model:
    stop_training = False


def train(early_end: EarlyEnd, fold: int, curve: Sequence[float]) -> int:
    """Plays a fit; returns its epochs."""
    early_end.begin(0, fold)
    model = Model()
    for callback in early_end.callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    for epoch, value in enumerate(curve):
        for callback in early_end.callbacks:
            callback.on_epoch_end(epoch, {"val_score": value})
        if model.stop_training:
            return epoch + 1
    return len(curve)


def test_a_trial_that_is_pruned_in_one_fit_trains_no_further_fit_and_says_where() -> None:
    thresholds = (
        (PruningThreshold(2, 0.5, "the median of 9 trials there"),),
        (PruningThreshold(1, 0.7, "the least"),),
        (),
    )
    spec = TrialSpec("0001", "0001", None, {"values": {}}, 0, 4, folds=3, thresholds=thresholds)
    early_end = early_end_of(spec)
    assert train(early_end, 0, [0.4, 0.5, 0.6, 0.6]) == 4
    assert not early_end.ends_trial()
    assert train(early_end, 1, [0.6, 0.8, 0.8, 0.8]) == 1
    assert early_end.ends_trial()
    assert early_end.stopped_by == "pruner"
    assert (
        early_end.reason
        == "pruned at epoch 1 of 4 in fit 2 of 3: val_score 0.6 is below 0.7, the least"
    )


def test_an_epoch_budget_ends_a_trial_but_not_where_it_ends_by_itself() -> None:
    spec = TrialSpec("0001", "0001", None, {"values": {}}, 0, 4, folds=2, epoch_budget=6)
    early_end = early_end_of(spec)
    assert (train(early_end, 0, [0.1] * 4), early_end.ends_trial()) == (4, False)
    assert (train(early_end, 1, [0.1] * 4), early_end.ends_trial()) == (2, True)
    assert (
        early_end.reason
        == "ended at epoch 2 of 4 in fit 2 of 2: all 40 epochs are used (limits.epochs)"
    )
    exact = early_end_of(TrialSpec("0001", "0001", None, {"values": {}}, 0, 4, epoch_budget=4))
    assert (train(exact, 0, [0.1] * 4), exact.ends_trial()) == (4, False)
    between = early_end_of(
        TrialSpec("0001", "0001", None, {"values": {}}, 0, 4, folds=2, epoch_budget=4)
    )
    assert (train(between, 0, [0.1] * 4), between.ends_trial()) == (4, True)
    assert between.reason.startswith("ended after fit 1 of 2: all 40 epochs")


def test_when_the_search_ends_a_trial_ends_with_its_first_epoch_at_the_earliest() -> None:
    spec = TrialSpec("0001", "0001", None, {"values": {}}, 0, 4)
    early_end = early_end_of(spec, lambda: "30 minutes are over (limits.minutes)")
    assert train(early_end, 0, [0.1] * 4) == 1
    assert (early_end.stopped_by, early_end.ends_trial()) == ("limit", True)
    assert early_end.reason == "ended at epoch 1 of 4: 30 minutes are over (limits.minutes)"
