"""Trainings whose scores after every epoch are known: forests fitted to learning curves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from zlib import crc32

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
        seen: of values: the same as a search sees it, with noise where the problem has some.
        epochs: of a full training.
        best: the best score after a full training that is known.
    """

    name: str
    space: kt.HyperParameters
    curve: Callable[[Values], Array]
    seen: Callable[[Values], Array]
    epochs: int
    best: float

    def regret(self, score: float) -> float:
        """How far a score is from the best, in percentage points."""
        return 100.0 * (self.best - score)


@cache
def curves(name: str) -> CurveProblem:
    """The problem of a data set, always the same.

    A forest predicts whole curves: the mean of those of the real trainings in a leaf. With noise,
    every epoch's score is off by as much as from one of the last epochs of a real training to the
    next; the same training always by the same.

    Args:
        name: `letter`, `phoneme`, or one of them with `-noisy` behind it.
    """
    table = trainings.load(name.removesuffix("-noisy"))
    noise = _noise(table) if name.endswith("-noisy") else 0.0
    model = Surrogate(table, table.scores)
    known: dict[str, Array] = {}

    def scores(values: Values) -> tuple[str, Array]:
        own = {hp: value for hp, value in values.items() if not hp.startswith("tuner/")}
        key = repr(sorted(own.items()))
        if key not in known:  # a promotion asks again
            known[key] = model.predict([own])[0]
        return key, known[key]

    def curve(values: Values) -> Array:
        return np.maximum.accumulate(scores(values)[1])

    def seen(values: Values) -> Array:
        key, exact = scores(values)
        generator = np.random.default_rng(crc32(key.encode()))
        return np.maximum.accumulate(exact + noise * generator.normal(size=len(exact)))

    best = best_score(table, lambda points: model.predict(points).max(axis=1))
    return CurveProblem(name, table.space, curve, seen, table.scores.shape[1], best)


def _noise(table: trainings.Trainings) -> float:
    """How much the scores of neighbouring epochs differ by chance, late in the better trainings.

    A standard deviation; what is a straight line over three epochs does not count.
    """
    best = table.scores.max(axis=1)
    late = table.scores[best >= np.median(best), -10:]
    return float(np.sqrt(np.square(np.diff(late, n=2, axis=1)).mean() / 6))


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
        name: of the problem.
    """
    table, problem = trainings.load(name.removesuffix("-noisy")), curves(name)
    real = np.maximum.accumulate(table.scores, axis=1)
    guessed = np.maximum.accumulate(_held_back(table), axis=1)
    generator = np.random.default_rng(0)
    points = [sampled(table.space, {}, generator, 1.0) for _ in table.values]
    modelled = np.array([problem.seen(point) for point in points])
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
