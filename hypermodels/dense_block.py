"""The layer that MLPs repeat: dense, normalisation, activation, dropout."""

from typing import Any

import keras

from hypermodels import regularizers
from hypermodels.parts import training

ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu")
NORMALIZATIONS = ("none", "batch", "layer")
INITIALIZERS = (
    *("random_normal", "random_normal_one", "glorot_normal", "glorot_uniform", "he_normal"),
    *("he_uniform", "lecun_normal", "lecun_uniform", "orthogonal"),
)
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
    initializer = hp.get("initializer")
    if initializer == "random_normal_one":
        initializer = keras.initializers.RandomNormal(mean=1.0, stddev=0.05)
    penalty = regularizers.build_regularizer(hp)
    x = keras.layers.Dense(units, kernel_initializer=initializer, kernel_regularizer=penalty)(x)
    if hp.get("normalization") == "batch":
        x = keras.layers.BatchNormalization()(x)
    elif hp.get("normalization") == "layer":
        x = keras.layers.LayerNormalization()(x)
    x = keras.layers.Activation(hp.get("activation"))(x)
    # At rate 0 a layer would cost a random number for each value, and change none.
    return training.Dropout(hp.get("dropout"))(x) if hp.get("dropout") > 0 else x
