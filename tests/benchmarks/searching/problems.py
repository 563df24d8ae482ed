"""Functions to search, whose best value is known: nothing is trained."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras_tuner as kt
import numpy as np

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """A function of hyperparameters.

    Attributes:
        name: its name.
        space: its hyperparameters, with the defaults that a user might have given.
        score: of the values of a trial.
        direction: `max` or `min`.
        best: the best score that there is, or that is known.
        unit: a factor for the regrets, such as 100 for percentage points.
    """

    name: str
    space: kt.HyperParameters
    score: Callable[[Values], float]
    direction: str
    best: float
    unit: float = 1.0

    def regret(self, score: float) -> float:
        """How far a score is from the best."""
        return self.unit * abs(score - self.best)


def branin() -> Problem:
    """The Branin function on its usual domain; three minima."""
    space = kt.HyperParameters()
    space.Float("x", -5.0, 10.0, default=2.5)
    space.Float("y", 0.0, 15.0, default=7.5)

    def score(values: Values) -> float:
        x, y = values["x"], values["y"]
        bowl = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
        result: float = bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10
        return result

    return Problem("branin", space, score, "min", 0.39788735772973816)


_HART_HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_HART_WIDTHS = np.array(
    [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ]
)
_HART_CENTERS = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hart6() -> Problem:
    """The Hartmann function of six dimensions; six minima."""
    names = [f"x{number}" for number in range(6)]
    space = kt.HyperParameters()
    for name in names:
        space.Float(name, 0.0, 1.0, default=0.5)

    def score(values: Values) -> float:
        x = np.array([values[name] for name in names])
        distances = (_HART_WIDTHS * np.square(x - _HART_CENTERS)).sum(axis=1)
        return float(-_HART_HEIGHTS @ np.exp(-distances))

    return Problem("hart6", space, score, "min", -3.322368011415512)


def mixed() -> Problem:
    """Like the training of a network: logs, integers, categories, a conditional; its best is 0.

    The best learning rate depends on the optimizer, and falls with the width; two of four
    optimizers have a momentum of their own; activations and normalizations help each other or not.
    """
    space = kt.HyperParameters()
    space.Float("learning_rate", 1e-5, 1.0, sampling="log", default=1e-3)
    space.Float("weight_decay", 1e-7, 1e-1, sampling="log", default=1e-4)
    space.Int("units", 8, 1024, sampling="log", default=64)
    space.Int("layers", 1, 6, default=2)
    space.Float("dropout", 0.0, 0.8, default=0.2)
    space.Choice("activation", ["relu", "tanh", "gelu", "elu"])
    space.Choice("normalization", ["none", "batch", "layer"])
    space.Choice("optimizer", ["adam", "sgd", "momentum", "nesterov"])
    with space.conditional_scope("optimizer", ["momentum", "nesterov"]):
        space.Float("momentum", 0.5, 0.999, default=0.9)
    rates = {"adam": -3.0, "sgd": -0.8, "momentum": -1.8, "nesterov": -1.9}
    costs = {"adam": 0.10, "sgd": 0.25, "momentum": 0.06, "nesterov": 0.0}
    pairs = {"relu": (0.12, 0.04, 0.1), "tanh": (0.1, 0.14, 0.06), "gelu": (0.08, 0.0, 0.03)}

    def score(values: Values) -> float:
        width = math.log2(values["units"])
        optimizer = values["optimizer"]
        rate = math.log10(values["learning_rate"])
        wanted = rates[optimizer] - 0.1 * (width - 8)
        loss: float = costs[optimizer] + 0.5 * (1 - math.exp(-0.6 * (rate - wanted) ** 2))
        if "momentum" in values:
            damping = -math.log10(1 - values["momentum"])
            loss += 0.15 * (1 - math.exp(-1.5 * (damping - 1.3) ** 2))
        row = pairs.get(values["activation"], (0.2, 0.16, 0.14))
        loss += row[("none", "batch", "layer").index(values["normalization"])]
        loss += 0.02 * (width - 8) ** 2 + 0.03 * abs(values["layers"] - 3)
        loss += 0.3 * (values["dropout"] - 0.05 * width / 2) ** 2
        loss += 0.01 * (math.log10(values["weight_decay"]) + 4) ** 2
        return loss

    return Problem("mixed", space, score, "min", 0.0)
