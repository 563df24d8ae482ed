"""The model that trains whole epochs in the graph, against Keras training step by step."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hypermodels import epoch_model
from hypermodels.epoch_model import EpochModel
from src.data.preprocessing import aligned_empty

ROWS, FEATURES, CLASSES = 40, 4, 3
SEED = 11


class CountingSGD(keras.optimizers.SGD):
    """Counts how often Python, rather than the graph, applies gradients: once a trace."""

    calls = 0

    def apply_gradients(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return super().apply_gradients(*args, **kwargs)


def data(weighted: bool = False, seed: int = 0, rows: int = ROWS) -> tuple[Any, ...]:
    """`x`, labels, and weights if asked for."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, FEATURES)).astype("float32")
    y = random.integers(0, CLASSES, rows)
    return (x, y, random.uniform(0.1, 3.0, rows).astype("float32")) if weighted else (x, y)


def network(model_class: Any, optimizer: Any = None, eager: bool = False, **metric: Any) -> Any:
    """A net with a penalty, with state (moving averages) and with random numbers (dropout)."""
    inputs = keras.Input((FEATURES,))
    # No bias: before a normalisation its gradient is rounding alone, which Adam would blow up.
    x = keras.layers.Dense(8, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.01))(
        inputs
    )
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.Dropout(0.25, seed=5)(keras.layers.Activation("tanh")(x))
    model = model_class(inputs, keras.layers.Dense(CLASSES, activation="softmax")(x))
    model.compile(
        optimizer or keras.optimizers.Adam(0.02),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy"), *metric.values()],
        weighted_metrics=[keras.metrics.SparseCategoricalCrossentropy(name="log_loss")],
        run_eagerly=eager,
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    return model


def linear(model_class: Any = EpochModel) -> Any:
    """Softmax regression with plain gradient descent: all of its state is its weights."""
    inputs = keras.Input((FEATURES,))
    outputs = keras.layers.Dense(CLASSES, activation="softmax", kernel_initializer="zeros")(inputs)
    model = model_class(inputs, outputs)
    model.compile(
        CountingSGD(0.5), loss=keras.losses.SparseCategoricalCrossentropy(), jit_compile=False
    )
    model.optimizer.build(model.trainable_variables)
    return model


def fit(model: Any, arrays: tuple[Any, ...], batch_size: int, epochs: int, **options: Any) -> Any:
    """Trains an `EpochModel` as its docstring says; returns the `History`'s dictionary."""
    model.batch_size.assign(batch_size)
    seed = options.pop("seed", SEED)
    model.shuffle_seed.assign([seed, options.get("initial_epoch", 0)])
    validation = options.pop("validation", None)
    return model.fit_epochs(arrays, validation, epochs=epochs, verbose=0, **options).history


def fit_step_by_step(model: Any, arrays: tuple[Any, ...], *batch_sizes: int) -> Any:
    """Trains a plain Keras model on the same batches, each with a call of `train_on_batch`.

    There is a batch size for each epoch.
    """
    history: dict[str, list[float]] = {"accuracy": [], "log_loss": [], "loss": []}
    rows = len(arrays[0])
    for epoch, batch_size in enumerate(batch_sizes):
        seed = [SEED, epoch]
        order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed=seed).numpy()
        batches = []
        for start in range(0, rows, batch_size or rows):
            batch = [array[order[start : start + (batch_size or rows)]] for array in arrays]
            logs = model.train_on_batch(*batch, return_dict=True)
            batches.append((len(batch[0]), batch[2].sum() if len(batch) > 2 else 0, logs))
        for name, values in history.items():
            # Means over rows, but for the metric that takes sample weights.
            shares = [w if name == "log_loss" and w else n for n, w, _ in batches]
            values.append(np.average([logs[name] for *_, logs in batches], weights=shares))
    return history


@pytest.mark.parametrize(
    ("batch_size", "weighted"),
    [(16, False), (0, False), (20, True), (16, True), (1000, False)],
    ids=["partial last batch", "full", "weights", "weights, partial", "more than the rows"],
)
def test_an_epoch_is_the_same_as_training_step_by_step(batch_size: int, weighted: bool) -> None:
    model, plain = network(EpochModel), network(keras.Model, eager=True)
    plain.set_weights(model.get_weights())
    expected = fit_step_by_step(plain, data(weighted), *[batch_size] * 3)
    found = fit(model, data(weighted), batch_size, epochs=3)
    assert list(found) == list(expected) == ["accuracy", "log_loss", "loss"]
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, err_msg=name)
    steps = 3 * -(-ROWS // (batch_size or ROWS))
    assert int(model.optimizer.iterations) == int(plain.optimizer.iterations) == steps
    for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_sample_weights_matter() -> None:
    x, y, weights = data(weighted=True)
    weighted, unweighted, ones = linear(), linear(), linear()
    first = fit(weighted, (x, y, weights), 16, epochs=2)["loss"]
    second = fit(unweighted, (x, y), 16, epochs=2)["loss"]
    third = fit(ones, (x, y, np.ones_like(weights)), 16, epochs=2)["loss"]
    assert abs(first[0] - second[0]) > 0.01
    assert third == pytest.approx(second, rel=1e-5)


class WeightsOfEpochs(keras.callbacks.Callback):
    """Copies the weights at the end of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.weights.append(self.model.get_weights())


def test_history_holds_each_epochs_validation_as_a_plain_model_evaluates_it() -> None:
    model, plain = network(EpochModel), network(keras.Model, eager=True)
    x, y, weights = data(weighted=True, seed=1, rows=25)
    record = WeightsOfEpochs()
    history = fit(
        model,
        data(),
        16,
        epochs=3,
        validation=(x, y, weights),
        callbacks=[record],
    )
    names = ["accuracy", "log_loss", "loss"]
    assert sorted(history) == sorted(names + [f"val_{name}" for name in names])
    assert {len(values) for values in history.values()} == {3}
    for epoch, values in enumerate(record.weights):
        plain.set_weights(values)
        logs = plain.evaluate(
            x, y, sample_weight=weights, batch_size=25, verbose=0, return_dict=True
        )
        for name in names:
            assert history[f"val_{name}"][epoch] == pytest.approx(logs[name], rel=1e-5), name
    assert len(set(history["val_loss"])) == 3


class Evaluation(keras.callbacks.Callback):
    """Evaluates other rows after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        x, y = data(seed=2, rows=25)
        for _ in range(2):
            self.found.append(self.model.evaluate(x, y, verbose=0, return_dict=True))


@pytest.mark.slow
def test_a_callback_may_evaluate_and_changes_nothing() -> None:
    model, alone, plain = network(EpochModel), network(EpochModel), network(keras.Model)
    alone.set_weights(model.get_weights())
    evaluation, record = Evaluation(), WeightsOfEpochs()
    for validation in (None, data(seed=1)):
        history = fit(model, data(), 16, 2, validation=validation, callbacks=[evaluation, record])
        assert history == fit(alone, data(), 16, 2, validation=validation)
    for number, weights in enumerate(record.weights):
        plain.set_weights(weights)
        expected = plain.evaluate(*data(seed=2, rows=25), verbose=0, return_dict=True)
        for found in evaluation.found[2 * number : 2 * number + 2]:
            assert found == pytest.approx(expected, rel=1e-5)


def test_validation_in_chunks_is_the_same_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, chunked = network(EpochModel), network(EpochModel)
    chunked.set_weights(whole.get_weights())
    at_once = fit(whole, data(), 16, epochs=2, validation=data(weighted=True, seed=1))
    monkeypatch.setattr(epoch_model, "EVALUATION_ROWS", 7)
    in_chunks = fit(chunked, data(), 16, epochs=2, validation=data(weighted=True, seed=1))
    for name in ("val_accuracy", "val_log_loss", "val_loss"):
        assert in_chunks[name] == pytest.approx(at_once[name], rel=1e-5)


def test_evaluate_and_predict_take_plain_arrays() -> None:
    model, plain = network(EpochModel), network(keras.Model)
    plain.set_weights(model.get_weights())
    x, y = data()
    found = model.evaluate(x, y, batch_size=15, verbose=0, return_dict=True)
    expected = plain.evaluate(x, y, batch_size=15, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), plain.predict(x, verbose=0), rtol=1e-4, atol=1e-6
    )


def test_training_continues_at_any_epoch_as_if_it_had_never_stopped() -> None:
    model = linear()
    whole = fit(model, data(), 16, epochs=5)["loss"]
    final = model.get_weights()
    for stop in (1, 3):
        keras.utils.set_random_seed(stop)  # the order of the rows does not depend on it
        first, second = linear(), linear()
        begun = fit(first, data(), 16, epochs=stop)["loss"]
        second.set_weights(first.get_weights())
        continued = fit(second, data(), 16, epochs=5, initial_epoch=stop)["loss"]
        assert begun + continued == whole
        for one, other in zip(second.get_weights(), final, strict=True):
            np.testing.assert_array_equal(one, other)


def test_an_epochs_order_is_its_own() -> None:
    """From the same weights, each epoch's loss is another, and each seed's is."""
    losses = set()
    model = linear()
    initial = model.get_weights()
    for seed, epoch in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]:
        model.set_weights(initial)
        losses.add(
            fit(model, data(), 16, seed=seed, initial_epoch=epoch, epochs=epoch + 1)["loss"][0]
        )
    assert len(losses) == 6


def test_one_trace_serves_all_epochs_batch_sizes_and_fits() -> None:
    model = linear()
    fit(model, data(), 16, epochs=3, validation=data(seed=1))
    assert model.optimizer.calls == 1
    assert int(model.optimizer.iterations) == 3 * 3
    fit(model, data(seed=2), 7, epochs=2, validation=data(seed=1))
    fit(model, data(), 0, epochs=1, validation=data(seed=1))
    assert model.optimizer.calls == 1
    assert int(model.optimizer.iterations) == 3 * 3 + 2 * 6 + 1


def test_losses_and_metrics_are_built_before_the_first_trace() -> None:
    model = network(EpochModel)
    model.build_losses_and_metrics(data()[1])
    built = len(model.metrics_variables)
    assert built > 1
    assert all(float(keras.ops.sum(variable)) == 0 for variable in model.metrics_variables)
    fit(model, data(), 16, epochs=1)
    assert len(model.metrics_variables) == built


def test_without_validation_the_logs_are_those_of_the_training() -> None:
    alone, validated = linear(), linear()
    first = fit(alone, data(), 16, epochs=3)
    second = fit(validated, data(), 16, epochs=3, validation=data(seed=1))
    assert first["loss"] == second["loss"]
    assert set(second) == {"loss", "val_loss"}


def test_large_arrays_are_trained_on_as_small_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    y = (x[:, :1] > 0).astype(np.float32)
    histories = []
    for large in (2**40, 0):
        monkeypatch.setattr(epoch_model, "LARGE_BYTES", large)
        keras.utils.set_random_seed(0)
        inputs = keras.Input((3,))
        model = EpochModel(inputs, keras.layers.Dense(1, activation="sigmoid")(inputs))
        model.compile(optimizer="adam", loss="binary_crossentropy")
        history = model.fit_epochs((x, y), (x[:20], y[:20]), epochs=3, verbose=0)
        histories.append(history.history)
    assert histories[0] == histories[1]


def test_large_arrays_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    x = aligned_empty((64, 3))
    x[:] = 1.0
    y = np.ones((64, 1), np.float32)
    shown = []
    for large in (2**40, 0):
        monkeypatch.setattr(epoch_model, "LARGE_BYTES", large)
        taken, _ = epoch_model._tensors((x, y))
        x[:] += 1.0
        shown.append(float(taken[0, 0]))
    assert shown == [1.0, 3.0]  # a copy keeps what was there, and memory that is shared does not


@pytest.mark.parametrize("stream", [False, True])
def test_an_epoch_that_raises_leaves_the_optimizers_rate(stream: bool) -> None:
    class ByStep(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.step_rates.assign([0.1, 0.2, 0.3])

    calls = []

    def second_raises(labels: Any, _: Any) -> float:
        calls.append(len(labels))
        if len(calls) == 2:
            raise ZeroDivisionError
        return 0.0

    model = linear()
    model.whole_metrics = {"raising": second_raises}
    with pytest.raises(tf.errors.UnknownError, match="ZeroDivisionError"):
        fit(model, data(), 16, epochs=3, callbacks=[ByStep()], stream=stream)
    assert calls == [ROWS, ROWS]
    assert float(model.optimizer.learning_rate) == 0.5
    assert fit(model, data(), 16, epochs=1)["raising"] == [0.0]


def test_a_saved_model_loads_as_it_was_compiled(tmp_path: Path) -> None:
    model = linear()
    fit(model, data(), 16, epochs=1)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(
        tmp_path / "model.keras", custom_objects={"EpochModel": EpochModel}
    )
    expected = model.evaluate(*data(), verbose=0, return_dict=True)
    assert loaded.evaluate(*data(), verbose=0, return_dict=True) == pytest.approx(expected)
    assert set(fit(loaded, data(), 16, epochs=1)) == {"loss", "accuracy"}


def test_functions_that_run_eagerly_do_so_here_too() -> None:
    seen = []

    class Watch(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
        def call(self, inputs: Any) -> Any:
            seen.append(tf.executing_eagerly())
            return inputs

    inputs = keras.Input((FEATURES,))
    model = EpochModel(inputs, keras.layers.Dense(1)(Watch()(inputs)))
    model.compile("sgd", "mse")
    x, _ = data()
    seen.clear()
    fit(model, (x, x[:, :1]), 0, epochs=1)
    assert seen == [False]
    tf.config.run_functions_eagerly(True)
    try:
        fit(model, (x, x[:, :1]), 0, epochs=1)
    finally:
        tf.config.run_functions_eagerly(False)
    assert seen == [False, True]
