"""Trainings whose scores after every epoch are known: forests fitted to learning curves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import keras_tuner as kt
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from tests.benchmarks.searching import trainings
from tests.benchmarks.searching.problems import Values
from tests.benchmarks.searching.surrogates import Surrogate, best_score, sampled

Array = NDArray[np.float64]

FOLDS = 10
SHOWN = (1, 3, 9, 27)  # epochs at which the forest is judged


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


@dataclass(frozen=True)
class Fidelity:
    """How true the forest is at a number of epochs.

    Attributes:
        explained: share of the variance, among trainings that were held back, of the best score so
            far; ten folds.
        error: mean absolute error there, in percentage points.
        real: rank correlation of the best score so far with that of the whole training, among the
            better third of the real trainings.
        modelled: the same of the forest, at as many random points.
    """

    explained: float
    error: float
    real: float
    modelled: float


def fidelity(name: str) -> dict[int, Fidelity]:
    """What the forest is worth, by number of epochs.

    Args:
        name: `letter` or `phoneme`.
    """
    table, problem = trainings.load(name), curves(name)
    real = np.maximum.accumulate(table.scores, axis=1)
    guessed = np.maximum.accumulate(_held_back(table), axis=1)
    generator = np.random.default_rng(0)
    points = [sampled(table.space, {}, generator, 1.0) for _ in table.values]
    modelled = np.array([problem.curve(point) for point in points])
    return {
        epochs: Fidelity(
            float(r2_score(real[:, epochs - 1], guessed[:, epochs - 1])),
            float(100 * np.abs(real - guessed)[:, epochs - 1].mean()),
            _agreement(real, epochs),
            _agreement(modelled, epochs),
        )
        for epochs in SHOWN
    }


def _held_back(table: trainings.Trainings) -> Array:
    """The curves of all trainings, each by a forest that has not seen it."""
    predicted = np.empty(table.scores.shape)
    folds = KFold(FOLDS, shuffle=True, random_state=0)
    for train, held in folds.split(table.scores):
        part = replace(table, values=[table.values[index] for index in train])
        model = Surrogate(part, table.scores[train])
        predicted[held] = model.predict([table.values[index] for index in held])
    return predicted


def _agreement(scores: NDArray[Any], epochs: int) -> float:
    last = scores[:, -1]
    top = np.argsort(-last)[: len(last) // 3]
    return float(spearmanr(scores[top, epochs - 1], last[top]).statistic)
