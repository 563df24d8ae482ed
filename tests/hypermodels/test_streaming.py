"""Streamed rows give the training that rows in memory give, and are not held."""

import threading
import time
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hypermodels import epoch_model, streaming
from hypermodels.epoch_model import EpochModel
from hypermodels.mlp import MLP
from hypermodels.optimizers import OPTIMIZERS
from tests.hypermodels.helpers import PROBLEMS, arrays, declared
from tests.hypermodels.test_epoch_model import (
    ROWS,
    CountingSGD,
    data,
    fit,
    fit_step_by_step,
    linear,
    network,
)
from tests.selection import slow_but

OPTIONS = {"momentum": 0.9, "weight_decay": 4e-3}
METRICS = ("accuracy", "log_loss", "val_accuracy", "val_log_loss")


class CountingRows:
    """An array that counts how often it is read, and notes the most rows that it gave at once."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.reads = self.most = 0

    def __getitem__(self, chosen: Any) -> Any:
        self.reads += 1
        self.most = max(self.most, len(chosen))
        return self.array[chosen]


class BatchSizes(keras.callbacks.Callback):
    """Sets the batch size of each epoch but the first when the one before has ended."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.sizes = dict(enumerate(sizes))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.batch_size.assign(self.sizes.get(epoch + 1, 1))


def both(model: Any, *arguments: Any, **options: Any) -> list[tuple[Any, list[Any]]]:
    """History and weights in memory, and streamed from the same start."""
    initial = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    found = []
    for stream in (False, True):
        for variable, value in zip(
            (*model.variables, *model.optimizer.variables), initial, strict=True
        ):
            variable.assign(value)
        history = fit(model, *arguments, stream=stream, **options)
        found.append((history, model.get_weights()))
    return found


def assert_same(memory: tuple[Any, list[Any]], streamed: tuple[Any, list[Any]]) -> None:
    """Losses and weights to the bit, metrics to rounding."""
    assert list(memory[0]) == list(streamed[0])
    for name, values in memory[0].items():
        if name in METRICS:
            np.testing.assert_allclose(streamed[0][name], values, rtol=1e-6, err_msg=name)
        else:
            assert streamed[0][name] == values, name
    for one, other in zip(memory[1], streamed[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", slow_but(OPTIMIZERS, ["nadam", "nesterov", "adamw"]))
def test_every_optimizer_trains_the_same(name: str) -> None:
    model = network(EpochModel, OPTIMIZERS[name](OPTIONS, learning_rate=0.02))
    memory, streamed = both(
        model, data(weighted=True), 16, epochs=3, validation=data(weighted=True, seed=1)
    )
    assert len(set(memory[0]["loss"])) == 3
    assert_same(memory, streamed)


def test_every_batch_size_trains_the_same() -> None:
    model = network(EpochModel)
    for batch_size in (16, 20, 0, 1, ROWS, 1000):
        assert_same(*both(model, data(), batch_size, epochs=2, validation=data(seed=1)))


def test_validation_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch_model, "EVALUATION_ROWS", 7)
    memory, streamed = both(
        network(EpochModel), data(), 16, epochs=2, validation=data(weighted=True, seed=1)
    )
    assert_same(memory, streamed)


@pytest.mark.parametrize("task", PROBLEMS)
def test_every_task_trains_the_same_through_a_hypermodel(task: str) -> None:
    hypermodel = MLP(PROBLEMS[task], seed=3)
    hp = declared(hypermodel, units=8, dropout=0.2, batch_size=16)
    x, y = arrays(task)
    options: dict[str, Any] = {"class_weight": {0: 0.5, 1: 3.0}} if task != "regression" else {}
    histories = []
    for stream in (False, True):
        keras.utils.set_random_seed(1)
        model = hypermodel.build(hp)
        history = hypermodel.fit(
            hp, model, x, y, validation_data=(x, y), epochs=3, stream=stream, **options
        ).history
        histories.append(history)
    memory, streamed = histories
    assert streamed["loss"] == memory["loss"]
    assert streamed["val_loss"] == memory["val_loss"]
    for name in hypermodel.metric_names:
        np.testing.assert_allclose(streamed[name], memory[name], rtol=1e-5, atol=1e-6)


def test_training_continues_at_any_epoch_as_if_it_had_never_stopped() -> None:
    model = linear()
    whole = fit(model, data(), 16, epochs=5)["loss"]
    second = linear()
    begun = fit(second, data(), 16, epochs=2, stream=True)["loss"]
    continued = fit(second, data(), 16, epochs=5, initial_epoch=2, stream=True)["loss"]
    assert begun + continued == whole
    np.testing.assert_array_equal(second.get_weights()[0], model.get_weights()[0])


def test_without_validation_the_logs_are_those_of_the_training() -> None:
    history = fit(linear(), data(), 16, epochs=2, stream=True)
    assert history == fit(linear(), data(), 16, epochs=2)
    assert list(history) == ["loss"]


@pytest.mark.parametrize("stream", [False, True])
def test_batch_sizes_that_change_are_those_of_plain_training_and_need_no_trace(
    stream: bool,
) -> None:
    model = network(EpochModel, CountingSGD(0.1))
    plain = network(keras.Model, CountingSGD(0.1), eager=True)
    plain.set_weights(model.get_weights())
    sizes = (16, 7, 0, ROWS, 3)
    expected = fit_step_by_step(plain, data(), *sizes)
    callbacks = [BatchSizes(*sizes)]
    found = fit(model, data(), sizes[0], epochs=5, callbacks=callbacks, stream=stream)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, err_msg=name)
    assert int(model.optimizer.iterations) == 3 + 6 + 1 + 1 + 14
    assert model.optimizer.calls == 1


def test_one_trace_serves_all_data_of_the_same_form() -> None:
    model = linear()
    fit(model, data(), 16, epochs=2, validation=data(seed=1), stream=True)
    other = fit(model, data(seed=2, rows=33), 7, epochs=2, validation=data(seed=3), stream=True)
    assert model.optimizer.calls == 1
    fresh = linear()
    fit(fresh, data(), 16, epochs=2)
    assert fit(fresh, data(seed=2, rows=33), 7, epochs=2)["loss"] == other["loss"]
    fit(model, data(), 16, epochs=1)  # rows in memory are another graph
    assert model.optimizer.calls == 2


@pytest.mark.parametrize(
    ("block_bytes", "batches"),
    [(1, 1), (200, 2), (300, 3), (10**6, 10)],  # a batch has 4 rows of 4 float32 and an int64
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

    monkeypatch.setattr(streaming, "BLOCK_BYTES", block_bytes)
    x, validation = CountingRows(data()[0]), CountingRows(data(seed=1)[0])
    reads: list[int] = []
    model = linear()
    model.compile(model.optimizer, loss=Loss(), jit_compile=False)
    model.batch_size.assign(4)
    training, rest = (x, data()[1]), (validation, data(seed=1)[1])
    losses = model.fit_epochs(training, rest, stream=True, epochs=3, verbose=0).history
    blocks = -(-10 // batches)
    assert (x.reads, x.most) == (3 * blocks, 4 * batches)
    assert (validation.reads, validation.most) == (3, ROWS)
    for step, read in enumerate(reads):
        needed = step // 10 * blocks + step % 10 // batches + 1
        assert read - needed in (0, 1), step  # one block ahead, none of the next epoch
    assert len(reads) == 30
    expected = linear()
    expected.batch_size.assign(4)
    memory = expected.fit_epochs(data(), data(seed=1), epochs=3, verbose=0).history
    assert losses == memory


def test_what_reading_raises_ends_the_training_and_the_next_one_works() -> None:
    class Broken(CountingRows):
        def __getitem__(self, chosen: Any) -> Any:
            if self.reads == 2:  # of the third epoch
                raise OSError("the file is gone")
            return super().__getitem__(chosen)

    threads = threading.active_count()
    model = linear()
    x, y = data()
    with pytest.raises(tf.errors.UnknownError, match="the file is gone"):
        fit(model, (Broken(x), y), 16, epochs=3, stream=True)
    assert model.optimizer.iterations < 9
    found = fit(model, (x, y), 16, epochs=1, stream=True)["loss"]
    assert np.isfinite(found).all()
    assert threading.active_count() == threads
