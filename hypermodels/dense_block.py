"""The layer that MLPs repeat: dense, normalisation, activation, dropout."""

from typing import Any

import keras

from hypermodels import regularizers
from hypermodels.dropout import Dropout
from hypermodels.initializers import INITIALIZERS

ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu")
NORMALIZATIONS = ("none", "batch", "layer")
LIMITS = {"dropout": (0.0, 0.95), **regularizers.LIMITS}
TUNABLES = frozenset({"dropout", "l1", "l2"})  # what the block keeps in variables


def declare_dense_block(hp: Any) -> None:
    """Declares `activation`, `normalization`, `dropout`, `initializer` and what penalties have."""
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
    # A layer even at rate 0 would cost a random number a weight; none is the same function.
    return Dropout(hp.get("dropout"))(x) if hp.get("dropout") > 0 else x
