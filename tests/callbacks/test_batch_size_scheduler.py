"""Batch sizes that change between epochs."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from callbacks import BatchGrowth, BatchGrowthOnPlateau, MissingMetricError, RandomBatchSize
from tests.callbacks.helpers import fit, plain_model

CALLBACKS = [
    lambda: RandomBatchSize(4, 8),
    lambda: BatchGrowth(2.0, 0.5, 4, 64),
    lambda: BatchGrowthOnPlateau("val_score", "max", 2.0, 1, 64),
]


def sizes(callback: Any, epochs: int, base: int = 16, start: int = 0, scores: Any = None) -> Any:
    """The batch size of each epoch, of a model that has nothing but that."""
    model: Any = SimpleNamespace(
        batch_size=tf.Variable(base), shuffle_seed=tf.Variable([7, 0]), stop_training=False
    )
    callback.set_model(model)
    callback.on_train_begin()
    found = []
    for epoch in range(start, epochs):
        callback.on_epoch_begin(epoch)
        found.append(int(model.batch_size))
        callback.on_epoch_end(epoch, {"val_score": scores[epoch]} if scores else {})
    callback.on_train_end()
    assert int(model.batch_size) == base  # given back
    return found


def test_growth_by_a_schedule_up_to_the_cap() -> None:
    assert sizes(BatchGrowth(2.0, 0.2, 10, 100), 10) == [16, 16, 32, 32, 64, 64, 100, 100, 100, 100]
    assert sizes(BatchGrowth(1.5, 0.1, 10, 60), 5) == [16, 24, 36, 54, 60]
    assert sizes(BatchGrowth(2.0, 0.1, 3, 10**6), 4)[-1] == 16 * 2**10  # beyond the plan


def test_growth_starts_at_the_base_and_never_shrinks_it() -> None:
    assert sizes(BatchGrowth(3.0, 0.25, 4, 10), 4) == [16] * 4
    assert sizes(BatchGrowth(1.0, 0.25, 4, 100), 4) == [16] * 4
    assert sizes(BatchGrowth(2.0, 0.25, 4, 100), 4, base=0) == [0] * 4  # all rows already
    assert sizes(BatchGrowth(2.0, 0.25, 1, 100), 1) == [16]


SCORES = [0.1, 0.5, 0.4, 0.5, 0.4, 0.6, 0.6, 0.1, 0.1, 0.1]  # patience 2: after epochs 3, 7 and 9


def test_growth_on_a_plateau() -> None:
    callback = BatchGrowthOnPlateau("val_score", "max", 2.0, 2, 100)
    found = sizes(callback, 10, scores=SCORES)
    assert found == [16, 16, 16, 16, 32, 32, 32, 32, 64, 64]
    assert callback.plateaus.count == 3


@pytest.mark.parametrize("make", CALLBACKS)
def test_pieces_give_the_sizes_of_training_at_once(make: Any) -> None:
    at_once = sizes(make(), 10, scores=SCORES)
    state, pieces = None, []
    for start, end in ((0, 1), (1, 4), (4, 10)):
        callback = make()
        if state is not None:
            callback.set_state(json.loads(json.dumps(state)))
        pieces += sizes(callback, end, start=start, scores=SCORES)
        state = callback.get_state() if hasattr(callback, "get_state") else None
    assert pieces == at_once
    assert len(set(at_once)) > 1


def test_random_sizes_fill_the_range_and_depend_on_seed_and_epoch_alone() -> None:
    found = sizes(RandomBatchSize(4, 8, seed=1), 200)
    assert set(found) == {4, 5, 6, 7, 8}
    assert sizes(RandomBatchSize(4, 8, seed=1), 200, start=150) == found[150:]
    assert sizes(RandomBatchSize(4, 8, seed=2), 200) != found
    # On a logarithmic scale: as many below the geometric mean of the range as above.
    wide = sizes(RandomBatchSize(10, 1000, seed=3), 400)
    assert 160 < sum(size < 100 for size in wide) < 240
    assert sizes(RandomBatchSize(4, 8), 3) == sizes(RandomBatchSize(4, 8, seed=7), 3)  # shuffle's
    assert sizes(RandomBatchSize(5, 5), 3, base=0) == [5, 5, 5]


@pytest.mark.parametrize("make", CALLBACKS)
def test_a_plain_keras_model_is_refused_with_what_to_do(make: Any) -> None:
    with pytest.raises(ValueError, match=r"sets the variable `batch_size` .* Train a hypermodels"):
        fit(plain_model(), [make()], 1)


def test_a_missing_metric_is_an_error() -> None:
    with pytest.raises(MissingMetricError, match="'accuracy' is not in the logs"):
        sizes(BatchGrowthOnPlateau("accuracy", "max", 2.0, 2, 100), 1, scores=SCORES)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomBatchSize(0, 8), "smallest must be at least 1 and .*, but got 0 and 8"),
        (lambda: RandomBatchSize(9, 8), "but got 9 and 8"),
        (lambda: BatchGrowth(0.5, 0.2, 3, 64), "factor must be finite and at least 1, but got 0.5"),
        (lambda: BatchGrowth(2, 0, 3, 64), r"every must be above 0 and at most 1e\+06"),
        (lambda: BatchGrowth(2, 0.2, 0, 64), "epochs must be at least 1, but got 0"),
        (lambda: BatchGrowth(2, 0.2, 3, 0), "cap must be at least 1, but got 0"),
        (lambda: BatchGrowthOnPlateau("a", "min", 2, 0, 64), "patience must be at least 1"),
        (lambda: BatchGrowthOnPlateau("a", "min", 2, 1, 64, cooldown=-1), "cooldown must be"),
    ],
)
def test_arguments_are_checked(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
