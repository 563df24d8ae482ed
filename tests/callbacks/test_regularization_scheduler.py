"""Strengths of penalties that change while a model trains."""

import copy
import json
import math
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from callbacks import RegularizationScheduler
from callbacks.regularization_scheduler import RegularizationOnGap


def model(**strengths: float) -> Any:
    tunables = {name: (tf.Variable(value), tf.Variable(value)) for name, value in strengths.items()}
    return SimpleNamespace(tunables=tunables)


def values(trained: Any) -> dict[str, float]:
    assert all(float(one) == float(other) for one, other in trained.tunables.values())
    return {name: float(pair[0]) for name, pair in trained.tunables.items()}


def train(callback: Any, trained: Any, gaps: list[float], start: int = 0) -> list[Any]:
    """The strengths of each epoch, whose losses have these gaps; afterwards they are restored."""
    before, found = values(trained), []
    callback.set_model(trained)
    callback.on_train_begin()
    for epoch in range(start, len(gaps)):
        callback.on_epoch_begin(epoch)
        found.append(values(trained))
        callback.on_epoch_end(epoch, {"loss": 1.0, "val_loss": 1.0 + gaps[epoch]})
    callback.on_train_end()
    assert values(trained) == before
    return found


def test_every_penalty_is_multiplied_by_the_function_of_progress() -> None:
    scheduler = RegularizationScheduler(lambda progress: 1 + 4 * progress, 4)
    found = train(scheduler, model(l1=0.5, l2=2.0, weight_decay=1.0, dropout=0.25), [0.0] * 6)
    factors = [1, 2, 3, 4, 5, 5]  # beyond the plan it stays
    assert [row["l1"] for row in found] == [0.5 * factor for factor in factors]
    assert [row["l2"] for row in found] == [2.0 * factor for factor in factors]
    assert [row["weight_decay"] for row in found] == factors
    assert {row["dropout"] for row in found} == {0.25}


GAPS = [0.0, 0.1, 0.2, 0.3, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
# With patience 2 after epochs 2, 6 and 8, and no more: the cap is reached.
FACTORS = [1, 1, 1, 2, 2, 2, 2, 4, 4, 5, 5]


def test_a_growing_gap_raises_the_strengths_up_to_the_cap() -> None:
    callback = RegularizationOnGap(2.0, patience=2, cap=5.0)
    for one in (callback, callback, copy.deepcopy(callback)):  # a second fit starts afresh
        assert [row["l2"] for row in train(one, model(l2=1.0), GAPS)] == FACTORS
        assert one.raises == 3


def test_pieces_give_the_strengths_of_training_at_once() -> None:
    state: dict[str, Any] = {}
    found = []
    for start, end in ((0, 2), (2, 3), (3, 8), (8, 11)):
        callback = RegularizationOnGap(2.0, patience=2, cap=5.0)
        callback.set_state(json.loads(json.dumps(state)))
        found += train(callback, model(l2=1.0), GAPS[:end], start)
        state = callback.get_state()
    assert [row["l2"] for row in found] == FACTORS


def test_a_gap_that_shrinks_or_is_not_finite_ends_the_growth() -> None:
    callback = RegularizationOnGap(2.0, patience=2)
    gaps = [0.1, 0.2, math.nan, 0.3, 0.4, 0.4, 0.5, 0.4]
    assert {row["l2"] for row in train(callback, model(l2=1.0), gaps)} == {1.0}


def test_negative_factors_are_refused() -> None:
    with pytest.raises(ValueError, match="strengths must be at least 0 and finite, but got"):
        train(RegularizationScheduler(lambda _: -1.0, 2), model(l2=1.0), [0.0])
