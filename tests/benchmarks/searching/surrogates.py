"""Problems that stand for real trainings: forests fitted to tables of them."""

from collections.abc import Callable
from functools import cache
from typing import Any

import keras_tuner as kt
import numpy as np
from keras_tuner.engine.hyperparameters import Boolean, Choice
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from src.tuners import space as spaces
from tests.benchmarks.searching import trainings
from tests.benchmarks.searching.problems import Problem, Values

Array = NDArray[np.float64]

TREES = 100
SAMPLED = 10_000  # points that the best known score is looked for among
CLIMBED = 20  # the best of them, from which it is climbed on
STEPS = 40


class Surrogate:
    """Predicts what trainings reached: the mean of 100 extremely randomised trees.

    Fitted at once and always alike. A number is given to the trees as the probability that Keras
    Tuner's sampling has for it, a category as one column a value, inactive as −1.

    Args:
        table: the trainings.
        targets: what each reached, `(trainings,)`, or `(trainings, several)`.
    """

    def __init__(self, table: trainings.Trainings, targets: NDArray[Any]) -> None:
        alive = spaces.reachable(table.space.space)
        self._searched = [hp for hp in alive if spaces.is_searched(hp)]
        rows = np.array([self.row(values) for values in table.values])
        self._several = targets.ndim > 1
        self._forest = ExtraTreesRegressor(TREES, min_samples_leaf=2, random_state=0)
        self._forest.fit(rows, targets)

    def row(self, values: Values) -> list[float]:
        """What the trees see of a point."""
        row: list[float] = []
        for hp in self._searched:
            active = all(c.is_active(values) for c in hp.conditions)
            if isinstance(hp, (Boolean, Choice)):
                row += [float(active and values[hp.name] == value) for value in hp.values]
            else:
                row.append(hp.value_to_prob(values[hp.name]) if active else -1.0)
        return row

    def predict(self, points: list[dict[str, Any]]) -> Array:
        """What points reach, `(points,)` or `(points, several)`."""
        rows = np.array([self.row(values) for values in points], dtype=np.float32)
        # Tree by tree: for one point, the forest's own way takes ten times as long.
        found = [tree.tree_.predict(rows) for tree in self._forest.estimators_]
        scores: Array = np.mean(found, axis=0).reshape(len(points), -1)
        return scores if self._several else scores[:, 0]

    def score(self, values: Values) -> float:
        """The score of a trial."""
        return float(self.predict([dict(values)])[0])


@cache
def surrogate(name: str) -> Problem:
    """The problem of a data set; regrets are percentage points.

    Args:
        name: `letter` or `phoneme`.
    """
    table = trainings.load(name)
    model = Surrogate(table, table.best)
    best = best_score(table, model.predict)
    return Problem(name, table.space, model.score, table.direction, best, unit=100.0)


def best_score(
    table: trainings.Trainings, predict: Callable[[list[dict[str, Any]]], Array]
) -> float:
    """The best score that a climb from the best of 10,000 points finds, always the same.

    Args:
        table: has the space, and which way is better.
        predict: gives the scores of points.
    """
    sign = 1.0 if table.direction == "max" else -1.0
    generator = np.random.default_rng(0)
    points = [sampled(table.space, {}, generator, 1.0) for _ in range(SAMPLED)]
    scores = sign * predict(points)
    best = [points[index] for index in np.argsort(-scores)[:CLIMBED]]
    known = np.sort(-scores)[:CLIMBED] * -1.0
    for _ in range(STEPS):
        around = [sampled(table.space, point, generator, 0.2) for point in best for _ in range(10)]
        found = sign * predict(around)
        for index in range(CLIMBED):
            own = found[10 * index : 10 * index + 10]
            if own.max() > known[index]:
                known[index] = own.max()
                best[index] = around[10 * index + int(own.argmax())]
    return float(sign * known.max())


def sampled(
    space: kt.HyperParameters, near: dict[str, Any], generator: Any, change: float
) -> dict[str, Any]:
    """A point whose values are those of `near`, each sampled anew with probability `change`."""
    values: dict[str, Any] = {}
    for hp in space.space:
        if all(condition.is_active(values) for condition in hp.conditions):
            kept = hp.name in near and generator.random() > change
            values[hp.name] = near[hp.name] if kept else hp.prob_to_value(generator.random())
    return values
