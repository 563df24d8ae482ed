"""The layer that MLPs repeat: dense, normalisation, activation, dropout."""

from collections.abc import Callable
from typing import Any

import keras

from hypermodels import regularizers
from hypermodels.parts import training

ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu")
NORMALIZATIONS = ("none", "batch", "layer")
INITIALIZERS: dict[str, Callable[[], Any]] = {
    "random_normal": lambda: keras.initializers.RandomNormal(mean=0.0, stddev=0.05),
    "random_normal_one": lambda: keras.initializers.RandomNormal(mean=1.0, stddev=0.05),
    "glorot_normal": keras.initializers.GlorotNormal,
    "glorot_uniform": keras.initializers.GlorotUniform,
    "he_normal": keras.initializers.HeNormal,
    "he_uniform": keras.initializers.HeUniform,
    "lecun_normal": keras.initializers.LecunNormal,
    "lecun_uniform": keras.initializers.LecunUniform,
    "orthogonal": keras.initializers.Orthogonal,
}
LIMITS = {"dropout": (0.0, 0.95), **regularizers.LIMITS}
TUNABLES = frozenset({"dropout", "l1", "l2"})  # the block keeps them in variables


def declare_dense_block(hp: Any) -> None:
    """Declares `activation`, `normalization`, `dropout`, `initializer` and the penalties."""
    hp.Choice("activation", list(ACTIVATIONS))
    hp.Choice("normalization", list(NORMALIZATIONS))
    hp.Float("dropout", 0.0, 0.5)
    hp.Choice("initializer", list(INITIALIZERS), default="he_normal")
    regularizers.declare_regularizer(hp)


def dense_block(hp: Any, x: Any, units: int) -> Any:
    """Applies one block of `units` to `x`, of shape `(rows, anything)`."""
    x = keras.layers.Dense(
        units,
        kernel_initializer=INITIALIZERS[hp.get("initializer")](),
        kernel_regularizer=regularizers.build_regularizer(hp),
    )(x)
    if hp.get("normalization") == "batch":
        x = keras.layers.BatchNormalization()(x)
    elif hp.get("normalization") == "layer":
        x = keras.layers.LayerNormalization()(x)
    x = keras.layers.Activation(hp.get("activation"))(x)
    # At rate 0 a layer would cost a random number for each value, and change none.
    return training.Dropout(hp.get("dropout"))(x) if hp.get("dropout") > 0 else x
