"""The model that trains whole epochs in the graph, against Keras training step by step."""

import threading
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from callbacks import BestEpoch, Monitor
from hypermodels.training import epoch_graph, epoch_model, rows
from hypermodels.training.epoch_model import EpochModel
from hypermodels.training.fused_optimizers import FusedSGD
from src.data.preprocessing import aligned_empty
from tests.hypermodels.training.helpers import (
    CLASSES,
    FEATURES,
    ROWS,
    CountingRows,
    CountingSGD,
    data,
    fit,
    fit_plainly,
    linear,
    network,
    restore,
    state,
)

SIZES = (16, 7, 0, 1000)  # a partial last batch, all rows, more than there are
Callback: Any = keras.callbacks.Callback


class Sizes(Callback):
    """Sets the batch size of each epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.batch_size.assign(SIZES[epoch])


def test_epochs_are_those_of_keras_fit_on_the_same_batches() -> None:
    model = network(EpochModel, CountingSGD(0.1))
    plain = network(keras.Model, CountingSGD(0.1), eager=True)
    plain.set_weights(model.get_weights())
    before = state(model)
    training, validation = data(weighted=True), data(weighted=True, seed=1, rows=25)
    expected = fit_plainly(plain, training, validation, *SIZES)
    for stream in (False, True):
        restore(model, before)
        calls = model.optimizer.calls
        options = {"validation": validation, "callbacks": [Sizes()], "stream": stream}
        found = fit(model, training, 16, epochs=4, **options)
        assert model.optimizer.calls == calls + 1  # other batch sizes need no trace
        assert sorted(found) == sorted(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-4, err_msg=name)
        assert int(model.optimizer.iterations) == int(plain.optimizer.iterations) == 3 + 6 + 1 + 1
        for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_validation_in_chunks_is_the_same_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    validation, histories = data(weighted=True, seed=1), []
    model = network(optimizer=CountingSGD(0.1))
    before = state(model)
    for chunk, stream in ((1000, False), (7, False), (7, True)):
        monkeypatch.setattr(epoch_graph, "EVALUATION_ROWS", chunk)
        monkeypatch.setattr(epoch_model, "EVALUATION_ROWS", chunk)
        restore(model, before)
        model.compile(model.optimizer, model.loss, weighted_metrics=["accuracy"])
        histories.append(fit(model, data(), 16, epochs=1, validation=validation, stream=stream))
    for name, values in histories[0].items():
        assert histories[1][name] == histories[2][name] == pytest.approx(values, rel=1e-5), name


def test_training_continues_at_any_epoch_as_if_it_had_never_stopped() -> None:
    model = linear()
    initial = model.get_weights()
    whole = fit(model, data(), 16, epochs=5)["loss"]
    final = model.get_weights()
    for stop, stream in ((1, False), (3, True)):
        keras.utils.set_random_seed(stop)  # the order of the rows does not depend on it
        model.set_weights(initial)
        begun = fit(model, data(), 16, epochs=stop, stream=stream)["loss"]
        continued = fit(model, data(), 16, epochs=5, initial_epoch=stop)["loss"]
        assert begun + continued == whole
        for one, other in zip(model.get_weights(), final, strict=True):
            np.testing.assert_array_equal(one, other)
    losses = set()  # from the same weights, each epoch's loss is another, and each seed's is
    for seed, epoch in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]:
        model.set_weights(initial)
        options = {"seed": seed, "initial_epoch": epoch}
        losses.add(fit(model, data(), 16, epochs=epoch + 1, **options)["loss"][0])
    assert len(losses) == 6
    assert model.optimizer.calls == 2  # a trace of rows in memory, and one of streamed rows


def test_a_recompiled_model_trains_and_reports_as_keras_does() -> None:
    x, y = data()
    one_hot = np.eye(CLASSES, dtype="float32")[y]
    model = linear()
    fit(model, (x, y), 16, epochs=1)
    inputs = keras.Input((FEATURES,))
    plain = keras.Model(inputs, keras.layers.Dense(CLASSES, activation="softmax")(inputs))
    plain.set_weights(model.get_weights())
    for each in (model, plain):
        optimizer = keras.optimizers.SGD(0.5, loss_scale_factor=64.0)
        each.compile(optimizer, "mse", metrics=["accuracy"], run_eagerly=True)
    expected = plain.fit(x, one_hot, ROWS, epochs=3, verbose=0).history
    history = fit(model, (x, one_hot), 0, epochs=3)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert history["accuracy"] == pytest.approx(expected["accuracy"])


def test_an_epoch_that_raises_leaves_rate_threads_and_model_usable() -> None:
    class ByStep(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.step_rates.assign([0.1, 0.2, 0.3])

    class Broken(CountingRows):
        def __getitem__(self, chosen: Any) -> Any:
            if self.reads == 2:  # of the third epoch
                raise OSError("the file is gone")
            return super().__getitem__(chosen)

    threads = threading.active_count()
    model = linear()
    x, y = data()
    with pytest.raises(tf.errors.UnknownError, match="the file is gone"):
        fit(model, (Broken(x), y), 16, epochs=3, callbacks=[ByStep()], stream=True)
    assert model.optimizer.iterations < 9
    assert float(model.optimizer.learning_rate) == 0.5
    assert threading.active_count() == threads
    found = fit(model, (x, y), 16, epochs=1, stream=True)["loss"]
    assert np.isfinite(found).all()
    assert model.optimizer.calls == 1


def test_large_arrays_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    x = aligned_empty((64, 3))
    x[:] = 1.0
    y = np.ones((64, 1), np.float32)
    shown = []
    for large in (2**40, 0):
        monkeypatch.setattr(rows, "LARGE_BYTES", large)
        taken, _ = rows.tensors((x, y))
        x[:] += 1.0
        shown.append(float(taken[0, 0]))
    assert shown == [1.0, 3.0]  # a copy keeps what was there, and memory that is shared does not


def test_averages_are_kerass_in_validation_at_the_end_of_an_epoch_and_after_fit() -> None:
    averaging: dict[str, Any] = {"use_ema": True, "ema_momentum": 0.8}
    x, y = data()
    found = []
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    for model_class, optimizer in ((EpochModel, FusedSGD), (keras.Model, keras.optimizers.SGD)):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((FEATURES,))
        hidden = keras.layers.Dense(6, activation="tanh")(inputs)
        model: Any = model_class(inputs, keras.layers.Dense(CLASSES, activation="softmax")(hidden))
        loss = "sparse_categorical_crossentropy"
        stock = model_class is keras.Model
        model.compile(optimizer(0.5, 0.9, **averaging), loss, run_eagerly=stock, jit_compile=False)
        best = BestEpoch(Monitor("val_loss", "min"))
        if stock:
            options = {"validation_data": (x, y), "callbacks": [swap, best], "verbose": 0}
            history = model.fit(x, y, ROWS, epochs=4, **options).history
        else:
            history = fit(model, (x, y), 0, 4, validation=(x, y), callbacks=[best])
        found.append((model, history, best.weights))
    (model, history, weights), (_, expected, stock_weights) = found
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], expected["val_loss"], rtol=1e-5)
    for one, other in zip(weights, stock_weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    # The loss of an epoch is that of the trained weights, its validation that of the averages.
    assert np.abs(np.array(history["loss"][2:]) - history["val_loss"][1:-1]).min() > 1e-4
    assert float(model.evaluate(x, y, verbose=0)) == pytest.approx(history["val_loss"][-1], 1e-5)
    shown, trained = model.trainable_variables[0].numpy(), model.trained_weights()[0].numpy()
    assert np.abs(shown - trained).max() > 1e-3


def test_plain_training_says_what_to_call() -> None:
    with pytest.raises(RuntimeError, match=r"call fit_epochs\(\(x, y\)\) of an EpochModel"):
        linear().fit(*data())
