"""Optimizers by name, each with its own momentum or weight decay as conditional hyperparameters."""

from collections.abc import Callable
from typing import Any

import keras

from hypermodels.fused_optimizers import FusedAdam, FusedSGD, TunableLion

# Each takes the learning rate and the hyperparameters. The learning rate is always a plain number:
# schedules and plateaus are the callbacks' business. Momentum and weight decay must be variables
# that the optimizer shows in `tunables`: trials that differ in them share a traced graph.
OPTIMIZERS: dict[str, Callable[[float, Any], Any]] = {
    "sgd": lambda rate, _: FusedSGD(rate),
    "momentum": lambda rate, hp: FusedSGD(rate, momentum=hp.get("momentum")),
    "nesterov": lambda rate, hp: FusedSGD(rate, momentum=hp.get("momentum"), nesterov=True),
    "rmsprop": lambda rate, _: keras.optimizers.RMSprop(rate),
    "adagrad": lambda rate, _: keras.optimizers.Adagrad(rate),
    "adam": lambda rate, _: FusedAdam(rate),
    "adamw": lambda rate, hp: FusedAdam(rate, weight_decay=hp.get("weight_decay")),
    "nadam": lambda rate, _: keras.optimizers.Nadam(rate),
    "lion": lambda rate, hp: TunableLion(rate, weight_decay=hp.get("weight_decay")),
}
TUNABLES = frozenset({"momentum", "weight_decay"})  # beside the learning rate
LIMITS = {
    "learning_rate": (1e-9, 10.0),
    "momentum": (0.0, 0.9999),
    "weight_decay": (0.0, 10.0),
}


def declare_optimizer(hp: Any) -> None:
    """Declares `optimizer`, `learning_rate` (log scale), `momentum` and `weight_decay`."""
    hp.Choice("optimizer", list(OPTIMIZERS), default="adam")
    hp.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    with hp.conditional_scope("optimizer", ["momentum", "nesterov"]):
        hp.Float("momentum", 0.5, 0.99, default=0.9)
    with hp.conditional_scope("optimizer", ["adamw", "lion"]):
        hp.Float("weight_decay", 1e-6, 1e-1, sampling="log", default=4e-3)


def build_optimizer(hp: Any) -> Any:
    """Returns a fresh Keras optimizer from the values in `hp`."""
    return OPTIMIZERS[hp.get("optimizer")](hp.get("learning_rate"), hp)
