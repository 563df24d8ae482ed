"""The model of the scores: scikit-learn's Gaussian process, with priors on its hyperparameters.

It learns targets, which `make_targets` makes of the scores.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor

from src.tuners.gp.encoding import Array
from src.tuners.gp.kernel import MixedMatern

MOST_POINTS = 600  # trials that the model keeps
MOST_FITTED = 130  # trials that its hyperparameters are fitted to
ITERATIONS = 10  # of a fit, which goes on from the fit before
LENGTH_SPREAD, NOISE_SPREAD, AMPLITUDE_SPREAD = 1.0, 1.5, 0.5  # standard deviations of logarithms
LENGTH, NOISE = 0.35, 1e-3  # medians; the length is a share of the diagonal of the space
TAIL = 1.5  # bad scores count in full up to this many times the distance from median to best
FAILURE_NOISE = 0.3  # variance, where that of the targets is 1: how bad a failure is, is unknown
LARGEST_NOISE = 3.0  # standard deviation beyond which a score tells nothing anyway


class ScoreModel:
    """A Gaussian process fitted to the targets of the trials.

    Its hyperparameters have log-normal priors: lengths in proportion to the diagonal of the space,
    as the distance of two points grows with the root of its dimensions (Hvarfner et al. 2024),
    little noise, and the targets' own variance. The fit is the most probable one, found in few
    steps from where the last fit ended: from its `theta`, the logarithms of amplitude, lengths and
    noise. Of very many trials the model takes the best ones and an even sample of the others.

    `features` are as `Encoding.features` returns them, with `numeric` ordered hyperparameters;
    `targets` and `noise` as `make_targets` does. `theta` is the last model's; None starts anew.
    """

    def __init__(
        self, features: Array, targets: Array, noise: Array, numeric: int, theta: Array | None
    ) -> None:
        dimensions = features.shape[1] - numeric
        lengths = np.full(dimensions, LENGTH * math.sqrt(dimensions))
        self._kernel = MixedMatern(numeric, lengths, noise=NOISE)
        start = self._kernel.theta
        spreads = np.full(len(start), LENGTH_SPREAD)
        spreads[0], spreads[-1] = AMPLITUDE_SPREAD, NOISE_SPREAD
        chosen = _sample(targets, MOST_FITTED)
        fitted = GaussianProcessRegressor(
            self._kernel, alpha=1e-10 + noise[chosen], optimizer=_optimizer(start, spreads, theta)
        )
        with warnings.catch_warnings():
            # Of a noise at its lower bound, as where scores have none.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted.fit(features[chosen], targets[chosen])
        self.theta: Array = fitted.kernel_.theta
        self._kernel = self._kernel.clone_with_theta(self.theta)
        kept = _sample(targets, MOST_POINTS)
        self._features, self._targets, self._noise = features[kept], targets[kept], noise[kept]
        self._process = fitted if len(chosen) == len(kept) else self._condition()

    def shorten(self, factor: float) -> None:
        """Multiplies the lengths by a factor below 1, so that less is known far from all trials."""
        theta = self.theta.copy()
        theta[1:-1] += math.log(factor)
        self._kernel = self._kernel.clone_with_theta(theta)
        self._process = self._condition()

    def believe(self, features: Array) -> None:
        """Assumes that running points will score as expected (kriging believer)."""
        expected, _ = self.predict(features)
        self._features = np.vstack([self._features, features])
        self._targets = np.concatenate([self._targets, expected])
        self._noise = np.concatenate([self._noise, np.zeros(len(features))])
        self._process = self._condition()

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Mean and deviation of the targets of points, without the noise of a single training."""
        with warnings.catch_warnings():
            # Of variances that rounding makes negative.
            warnings.simplefilter("ignore", UserWarning)
            mean, deviation = self._process.predict(features, return_std=True)
        noise = self._process.kernel_.noise
        variance = np.maximum(np.square(deviation) - noise, 1e-12)
        return mean, np.sqrt(variance)

    def _condition(self) -> Any:
        process = GaussianProcessRegressor(self._kernel, alpha=1e-10 + self._noise, optimizer=None)
        return process.fit(self._features, self._targets)


def _optimizer(prior: Array, spreads: Array, theta: Array | None) -> Callable[..., Any]:
    """Returns a function, as scikit-learn takes it, that finds the most probable `theta`."""

    def optimize(objective: Callable[..., Any], start: Array, bounds: Array) -> tuple[Array, float]:
        def negative_log_posterior(at: Array) -> tuple[float, Array]:
            value, gradient = objective(at, eval_gradient=True)
            offset = (at - prior) / spreads
            return value + 0.5 * float(offset @ offset), gradient + offset / spreads

        if theta is not None:
            begin = np.clip(theta, bounds[:, 0], bounds[:, 1])
            if negative_log_posterior(begin)[0] < negative_log_posterior(start)[0]:
                start = begin
        found = scipy.optimize.minimize(
            negative_log_posterior,
            start,
            method="L-BFGS-B",
            jac=True,
            bounds=bounds,
            options={"maxiter": ITERATIONS},
        )
        return found.x, float(found.fun)

    return optimize


def _sample(targets: Array, most: int) -> NDArray[np.int64]:
    """Returns the indices of the best trials, and of an even sample of the others, half each."""
    if len(targets) <= most:
        return np.arange(len(targets))
    ranked = np.argsort(-targets, kind="stable")
    best = most // 2
    others = np.linspace(best, len(targets) - 1, most - best).astype(np.int64)
    return np.sort(np.concatenate([ranked[:best], ranked[others]]))


def make_targets(
    scores: Array, failed: NDArray[np.bool_], direction: str, variances: Array
) -> tuple[Array, Array]:
    """Makes targets of scores.

    Scores far below the median are drawn in: how bad they are matters little, and a model that
    follows them sees no differences among the good scores. A failure counts as one of the worse
    completed trials, or as less where all of them are alike, with some noise.

    All arrays are `(trials,)`; scores and their variances are ignored where a trial failed. Returns
    targets, higher is better, of mean 0 and variance 1, and the variance of each.
    """
    sign = 1.0 if direction == "max" else -1.0
    result = np.zeros(len(scores))
    noise = np.where(failed, FAILURE_NOISE, 0.0)
    good = sign * scores[~failed]
    if len(good):
        are_alike = good.max() == good.min()  # then their deviation need not be 0 exactly
        good = _drawn_in(good)
        spread = 0.0 if are_alike else float(good.std())
        good = (good - good.mean()) / spread if spread > 0 else np.zeros(len(good))
        result[~failed] = good
        result[failed] = np.quantile(good, 0.1) if spread > 0 else -1.0
        if spread > 0:
            deviations = np.sqrt(variances[~failed]) / spread
            noise[~failed] = np.square(np.minimum(deviations, LARGEST_NOISE))
    return result, noise


def _drawn_in(good: Array) -> Array:
    """Draws in what is worse than the median by more than `TAIL` times what the best is better."""
    median = np.median(good)
    # The range where half or more are equal to the best.
    reach = TAIL * (good.max() - median) or good.max() - good.min()
    if reach == 0:
        return good
    depth = (median - good) / reach
    # From depth 1 on it falls ever more slowly, to a depth of 2 at most.
    return np.where(depth > 1, median - reach * (2 - 1 / np.maximum(depth, 1.0)), good)
