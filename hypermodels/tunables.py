"""Hyperparameters that live in variables, so that trainings which differ in them share a trace.

Layers, regularizers, optimizers and losses show such variables in an attribute `tunables`, by the
hyperparameter's name. They are no Keras weights: neither counted nor saved.
"""

from typing import Any

import tensorflow as tf


def tunable(name: str, value: float) -> Any:
    """Returns a scalar float32 variable that holds `value`."""
    return tf.Variable(value, dtype=tf.float32, trainable=False, name=name)


def tunables_of(model: Any) -> dict[str, tuple[Any, ...]]:
    """The variables of all parts of a compiled model, by the hyperparameter's name."""
    penalties = [getattr(weight, "regularizer", None) for weight in model.trainable_variables]
    found: dict[str, list[Any]] = {}
    for part in (*model.layers, *penalties, model.optimizer, model.loss):
        for name, variable in getattr(part, "tunables", {}).items():
            found.setdefault(name, []).append(variable)
    found["learning_rate"] = [model.optimizer.learning_rate]
    return {name: tuple(variables) for name, variables in found.items()}
