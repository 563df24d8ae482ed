"""Hyperparameters that live in variables, so that trainings which differ in them share a trace.

Layers, regularizers, optimizers and losses keep such a value in a variable of their own and show it
in an attribute `tunables`: the variables by the hyperparameter's name. `EpochModel.tunables` has
those of all its parts. The variables belong to no Keras weights: they are neither counted nor
saved, and a trial's hyperparameters set them.
"""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf


def tunable(name: str, value: float) -> Any:
    """Returns a scalar float32 variable that holds `value`."""
    return tf.Variable(value, dtype=tf.float32, trainable=False, name=name)


def tunables_of(model: Any) -> dict[str, tuple[Any, ...]]:
    """The variables of all parts of a compiled model, by the hyperparameter's name."""
    found: dict[str, list[Any]] = {}
    for part in _parts(model):
        for name, variable in getattr(part, "tunables", {}).items():
            if all(variable is not other for other in found.setdefault(name, [])):
                found[name].append(variable)
    found["learning_rate"] = [model.optimizer.learning_rate]
    return {name: tuple(variables) for name, variables in found.items()}


def _parts(model: Any) -> Iterator[Any]:
    yield from model.layers
    for variable in model.trainable_variables:
        yield getattr(variable, "regularizer", None)
    yield from (model.optimizer, model.loss)
