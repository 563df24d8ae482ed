"""The table of the callbacks that have hyperparameters, and what can be asked of all of them."""

import difflib
import math
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras

# To add a callback, write a file and add a line here. The class needs `declare(hp)` and
# `from_hyperparameters(hp, plan)`; what else it may say of itself is in `tunable.py`.
CALLBACKS: dict[str, str] = {
    "learning_rate_scheduler": "callbacks.learning_rate_scheduler:LearningRateScheduler",
    "reduce_lr_on_plateau": "callbacks.reduce_lr_on_plateau:ReduceLROnPlateau",
    "early_stopping": "callbacks.early_stopping:EarlyStopping",
    "batch_size_scheduler": "callbacks.batch_size_scheduler:BatchSizeScheduler",
    "regularization_scheduler": "callbacks.regularization_scheduler:RegularizationScheduler",
}

Direction = Literal["min", "max"]
ScheduleUnit = Literal["epoch", "step"]


@dataclass(frozen=True)
class TrainingPlan:
    """What callbacks must know about the training of a trial."""

    epochs: int  # planned length, the same in every rung of a Hyperband bracket
    monitor: str  # metric to watch, as the logs of an epoch name it
    direction: Direction  # of the metric
    schedule_unit: ScheduleUnit = "epoch"  # how often a schedule changes the learning rate
    secondary: tuple[str, ...] = ()  # secondary metrics that the logs must have


def declare_all(hp: Any, *, plain_model: bool = False) -> None:
    """Declares the hyperparameters of every registered callback that the model can follow."""
    for cls in _classes(plain_model).values():
        cls.declare(hp)


def build_callbacks(
    hp: Any, plan: TrainingPlan, *, plain_model: bool = False
) -> dict[str, keras.callbacks.Callback]:
    """Builds the callbacks that the values in `hp` switch on, by name, in the registry's order."""
    built = {n: c.from_hyperparameters(hp, plan) for n, c in _classes(plain_model).items()}
    return {name: callback for name, callback in built.items() if callback is not None}


def limits() -> dict[str, tuple[float, float]]:
    """Returns the limits, beyond its searched range, of what a user may set each number to."""
    return {name: found.limits for name, found in _ranges().items()}


def first_effects(values: Callable[[str], Sequence[Any]]) -> dict[str, int]:
    """Returns the earliest epoch, from 1, in which each patience or length can have an effect.

    `values` gives what a hyperparameter can be in a search space: of a continuous range the two
    ends, and nothing where it is never active.
    """
    timed = {n: found for n, found in _ranges().items() if found.length or found.patience}
    on = {name: [value for value in values(name) if value > 0] for name in timed}  # 0 is off
    # The first epoch is always an improvement, so that patience is over one epoch later.
    return {n: math.floor(min(on[n])) + 1 + found.patience for n, found in timed.items() if on[n]}


def load(registry: Mapping[str, str], name: str, kind: str) -> Any:
    """Imports the `"module:attribute"` that has this name, which errors call a `kind`."""
    if name not in registry:
        known = ", ".join(sorted(registry))
        raise ValueError(f"{kind} '{name}' is not known.{nearest(name, registry)} Known: {known}")
    return pkgutil.resolve_name(registry[name])


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns ` Did you mean '…'?` for the closest of `known`, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def _classes(plain_model: bool = False) -> dict[str, Any]:
    """All callbacks, or those that set nothing that plain Keras models lack."""
    found = {name: load(CALLBACKS, name, "callback") for name in CALLBACKS}
    usable = {name: cls for name, cls in found.items() if not getattr(cls, "needs_variable", "")}
    return usable if plain_model else found


def _ranges() -> dict[str, Any]:
    """The numeric hyperparameters of the registered callbacks that say theirs."""
    found = [cls.ranges() for cls in _classes().values() if hasattr(cls, "ranges")]
    return {name: own for ranges in found for name, own in ranges.items()}
