"""Looks for the point that promises the largest improvement."""

import numpy as np
from numpy.random import Generator
from scipy.special import ndtr

from src.tuners.gp.encoding import Array, Encoding, Mask
from src.tuners.gp.model import Prediction, ScoreModel

SAMPLED = 500  # points sampled as the space asks
AROUND = 20  # the best tried points, around which others are tried
NEIGHBOURS = 12  # points tried around each
ROUNDS = 8  # of trying points around the most promising ones
KEPT = 12  # most promising points of a round
WIDEST, NARROWEST = 0.3, 0.003  # standard deviations of a step, from the first round to the last


def log_expected_improvement(prediction: Prediction, incumbent: float) -> Array:
    """The logarithm of the expected improvement on the incumbent, which cannot underflow.

    Args:
        prediction: of the points.
        incumbent: the target to be improved on.
    """
    z = (prediction.mean - incumbent) / prediction.deviation
    density = -0.5 * np.square(z) - 0.5 * np.log(2 * np.pi)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.log(np.exp(density) + z * ndtr(z))
    # φ(z) + z Φ(z) tends to φ(z) / z²; the difference above is lost to rounding there.
    far = density - 2 * np.log(np.maximum(np.abs(z), 1.0))
    result: Array = np.log(prediction.deviation) + np.where(z > -6, near, far)
    return result


class PointSearch:
    """Looks for promising points.

    Args:
        encoding: of the space.
        model: of the scores.
        incumbent: the target to be improved on.
        generator: of random numbers.
    """

    def __init__(
        self, encoding: Encoding, model: ScoreModel, incumbent: float, generator: Generator
    ) -> None:
        self._encoding, self._model, self._incumbent = encoding, model, incumbent
        self._generator = generator

    def promising(self, tried: Array) -> Array:
        """Points in the order of what they promise, `(points, axes)`.

        Sampled ones, and ones around the best that were tried; then, round by round, ones around
        the most promising of those.

        Args:
            tried: the best points that were tried, `(points, axes)`.
        """
        width = len(self._encoding.axes)
        sampled = self._generator.random((SAMPLED, width))
        points = np.vstack([sampled, self._around(tried, NEIGHBOURS, WIDEST)])
        values = self.values(points)
        for step in np.geomspace(WIDEST, NARROWEST, ROUNDS):
            best = np.argsort(-values, kind="stable")[:KEPT]
            fresh = self._around(points[best], NEIGHBOURS, step)
            points = np.vstack([points, fresh])
            values = np.concatenate([values, self.values(fresh)])
        return points[np.argsort(-values, kind="stable")]

    def ranked(self, points: Array) -> Array:
        """Points in the order of what they promise.

        Args:
            points: coordinates, `(points, axes)`.
        """
        return points[np.argsort(-self.values(points), kind="stable")]

    def values(self, points: Array) -> Array:
        """What points promise."""
        active = self._encoding.active(points)
        features = self._encoding.features(points, active)
        return log_expected_improvement(self._model.predict(features), self._incumbent)

    def _around(self, points: Array, times: int, step: float) -> Array:
        """Each point so many times, with one of its hyperparameters or a few changed."""
        generator, axes = self._generator, self._encoding.axes
        active: Mask = np.repeat(self._encoding.active(points), times, axis=0)
        result: Array = np.repeat(points, times, axis=0)
        # What becomes active by a change of its parent may have any value.
        result = np.where(active, result, generator.random(result.shape))
        chance = generator.choice([0.0, 0.15, 0.4], size=(len(result), 1))
        change = active & (generator.random(result.shape) < chance)
        # At least one of those that are active.
        one = np.argmax(np.where(active, generator.random(result.shape), -1.0), axis=1)
        change[np.arange(len(result)), one] = True
        scale = step * np.exp(generator.normal(size=(len(result), 1)))
        moved = result + scale * generator.normal(size=result.shape)
        for number, axis in enumerate(axes):
            rows = np.flatnonzero(change[:, number])
            if axis.categorical:
                result[rows, number] = _other(axis.count, result[rows, number], generator)
            else:
                result[rows, number] = _moved(axis.count, result[rows, number], moved[rows, number])
        return result


def _other(count: int | None, old: Array, generator: Generator) -> Array:
    """Coordinates of other categories."""
    assert count is not None
    index = np.minimum((old * count).astype(np.int64), count - 1)
    return ((index + generator.integers(1, count, len(old))) % count + 0.5) / count


def _moved(count: int | None, old: Array, new: Array) -> Array:
    """Coordinates moved, reflected at the ends; by one value at least where they are counted."""
    if count is not None:
        least = np.where(np.floor(old * count) == np.floor(new * count), 1.0 / count, 0.0)
        new = new + np.where(new < old, -least, least)
    new = np.abs(new) % 2.0
    return np.clip(np.where(new > 1.0, 2.0 - new, new), 0.0, np.nextafter(1.0, 0.0))
