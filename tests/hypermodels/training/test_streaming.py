"""Streamed rows give the training that rows in memory give, and are not held."""

import time
from typing import Any

import keras
import pytest
import tensorflow as tf

from hypermodels.training import rows
from tests.hypermodels.training.helpers import ROWS, CountingRows, data, fit, linear


def test_one_trace_serves_all_data_of_the_same_form() -> None:
    model = linear()
    initial = model.get_weights()
    others: dict[str, Any] = {"validation": data(seed=3, rows=33)}
    fit(model, data(), 16, epochs=2, validation=data(seed=1), stream=True)
    found = fit(model, data(seed=2, rows=33), 7, epochs=2, **others, stream=True)
    assert model.optimizer.calls == 1
    model.set_weights(initial)
    fit(model, data(), 16, epochs=2, validation=data(seed=1))
    assert fit(model, data(seed=2, rows=33), 7, epochs=2, **others) == found


@pytest.mark.parametrize(
    ("block_bytes", "batches"),
    [(1, 1), (300, 3), (10**6, 10)],  # a batch has 4 rows of 4 float32 and an int64
)
def test_blocks_of_batches_are_read_when_they_are_needed(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int, batches: int
) -> None:
    class Loss(keras.losses.Loss):  # type: ignore[misc, unused-ignore]
        """Notes at each step how often the rows have been read."""

        def call(self, y_true: Any, y_pred: Any) -> Any:
            zero = tf.py_function(note, [y_pred], tf.float32)
            loss = keras.losses.sparse_categorical_crossentropy(y_true, y_pred)
            return loss + tf.reshape(zero, ())

    def note(y_pred: Any) -> float:
        if len(y_pred) == 4:  # a step; validation is in one part
            time.sleep(0.002)  # so that reading could run ahead
            reads.append(x.reads)
        return 0.0

    monkeypatch.setattr(rows, "BLOCK_BYTES", block_bytes)
    x, validation = CountingRows(data()[0]), CountingRows(data(seed=1)[0])
    reads: list[int] = []
    model = linear()
    model.compile(model.optimizer, loss=Loss(), jit_compile=False)
    training, rest = (x, data()[1]), (validation, data(seed=1)[1])
    fit(model, training, 4, epochs=3, validation=rest, stream=True)
    blocks = -(-10 // batches)
    assert (x.reads, x.most) == (3 * blocks, 4 * batches)
    assert (validation.reads, validation.most) == (3, ROWS)
    for step, read in enumerate(reads):
        needed = step // 10 * blocks + step % 10 // batches + 1
        assert read - needed in (0, 1), step  # one block ahead, none of the next epoch
    assert len(reads) == 30
