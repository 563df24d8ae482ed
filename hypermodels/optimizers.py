"""Optimizers by name, each with its own momentum or weight decay as conditional hyperparameters."""

from typing import Any

from hypermodels.parts import training

# Class in `keras.optimizers`, the hyperparameters that it takes, and fixed arguments. The learning
# rate is always a plain number: callbacks do the schedules.
OPTIMIZERS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "sgd": ("SGD", (), {}),
    "momentum": ("SGD", ("momentum",), {}),
    "nesterov": ("SGD", ("momentum",), {"nesterov": True}),
    "rmsprop": ("RMSprop", (), {}),
    "adagrad": ("Adagrad", (), {}),
    "adam": ("Adam", (), {}),
    "adamw": ("Adam", ("weight_decay",), {}),
    "nadam": ("Nadam", (), {}),
    "lion": ("Lion", ("weight_decay",), {}),
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

    With `ema`, validation and export take exponential moving averages of the weights (Polyak and
    Juditsky 1992), which `ema_momentum` slows down. The training goes on with the weights.
    """
    hp.Choice("optimizer", list(OPTIMIZERS), default="adam")
    hp.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    with hp.conditional_scope("optimizer", _taking("momentum")):
        hp.Float("momentum", 0.5, 0.99, default=0.9)
    with hp.conditional_scope("optimizer", _taking("weight_decay")):
        hp.Float("weight_decay", 1e-6, 1e-1, sampling="log", default=4e-3)
    hp.Boolean("ema", default=False)
    with hp.conditional_scope("ema", [True]):
        hp.Float("ema_momentum", 0.9, 0.999, default=0.99)


def build_optimizer(hp: Any) -> Any:
    """Returns a fresh Keras optimizer from the values in `hp`."""
    name = hp.get("optimizer")
    kind, own, options = OPTIMIZERS[name]
    options = options | {hyperparameter: hp.get(hyperparameter) for hyperparameter in own}
    if hp.get("ema"):
        options |= {"use_ema": True, "ema_momentum": hp.get("ema_momentum")}
    # TensorFlow makes variables of a known name and shape faster than those that Keras numbers.
    return training.optimizer_class(kind)(hp.get("learning_rate"), name=name, **options)


def _taking(hyperparameter: str) -> list[str]:
    return [name for name, (_, own, _) in OPTIMIZERS.items() if hyperparameter in own]
