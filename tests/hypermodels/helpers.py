"""Small problems of each task, and hyperparameters with given, default or random values."""

from typing import Any

import keras_tuner as kt
import numpy as np

from hypermodels.base import TemplateHyperModel
from hypermodels.mlp import MLP
from hypermodels.problem import Problem

ROWS = 40
FEATURES = 4
PROBLEMS = {
    "binary": Problem("binary", FEATURES, 2),
    "multiclass": Problem("multiclass", FEATURES, 3),
    "regression": Problem("regression", FEATURES, 0, target_mean=100.0, target_scale=25.0),
}
TASKS = list(PROBLEMS)


def arrays(task: str, rows: int = ROWS, seed: int = 0) -> tuple[Any, Any]:
    """`x` and `y` as a HyperModel's `fit` takes them: labels, or a standardised target."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, FEATURES)).astype("float32")
    if task == "regression":
        return x, random.normal(size=rows).astype("float32")
    return x, random.integers(0, PROBLEMS[task].classes, rows)


def declared(hypermodel: TemplateHyperModel, **values: Any) -> kt.HyperParameters:
    """The space of `hypermodel` with the given values, or else the defaults."""
    hp = kt.HyperParameters()
    hp.values.update(values)
    hypermodel.declare_hyperparameters(hp)
    return hp


def draw(hypermodel: TemplateHyperModel, seed: int) -> kt.HyperParameters:
    """Random values of the active hyperparameters of the full space, as an oracle draws them."""
    hp = kt.HyperParameters()
    for index, hyperparameter in enumerate(declared(hypermodel).space):
        hp.merge([hyperparameter])
        if hp.is_active(hyperparameter):
            hp.values[hyperparameter.name] = hyperparameter.random_sample(seed * 1009 + index)
    return hp


def build(task: str, **values: Any) -> Any:
    """The default MLP of a task but for `values`; 8 units unless they say otherwise."""
    hypermodel = MLP(PROBLEMS[task])
    return hypermodel.build(declared(hypermodel, **({"units": 8} | values)))


def evaluate(model: Any, x: Any, y: Any, task: str) -> dict[str, float]:
    """Loss and metrics over all rows at once, without tracing."""
    model.run_eagerly = True
    y = y if task == "multiclass" else y.reshape(-1, 1)
    logs = model.evaluate(x, y, batch_size=len(x), verbose=0, return_dict=True)
    return {name: float(value) for name, value in logs.items()}
