"""The callbacks that take hyperparameters: declares them all, and builds those that are on."""

from typing import Any

import keras

from callbacks import names
from callbacks.plan import TrainingPlan

# A callback of your own is a new file and a line here. Its class has the classmethods `declare(hp)`
# and `from_hyperparameters(hp, plan)`, and `limits()` if its hyperparameters may be set beyond the
# range that it declares. One that reads validation metrics sets `needs_validation = True`, and is
# left out where there are no validation rows; see `early_stopping.py` for a short one.
CALLBACKS: dict[str, str] = {
    "learning_rate_scheduler": "callbacks.learning_rate_scheduler:LearningRateScheduler",
    "reduce_lr_on_plateau": "callbacks.reduce_lr_on_plateau:ReduceLROnPlateau",
    "early_stopping": "callbacks.early_stopping:EarlyStopping",
}


def declare_all(hp: Any) -> None:
    """Declares the hyperparameters of every registered callback in a `HyperParameters`."""
    for name in CALLBACKS:
        names.load(CALLBACKS, name, "callback").declare(hp)


def build_callbacks(hp: Any, plan: TrainingPlan) -> dict[str, keras.callbacks.Callback]:
    """Builds fresh callbacks from the values in `hp`, by name and in the registry's order.

    Those that the values switch off are left out.
    """
    built = {
        name: names.load(CALLBACKS, name, "callback").from_hyperparameters(hp, plan)
        for name in CALLBACKS
    }
    return {name: callback for name, callback in built.items() if callback is not None}


def limits() -> dict[str, tuple[float, float]]:
    """Returns, for each numeric hyperparameter, the limits within which a user may set it.

    They are wider than the ranges that `declare_all` searches.
    """
    found: dict[str, tuple[float, float]] = {}
    for name in CALLBACKS:
        found |= getattr(names.load(CALLBACKS, name, "callback"), "limits", dict)()
    return found
