"""Penalties on the weights, with strengths as conditional hyperparameters."""

from typing import Any

import keras
import tensorflow as tf

from hypermodels.tunables import tunable

REGULARIZERS = ("none", "l1", "l2", "elastic_net")
LIMITS = {"l1": (0.0, 10.0), "l2": (0.0, 10.0), "regularizer_scale": (-4.0, 4.0)}
USUAL_PARAMETERS = 10_000  # of a model whose strengths `regularizer_scale` leaves as they are


def declare_regularizer(hp: Any) -> None:
    """Declares `regularizer`, its strengths `l1` and `l2` (log scale), and `regularizer_scale`."""
    hp.Choice("regularizer", list(REGULARIZERS))
    with hp.conditional_scope("regularizer", list(REGULARIZERS[1:])):
        hp.Float("regularizer_scale", -1.0, 1.0, default=0.0)
    with hp.conditional_scope("regularizer", ["l1", "elastic_net"]):
        hp.Float("l1", 1e-7, 1e-2, sampling="log", default=1e-5)
    with hp.conditional_scope("regularizer", ["l2", "elastic_net"]):
        hp.Float("l2", 1e-7, 1e-2, sampling="log", default=1e-4)


def build_regularizer(hp: Any) -> Any:
    """Returns the regularizer that the values in `hp` describe, or None."""
    kind = hp.get("regularizer")
    if kind == "none":
        return None
    return Penalty(
        l1=hp.get("l1") if kind in ("l1", "elastic_net") else None,
        l2=hp.get("l2") if kind in ("l2", "elastic_net") else None,
    )


def size_factor(hp: Any, parameters: int) -> float:
    """What the size of a model multiplies the strengths by: `(parameters / 10,000) ** scale`.

    A `regularizer_scale` above 0 penalises larger models more, one below 0 less; −1 makes of the
    sum over the weights a kind of mean, and 0 leaves the strengths as they are.

    Args:
        hp: the trial's values.
        parameters: of the model.
    """
    scale = hp.values.get("regularizer_scale", 0.0) if hp.is_active("regularizer_scale") else 0.0
    return float((parameters / USUAL_PARAMETERS) ** scale)


class Penalty(keras.regularizers.Regularizer):
    """`l1` × the sum of absolute values + `l2` × the sum of squares, as `keras.regularizers.L1L2`.

    Args:
        l1: strength of the first term, at least 0; None leaves it out for good.
        l2: the same of the second.

    Attributes:
        tunables: variables of the strengths that there are, by name; they may change at any time.
    """

    def __init__(self, l1: float | None = None, l2: float | None = None) -> None:
        strengths = {"l1": l1, "l2": l2}
        self.tunables = {
            n: tunable(n, value) for n, value in strengths.items() if value is not None
        }

    def __call__(self, x: Any) -> Any:
        """The penalty of a weight, a scalar."""
        sums = {"l1": lambda: tf.reduce_sum(tf.abs(x)), "l2": lambda: tf.reduce_sum(tf.square(x))}
        return tf.add_n([strength * sums[name]() for name, strength in self.tunables.items()])

    def get_config(self) -> dict[str, Any]:
        """Everything that the constructor takes."""
        return {name: float(strength) for name, strength in self.tunables.items()}

    def plain(self) -> keras.regularizers.Regularizer:
        """Keras's own regularizer, for a model that is to load without this project."""
        return keras.regularizers.L1L2(**{"l1": 0.0, "l2": 0.0} | self.get_config())
