"""Searches for the point with the largest expected improvement."""

import numpy as np
from numpy.random import Generator
from scipy.special import ndtr

from src.tuners.gp.encoding import Array, Encoding, Mask
from src.tuners.gp.model import ScoreModel

SAMPLED = 500  # points sampled as the space asks
AROUND = 20  # the best tried points, around which others are sampled
NEIGHBOURS = 12  # points sampled around each
ROUNDS = 8  # of sampling around the most promising points
KEPT = 12  # most promising points of a round
WIDEST, NARROWEST = 0.3, 0.003  # standard deviations of a step in the first and last round


def log_expected_improvement(mean: Array, deviation: Array, incumbent: float) -> Array:
    """The logarithm of the expected improvement on the target `incumbent`, without underflow."""
    z = (mean - incumbent) / deviation
    density = -0.5 * np.square(z) - 0.5 * np.log(2 * np.pi)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.log(np.exp(density) + z * ndtr(z))
    # φ(z) + z Φ(z) tends to φ(z) / z²; the difference above is lost to rounding there.
    far = density - 2 * np.log(np.maximum(np.abs(z), 1.0))
    result: Array = np.log(deviation) + np.where(z > -6, near, far)
    return result


class PointSearch:
    """Searches a space for points with a large expected improvement on the target `incumbent`."""

    def __init__(
        self, encoding: Encoding, model: ScoreModel, incumbent: float, generator: Generator
    ) -> None:
        self._encoding, self._model, self._incumbent = encoding, model, incumbent
        self._generator = generator

    def promising(self, tried: Array) -> Array:
        """Sampled points, the largest expected improvement first, `(points, axes)`.

        Some from the whole space, some around the best `tried` points, then, round by round, some
        around the most promising points so far.
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
        """The points `(points, axes)`, the largest expected improvement first."""
        return points[np.argsort(-self.values(points), kind="stable")]

    def values(self, points: Array) -> Array:
        """The logarithms of the expected improvements of points."""
        active = self._encoding.active(points)
        features = self._encoding.features(points, active)
        return log_expected_improvement(*self._model.predict(features), self._incumbent)

    def _around(self, points: Array, times: int, step: float) -> Array:
        """Each point so many times, with one or a few of its hyperparameters changed."""
        generator, axes = self._generator, self._encoding.axes
        active: Mask = np.repeat(self._encoding.active(points), times, axis=0)
        result: Array = np.repeat(points, times, axis=0)
        # A hyperparameter that a change of its parent makes active may have any value.
        result = np.where(active, result, generator.random(result.shape))
        chance = generator.choice([0.0, 0.15, 0.4], size=(len(result), 1))
        change = active & (generator.random(result.shape) < chance)
        least = np.argmax(np.where(active, generator.random(result.shape), -1.0), axis=1)
        change[np.arange(len(result)), least] = True
        scale = step * np.exp(generator.normal(size=(len(result), 1)))
        moved = result + scale * generator.normal(size=result.shape)
        for number, axis in enumerate(axes):
            rows = np.flatnonzero(change[:, number])
            old, count = result[rows, number], axis.count
            if axis.is_categorical and count is not None:  # any other category
                index = axis.index(old) + generator.integers(1, count, len(old))
                result[rows, number] = (index % count + 0.5) / count
            else:
                result[rows, number] = _moved(count, old, moved[rows, number])
        return result


def _moved(count: int | None, old: Array, new: Array) -> Array:
    """Coordinates moved, reflected at the ends; by at least one value where there is a count."""
    if count is not None:
        least = np.where(np.floor(old * count) == np.floor(new * count), 1.0 / count, 0.0)
        new = new + np.where(new < old, -least, least)
    new = np.abs(new) % 2.0
    return np.clip(np.where(new > 1.0, 2.0 - new, new), 0.0, np.nextafter(1.0, 0.0))
