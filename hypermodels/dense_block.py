"""The layers that MLPs repeat: dense with penalties, normalisation, activation, dropout."""

from typing import Any

import keras
import tensorflow as tf

from hypermodels.parts import training
from hypermodels.tunables import tunable

ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu")
NORMALIZATIONS = ("none", "batch", "layer")
INITIALIZERS = (
    *("random_normal", "random_normal_one", "glorot_normal", "glorot_uniform", "he_normal"),
    *("he_uniform", "lecun_normal", "lecun_uniform", "orthogonal"),
)
REGULARIZERS = {"none": (), "l1": ("l1",), "l2": ("l2",), "elastic_net": ("l1", "l2")}  # strengths
LIMITS = {"dropout": (0.0, 0.95), "l1": (0.0, 10.0), "l2": (0.0, 10.0)}
TUNABLES = frozenset({"dropout", "l1", "l2"})  # the block keeps them in variables


def declare_dense_block(hp: Any) -> None:
    """Declares activation, normalization, dropout, initializer and a regularizer with strengths."""
    hp.Choice("activation", list(ACTIVATIONS))
    hp.Choice("normalization", list(NORMALIZATIONS))
    hp.Float("dropout", 0.0, 0.5)
    hp.Choice("initializer", list(INITIALIZERS), default="he_normal")
    hp.Choice("regularizer", list(REGULARIZERS))
    with hp.conditional_scope("regularizer", ["l1", "elastic_net"]):
        hp.Float("l1", 1e-7, 1e-2, sampling="log", default=1e-5)
    with hp.conditional_scope("regularizer", ["l2", "elastic_net"]):
        hp.Float("l2", 1e-7, 1e-2, sampling="log", default=1e-4)


def dense_block(hp: Any, x: Any, units: int) -> Any:
    """Applies one block of `units` to `x`, of shape `(rows, anything)`."""
    initializer = hp.get("initializer")
    if initializer == "random_normal_one":
        initializer = keras.initializers.RandomNormal(mean=1.0, stddev=0.05)
    strengths = {name: hp.get(name) for name in REGULARIZERS[hp.get("regularizer")]}
    penalty = Penalty(**strengths) if strengths else None
    x = keras.layers.Dense(units, kernel_initializer=initializer, kernel_regularizer=penalty)(x)
    if hp.get("normalization") == "batch":
        x = keras.layers.BatchNormalization()(x)
    elif hp.get("normalization") == "layer":
        x = keras.layers.LayerNormalization()(x)
    x = keras.layers.Activation(hp.get("activation"))(x)
    # At rate 0 a layer would cost a random number for each value, and change none.
    return training.Dropout(hp.get("dropout"))(x) if hp.get("dropout") > 0 else x


class Penalty(keras.regularizers.Regularizer):
    """`l1` × the sum of absolute values + `l2` × the sum of squares, as `keras.regularizers.L1L2`.

    The strengths, `l1`, `l2` or both, are variables in `tunables`, which may change at any time.
    """

    def __init__(self, **strengths: float) -> None:
        self.tunables = {name: tunable(name, value) for name, value in strengths.items()}

    def __call__(self, x: Any) -> Any:
        """The penalty of a weight, a scalar."""
        sums = {"l1": lambda: tf.reduce_sum(tf.abs(x)), "l2": lambda: tf.reduce_sum(tf.square(x))}
        return tf.add_n([strength * sums[name]() for name, strength in self.tunables.items()])

    def get_config(self) -> dict[str, Any]:
        return {name: float(strength) for name, strength in self.tunables.items()}

    def plain(self) -> keras.regularizers.Regularizer:
        """Keras's own regularizer, for a model that is to load without this project."""
        return keras.regularizers.L1L2(**{"l1": 0.0, "l2": 0.0} | self.get_config())
