"""Batch sizes that change between epochs."""

import copy
import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from callbacks import BatchSizeScheduler, Monitor
from callbacks.batch_size_scheduler import (
    BatchGrowthOnPlateau,
    growing_batch_size,
    random_batch_size,
)

SCORES = [0.1, 0.5, 0.4, 0.5, 0.4, 0.6, 0.6, 0.1, 0.1, 0.1]  # patience 2: after epochs 3, 7 and 9


def on_plateau(patience: int = 2) -> Any:
    return BatchGrowthOnPlateau(Monitor("val_score", "max"), 2.0, patience, 100)


def sizes(callback: Any, epochs: int, base: int = 16, start: int = 0, seed: int = 7) -> list[int]:
    """The batch size of each epoch, of a model that has nothing but that."""
    model: Any = SimpleNamespace(
        batch_size=tf.Variable(base), shuffle_seed=tf.Variable([seed, 0]), stop_training=False
    )
    callback.set_model(model)
    callback.on_train_begin()
    found = []
    for epoch in range(start, epochs):
        callback.on_epoch_begin(epoch)
        found.append(int(model.batch_size))
        callback.on_epoch_end(epoch, {"val_score": SCORES[epoch % 10]})
    callback.on_train_end()
    assert int(model.batch_size) == base  # restored
    return found


@pytest.mark.parametrize(
    ("arguments", "base", "expected"),
    [
        ((2.0, 0.2, 10, 100), 16, [16, 16, 32, 32, 64, 64, 100, 100, 100, 100]),
        ((1.5, 0.1, 10, 60), 16, [16, 24, 36, 54, 60]),
        ((2.0, 2.0, 10, 100), 16, [16, 16, 32, 32, 64]),  # epochs
        ((2.0, 0.5, 2, 100), 16, [16, 32, 64, 64]),  # beyond the plan
        ((3.0, 0.25, 4, 10), 16, [16] * 4),  # never shrinks
        ((2.0, 0.25, 4, 100), 0, [0] * 4),  # all rows already
    ],
)
def test_growth_by_a_schedule_up_to_the_cap(arguments: Any, base: int, expected: list[int]) -> None:
    given = dict(zip(("factor", "every", "epochs", "cap"), arguments, strict=True))
    callback = BatchSizeScheduler(partial(growing_batch_size, **given))
    assert sizes(callback, len(expected), base) == expected


def test_growth_on_a_plateau_and_of_a_copy() -> None:
    for callback in (on_plateau(), copy.deepcopy(on_plateau())):
        assert sizes(callback, 10) == [16, 16, 16, 16, 32, 32, 32, 32, 64, 64]
        assert callback.steps == 3


def test_pieces_give_the_sizes_of_training_at_once() -> None:
    at_once = sizes(on_plateau(patience=1), 10)
    state: dict[str, Any] = {}
    pieces = []
    for start, end in ((0, 1), (1, 4), (4, 10)):
        callback = on_plateau(patience=1)
        callback.set_state(json.loads(json.dumps(state)))
        pieces += sizes(callback, end, start=start)
        state = callback.get_state()
    assert pieces == at_once
    assert len(set(at_once)) > 2
    assert sizes(callback, 10) == at_once  # another fit


def test_random_sizes_fill_the_range_and_depend_on_seed_and_epoch_alone() -> None:
    callback = BatchSizeScheduler(partial(random_batch_size, smallest=4, largest=8))
    found = sizes(callback, 60)
    assert set(found) == {4, 5, 6, 7, 8}
    assert sizes(callback, 60, start=40) == found[40:]
    assert sizes(callback, 60, seed=8) != found
    # On a logarithmic scale: as many below the geometric mean of the range as above.
    wide = partial(random_batch_size, smallest=10, largest=1000)
    assert 160 < sum(wide(0, epoch, 3) < 100 for epoch in range(400)) < 240
    only = BatchSizeScheduler(partial(random_batch_size, smallest=5, largest=5))
    assert sizes(only, 3, base=0) == [5, 5, 5]
