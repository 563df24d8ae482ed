"""Penalties on the weights, with strengths as conditional hyperparameters."""

from typing import Any

import keras

REGULARIZERS = ("none", "l1", "l2", "elastic_net")
LIMITS = {"l1": (0.0, 10.0), "l2": (0.0, 10.0)}


def declare_regularizer(hp: Any) -> None:
    """Declares `regularizer` and its strengths `l1` and `l2` (log scale)."""
    hp.Choice("regularizer", list(REGULARIZERS))
    with hp.conditional_scope("regularizer", ["l1", "elastic_net"]):
        hp.Float("l1", 1e-7, 1e-2, sampling="log", default=1e-5)
    with hp.conditional_scope("regularizer", ["l2", "elastic_net"]):
        hp.Float("l2", 1e-7, 1e-2, sampling="log", default=1e-4)


def build_regularizer(hp: Any) -> Any:
    """Returns the Keras regularizer that the values in `hp` describe, or None."""
    kind = hp.get("regularizer")
    if kind == "none":
        return None
    return keras.regularizers.L1L2(
        l1=hp.get("l1") if kind in ("l1", "elastic_net") else 0.0,
        l2=hp.get("l2") if kind in ("l2", "elastic_net") else 0.0,
    )
