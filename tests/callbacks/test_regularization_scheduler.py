"""Strengths of penalties that change while a model trains, and how they get into the logs."""

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from callbacks import (
    MissingMetricError,
    RecordControls,
    RegularizationOnGap,
    RegularizationScheduler,
)
from callbacks.tensorboard import tag
from tests.callbacks.helpers import fit, plain_model


def model(**strengths: float) -> Any:
    tunables = {name: (tf.Variable(value), tf.Variable(value)) for name, value in strengths.items()}
    return SimpleNamespace(tunables=tunables)


def train(callback: Any, trained: Any, logs: list[dict[str, float]], start: int = 0) -> Any:
    """What `RecordControls` logs of each epoch."""
    record, found = RecordControls(), []
    for one in (record, callback):
        one.set_model(trained)
        one.on_train_begin()
    for epoch in range(start, len(logs)):
        callback.on_epoch_begin(epoch)
        record.on_train_batch_begin(0)
        own = dict(logs[epoch])
        record.on_epoch_end(epoch, own)
        found.append({name: own[name] for name in own if name not in logs[epoch]})
        callback.on_epoch_end(epoch, logs[epoch])
    callback.on_train_end()
    return found


def test_every_penalty_is_multiplied_by_the_function_of_progress_and_given_back() -> None:
    trained = model(l1=0.5, l2=2.0, weight_decay=1.0, dropout=0.25)
    scheduler = RegularizationScheduler(lambda progress: 1 + 4 * progress, 4)
    found = train(scheduler, trained, [{}] * 6)
    factors = [1, 2, 3, 4, 5, 5]  # beyond the plan it stays
    assert [row["l1"] for row in found] == [0.5 * factor for factor in factors]
    assert [row["l2"] for row in found] == [2.0 * factor for factor in factors]
    assert [row["weight_decay"] for row in found] == factors
    values = {name: [float(v) for v in pair] for name, pair in trained.tunables.items()}
    assert values == {
        "l1": [0.5] * 2,
        "l2": [2.0] * 2,
        "weight_decay": [1.0] * 2,
        "dropout": [0.25] * 2,
    }


def losses(gaps: list[float]) -> list[dict[str, float]]:
    return [{"loss": 1.0, "val_loss": 1.0 + gap} for gap in gaps]


GAPS = [0.0, 0.1, 0.2, 0.3, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
# With patience 2 after epochs 2, 6 and 8, and no more: the cap is reached.
FACTORS = [1, 1, 1, 2, 2, 2, 2, 4, 4, 5, 5]


def test_a_growing_gap_raises_the_strengths_up_to_the_cap() -> None:
    callback = RegularizationOnGap(2.0, patience=2, cap=5.0)
    found = train(callback, model(l2=1.0), losses(GAPS))
    assert [row["l2"] for row in found] == FACTORS
    assert callback.raises == 3


def test_pieces_give_the_strengths_of_training_at_once() -> None:
    state, found = None, []
    for start, end in ((0, 2), (2, 3), (3, 8), (8, 11)):
        callback = RegularizationOnGap(2.0, patience=2, cap=5.0)
        if state is not None:
            callback.set_state(json.loads(json.dumps(state)))
        found += train(callback, model(l2=1.0), losses(GAPS)[:end], start)
        state = callback.get_state()
    assert [row["l2"] for row in found] == FACTORS


def test_a_gap_that_shrinks_or_is_not_finite_ends_the_growth() -> None:
    callback = RegularizationOnGap(2.0, patience=2)
    gaps = [0.1, 0.2, math.nan, 0.3, 0.4, 0.4, 0.5, 0.4]
    assert {row["l2"] for row in train(callback, model(l2=1.0), losses(gaps))} == {1.0}


def test_a_second_fit_starts_afresh() -> None:
    callback, trained = RegularizationOnGap(2.0, patience=2, cap=5.0), model(l2=1.0)
    first = train(callback, trained, losses(GAPS))
    assert train(callback, trained, losses(GAPS)) == first


def test_a_model_without_penalties_is_left_as_it_is() -> None:
    trained = model(dropout=0.5)
    assert train(RegularizationScheduler(lambda _: 9.0, 2), trained, [{}, {}]) == [{}, {}]
    assert float(trained.tunables["dropout"][0]) == 0.5


@pytest.mark.parametrize(
    "callback", [RegularizationScheduler(lambda _: 1.0, 2), RegularizationOnGap(2.0)]
)
def test_a_plain_keras_model_is_refused_with_what_to_do(callback: Any) -> None:
    with pytest.raises(ValueError, match=r"strengths in the model's `tunables`.* Train a hyperm"):
        fit(plain_model(), [callback], 1)


def test_nothing_is_logged_of_a_plain_keras_model() -> None:
    assert set(fit(plain_model(), [RecordControls()], 1).history) == {"loss"}


def test_tensorboard_shows_each_in_a_chart_of_its_own() -> None:
    names = ("learning_rate", "batch_size", "l1", "l2", "weight_decay")
    assert [tag(name) for name in names] == list(names)
    assert tag("val_loss") == "loss/validation"


def test_a_missing_loss_is_an_error() -> None:
    with pytest.raises(MissingMetricError, match="'val_loss' is not in the logs"):
        train(RegularizationOnGap(2.0), model(l2=1.0), [{"loss": 1.0}])


@pytest.mark.parametrize("factor", [-1.0, math.nan, math.inf])
def test_a_factor_that_is_no_strength_is_refused(factor: float) -> None:
    scheduler = RegularizationScheduler(lambda _: factor, 2)
    with pytest.raises(ValueError, match=f"finite and at least 0, but got {factor}"):
        train(scheduler, model(l2=1.0), [{}])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RegularizationScheduler(abs, 0), "epochs must be at least 1, but got 0"),
        (lambda: RegularizationOnGap(0.5), "raise_by must be from 1 to 1000, but got 0.5"),
        (lambda: RegularizationOnGap(2.0, patience=0), "patience must be at least 1, but got 0"),
        (lambda: RegularizationOnGap(2.0, cap=0.5), "cap must be finite and at least 1, but got"),
    ],
)
def test_arguments_are_checked(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
