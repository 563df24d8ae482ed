"""Trainings whose scores after every epoch are known: forests fitted to learning curves."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras_tuner as kt
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from tests.benchmarks.searching import trainings
from tests.benchmarks.searching.problems import Values
from tests.benchmarks.searching.surrogates import Surrogate, best_score

Array = NDArray[np.float64]

FOLDS = 10
SHOWN = (1, 3, 9, 27)  # epochs whose errors are told


@dataclass(frozen=True)
class CurveProblem:
    """A function of hyperparameters and epochs; higher is better.

    Attributes:
        name: its name.
        space: its hyperparameters.
        curve: of values: the best score so far after each epoch, `(epochs,)`, as a trial that
            trains so long is scored by its best epoch.
        epochs: of a full training.
        best: the best score after a full training that is known.
    """

    name: str
    space: kt.HyperParameters
    curve: Callable[[Values], Array]
    epochs: int
    best: float

    def regret(self, score: float) -> float:
        """How far a score is from the best, in percentage points."""
        return 100.0 * (self.best - score)


@cache
def curves(name: str) -> CurveProblem:
    """The problem of a data set, always the same.

    A forest predicts whole curves: the mean of those of the real trainings in a leaf.

    Args:
        name: `letter` or `phoneme`.
    """
    table = trainings.load(name)
    model = Surrogate(table, table.scores)
    known: dict[str, Array] = {}

    def curve(values: Values) -> Array:
        own = {hp: value for hp, value in values.items() if not hp.startswith("tuner/")}
        key = repr(sorted(own.items()))
        if key not in known:  # a promotion asks again
            known[key] = np.maximum.accumulate(model.predict([own])[0])
        return known[key]

    best = best_score(table, lambda points: model.predict(points).max(axis=1))
    return CurveProblem(name, table.space, curve, table.scores.shape[1], best)


def errors(name: str) -> dict[int, tuple[float, float]]:
    """How well curves of trainings are predicted that were held back, in ten folds.

    Args:
        name: `letter` or `phoneme`.

    Returns:
        By number of epochs: the share of the variance of the best score so far that is explained,
        and the mean absolute error in percentage points.
    """
    table = trainings.load(name)
    predicted = np.empty_like(table.scores)
    folds = KFold(FOLDS, shuffle=True, random_state=0)
    for train, held in folds.split(table.scores):
        part = trainings.Trainings(
            table.objective,
            table.space,
            [table.values[index] for index in train],
            *(rows[train] for rows in (table.scores, table.losses, table.seconds)),
        )
        model = Surrogate(part, part.scores)
        predicted[held] = model.predict([table.values[index] for index in held])
    found = {}
    for epochs in SHOWN:
        real = table.scores[:, :epochs].max(axis=1)
        guess = predicted[:, :epochs].max(axis=1)
        found[epochs] = (
            float(r2_score(real, guess)),
            float(100 * np.abs(real - guess).mean()),
        )
    return found


def agreement(name: str) -> dict[int, tuple[float, float]]:
    """How well an early score tells the last one, by rank correlation.

    Among the better third by the last score, where it matters: of the real trainings, and of the
    forest at as many random points.
    """
    from scipy.stats import spearmanr

    table, problem = trainings.load(name), curves(name)
    generator = np.random.default_rng(0)
    points = [_random(table.space, generator) for _ in table.values]
    both = np.maximum.accumulate(table.scores, axis=1), np.array([problem.curve(p) for p in points])
    result = {}
    for epochs in SHOWN[:-1]:
        pair = []
        for rows in both:
            top = rows[np.argsort(-rows[:, -1])[: len(rows) // 3]]
            pair.append(float(spearmanr(top[:, epochs - 1], top[:, -1]).statistic))
        result[epochs] = (pair[0], pair[1])
    return result


def _random(space: kt.HyperParameters, generator: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for hp in space.space:
        if all(condition.is_active(values) for condition in hp.conditions):
            values[hp.name] = hp.prob_to_value(generator.random())
    return values
