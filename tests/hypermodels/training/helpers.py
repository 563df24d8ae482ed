"""Small nets and rows, and training of plain Keras models on the same batches."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hypermodels.training.epoch_model import EpochModel

ROWS, FEATURES, CLASSES = 40, 4, 3
SEED = 11


class CountingSGD(keras.optimizers.SGD):
    """Counts how often Python, rather than the graph, applies gradients: once a trace."""

    calls = 0

    def apply_gradients(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return super().apply_gradients(*args, **kwargs)


class CountingRows:
    """An array that counts how often it is read, and notes the most rows that it gave at once."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.reads = self.most = 0

    def __getitem__(self, chosen: Any) -> Any:
        self.reads += 1
        self.most = max(self.most, len(chosen))
        return self.array[chosen]


def data(weighted: bool = False, seed: int = 0, rows: int = ROWS) -> tuple[Any, ...]:
    """`x`, labels, and weights if asked for."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, FEATURES)).astype("float32")
    y = random.integers(0, CLASSES, rows)
    return (x, y, random.uniform(0.1, 3.0, rows).astype("float32")) if weighted else (x, y)


def network(model_class: Any = EpochModel, optimizer: Any = None, eager: bool = False) -> Any:
    """A net with a penalty, with state (moving averages) and with random numbers (dropout)."""
    inputs = keras.Input((FEATURES,))
    penalty = keras.regularizers.L2(0.01)
    # No bias: before a normalisation its gradient is rounding alone, which Adam would blow up.
    x = keras.layers.Dense(8, use_bias=False, kernel_regularizer=penalty)(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.Dropout(0.25, seed=5)(keras.layers.Activation("tanh")(x))
    model = model_class(inputs, keras.layers.Dense(CLASSES, activation="softmax")(x))
    model.compile(
        optimizer or keras.optimizers.Adam(0.02),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        weighted_metrics=[keras.metrics.SparseCategoricalCrossentropy(name="log_loss")],
        run_eagerly=eager,
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    return model


def linear(optimizer: Any = None) -> Any:
    """Softmax regression with plain gradient descent: all of its state is its weights."""
    inputs = keras.Input((FEATURES,))
    outputs = keras.layers.Dense(CLASSES, activation="softmax", kernel_initializer="zeros")(inputs)
    model = EpochModel(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(optimizer or CountingSGD(0.5), loss=loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def fit(model: Any, arrays: tuple[Any, ...], batch_size: int, epochs: int, **options: Any) -> Any:
    """Trains an `EpochModel`; returns the `History`'s dictionary."""
    options = {"seed": SEED, "validation": None} | options
    return model.fit_epochs(arrays, batch_size=batch_size, epochs=epochs, **options).history


def fit_plainly(model: Any, arrays: Any, validation: Any, *batch_sizes: int) -> Any:
    """Trains a plain Keras model with `fit` on the same batches; a batch size for each epoch."""
    history: dict[str, list[float]] = {}
    rows = len(arrays[0])
    for epoch, batch_size in enumerate(batch_sizes):
        seed = [SEED, epoch]
        order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed=seed).numpy()
        x, y, weights = (array[order] for array in arrays)
        options = {"sample_weight": weights, "validation_data": validation, "shuffle": False}
        found = model.fit(x, y, batch_size or rows, verbose=0, **options).history
        for name, values in found.items():
            history.setdefault(name, []).extend(values)
    return history


def state(model: Any) -> list[Any]:
    """Weights, random generators and the optimizer's variables."""
    return [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]


def restore(model: Any, values: list[Any]) -> None:
    """Sets what `state` returned."""
    variables = (*model.variables, *model.optimizer.variables)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
