"""Penalties on the weights, with strengths as conditional hyperparameters."""

from typing import Any

import keras
import tensorflow as tf

from hypermodels.tunables import tunable

STRENGTHS = {"none": (), "l1": ("l1",), "l2": ("l2",), "elastic_net": ("l1", "l2")}
REGULARIZERS = tuple(STRENGTHS)
LIMITS = {"l1": (0.0, 10.0), "l2": (0.0, 10.0)}


def declare_regularizer(hp: Any) -> None:
    """Declares `regularizer` and its strengths `l1` and `l2` (log scale)."""
    hp.Choice("regularizer", list(REGULARIZERS))
    with hp.conditional_scope("regularizer", ["l1", "elastic_net"]):
        hp.Float("l1", 1e-7, 1e-2, sampling="log", default=1e-5)
    with hp.conditional_scope("regularizer", ["l2", "elastic_net"]):
        hp.Float("l2", 1e-7, 1e-2, sampling="log", default=1e-4)


def build_regularizer(hp: Any) -> Any:
    """Returns the regularizer that the values in `hp` describe, or None."""
    strengths = STRENGTHS[hp.get("regularizer")]
    return Penalty(**{name: hp.get(name) for name in strengths}) if strengths else None


class Penalty(keras.regularizers.Regularizer):
    """`l1` × the sum of absolute values + `l2` × the sum of squares, as `keras.regularizers.L1L2`.

    Strengths that are not None are variables in `tunables`, which may change at any time.
    """

    def __init__(self, l1: float | None = None, l2: float | None = None) -> None:
        given = {"l1": l1, "l2": l2}
        self.tunables = {n: tunable(n, value) for n, value in given.items() if value is not None}

    def __call__(self, x: Any) -> Any:
        """The penalty of a weight, a scalar."""
        sums = {"l1": lambda: tf.reduce_sum(tf.abs(x)), "l2": lambda: tf.reduce_sum(tf.square(x))}
        return tf.add_n([strength * sums[name]() for name, strength in self.tunables.items()])

    def get_config(self) -> dict[str, Any]:
        return {name: float(strength) for name, strength in self.tunables.items()}

    def plain(self) -> keras.regularizers.Regularizer:
        """Keras's own regularizer, for a model that is to load without this project."""
        return keras.regularizers.L1L2(**{"l1": 0.0, "l2": 0.0} | self.get_config())
