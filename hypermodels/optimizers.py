"""Optimizers by name, each with its own momentum or weight decay as conditional hyperparameters."""

from collections.abc import Callable
from typing import Any

from hypermodels.fused_optimizers import (
    FusedAdam,
    FusedNadam,
    FusedSGD,
    ShortAdagrad,
    ShortRMSprop,
    TunableLion,
)
from hypermodels.tunables import tunable

# Each takes the hyperparameters, and what all share: the learning rate and weight averaging. The
# learning rate is always a plain number: schedules and plateaus are the callbacks' business.
# Momentum and weight decay must be variables that the optimizer shows in `tunables`: trials that
# differ in them share a traced graph.
OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "sgd": lambda _, **shared: FusedSGD(**shared),
    "momentum": lambda hp, **shared: FusedSGD(momentum=hp.get("momentum"), **shared),
    "nesterov": lambda hp, **shared: FusedSGD(momentum=hp.get("momentum"), nesterov=True, **shared),
    "rmsprop": lambda _, **shared: ShortRMSprop(**shared),
    "adagrad": lambda _, **shared: ShortAdagrad(**shared),
    "adam": lambda _, **shared: FusedAdam(**shared),
    "adamw": lambda hp, **shared: FusedAdam(weight_decay=hp.get("weight_decay"), **shared),
    "nadam": lambda _, **shared: FusedNadam(**shared),
    "lion": lambda hp, **shared: TunableLion(weight_decay=hp.get("weight_decay"), **shared),
}
TUNABLES = frozenset({"momentum", "weight_decay", "ema_momentum"})  # beside the learning rate
LIMITS = {
    "learning_rate": (1e-9, 10.0),
    "momentum": (0.0, 0.9999),
    "weight_decay": (0.0, 10.0),
    "ema_momentum": (0.0, 0.99999),
}


def declare_optimizer(hp: Any) -> None:
    """Declares `optimizer`, `learning_rate` (log scale), `momentum`, `weight_decay` and `ema`.

    `ema` is Keras's `use_ema`, an exponential moving average of the weights (Polyak and Juditsky
    1992): with it, validation metrics and exported weights are those of the averages, while the
    training goes on with the weights themselves; `ema_momentum` is how slowly the averages move.
    """
    hp.Choice("optimizer", list(OPTIMIZERS), default="adam")
    hp.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    with hp.conditional_scope("optimizer", ["momentum", "nesterov"]):
        hp.Float("momentum", 0.5, 0.99, default=0.9)
    with hp.conditional_scope("optimizer", ["adamw", "lion"]):
        hp.Float("weight_decay", 1e-6, 1e-1, sampling="log", default=4e-3)
    hp.Boolean("ema", default=False)
    with hp.conditional_scope("ema", [True]):
        hp.Float("ema_momentum", 0.9, 0.999, default=0.99)


def build_optimizer(hp: Any) -> Any:
    """Returns a fresh Keras optimizer from the values in `hp`."""
    # Variables of a name and shape that TensorFlow knows are made faster; Keras would number the
    # optimizers.
    name, rate = hp.get("optimizer"), hp.get("learning_rate")
    averaging = {"use_ema": True, "ema_momentum": hp.get("ema_momentum")} if hp.get("ema") else {}
    optimizer = OPTIMIZERS[name](hp, name=name, learning_rate=rate, **averaging)
    if averaging:
        optimizer.ema_momentum = tunable("ema_momentum", hp.get("ema_momentum"))
        own = getattr(optimizer, "tunables", {})
        optimizer.tunables = {**own, "ema_momentum": optimizer.ema_momentum}
    return optimizer
