"""The callbacks that take hyperparameters: declares them all, and builds those that are on."""

from typing import Any

import keras

from callbacks import names
from callbacks.plan import TrainingPlan

# A callback of your own is a new file and a line here. Its class has the classmethods `declare(hp)`
# and `from_hyperparameters(hp, plan)`, and `limits()` if its hyperparameters may be set beyond the
# range that it declares. One that reads validation metrics sets `needs_validation = True`, and is
# left out where there are no validation rows; one that sets variables which only some models have
# sets `needs_variables = True`. See `early_stopping.py` for a short one.
CALLBACKS: dict[str, str] = {
    "learning_rate_scheduler": "callbacks.learning_rate_scheduler:LearningRateScheduler",
    "reduce_lr_on_plateau": "callbacks.reduce_lr_on_plateau:ReduceLROnPlateau",
    "early_stopping": "callbacks.early_stopping:EarlyStopping",
    "batch_size_scheduler": "callbacks.batch_size_scheduler:BatchSizeScheduler",
    "regularization_scheduler": "callbacks.regularization_scheduler:RegularizationScheduler",
}


def declare_all(hp: Any, *, plain_model: bool = False) -> None:
    """Declares the hyperparameters of every registered callback in a `HyperParameters`.

    Args:
        hp: the hyperparameters.
        plain_model: leaves out the callbacks that no plain Keras model can follow, those that set
            the batch size or the strengths of penalties.
    """
    for name in _usable(plain_model):
        names.load(CALLBACKS, name, "callback").declare(hp)


def build_callbacks(
    hp: Any, plan: TrainingPlan, *, plain_model: bool = False
) -> dict[str, keras.callbacks.Callback]:
    """Builds fresh callbacks from the values in `hp`, by name and in the registry's order.

    Those that the values switch off are left out, and with `plain_model` those that `declare_all`
    leaves out.
    """
    built = {
        name: names.load(CALLBACKS, name, "callback").from_hyperparameters(hp, plan)
        for name in _usable(plain_model)
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


def _usable(plain_model: bool) -> list[str]:
    def needs_variables(name: str) -> bool:
        return getattr(names.load(CALLBACKS, name, "callback"), "needs_variables", False)

    return [name for name in CALLBACKS if not plain_model or not needs_variables(name)]
