"""The model of the scores: scikit-learn's Gaussian process, with priors on its hyperparameters."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor

from src.tuners.gp.kernel import MixedMatern
from src.tuners.gp.targets import Targets

Array = NDArray[np.float64]

MOST_POINTS = 600  # trials that the model keeps
MOST_FITTED = 130  # trials that its hyperparameters are fitted to
ITERATIONS = 10  # of a fit, which goes on from the one before
LENGTH_SPREAD, NOISE_SPREAD, AMPLITUDE_SPREAD = 1.0, 1.5, 0.5  # standard deviations of logarithms
NOISE = 1e-3


@dataclass(frozen=True)
class Prediction:
    """What the model expects of points; `(points,)` each, in units of the targets."""

    mean: Array
    deviation: Array


class ScoreModel:
    """A Gaussian process fitted to what is known of the trials.

    Its hyperparameters have log-normal priors: lengths around a third of the diagonal of the space,
    as the distance of two points grows with the root of its dimensions (Hvarfner et al. 2024),
    little noise, and the targets' own variance. The fit is the most probable one, found in few
    steps from where the last one ended. Of very many trials it takes the best ones and an even
    sample of the others.

    Args:
        features: of each trial, as `Encoding.features` gives them.
        targets: of each trial.
        numeric: how many hyperparameters have an order.
        lengths: how many hyperparameters there are.
        theta: the fitted hyperparameters of the last model; None to start anew.

    Attributes:
        theta: the fitted hyperparameters: logarithms of amplitude, lengths, noise.
    """

    def __init__(
        self,
        features: Array,
        targets: Targets,
        numeric: int,
        lengths: int,
        theta: Array | None = None,
    ) -> None:
        self._kernel = MixedMatern(numeric, np.full(lengths, _typical_length(lengths)), noise=NOISE)
        start = self._kernel.theta
        spreads = np.full(len(start), LENGTH_SPREAD)
        spreads[0], spreads[-1] = AMPLITUDE_SPREAD, NOISE_SPREAD
        chosen = _sample(targets.values, MOST_FITTED)
        fitted = GaussianProcessRegressor(
            self._kernel,
            alpha=1e-10 + targets.noise[chosen],
            optimizer=_optimizer(start, spreads, theta),
        )
        with warnings.catch_warnings():
            # Of a noise at its lower bound, as where scores have none.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted.fit(features[chosen], targets.values[chosen])
        self.theta: Array = fitted.kernel_.theta
        self._kernel = self._kernel.clone_with_theta(self.theta)
        self._chosen = _sample(targets.values, MOST_POINTS)
        self._features = features[self._chosen]
        self._targets = targets.values[self._chosen]
        self._extra = targets.noise[self._chosen]
        self._process = fitted if len(chosen) == len(self._chosen) else self._condition()

    def shorten(self, factor: float) -> None:
        """Makes the lengths shorter than the fit has them: far from all trials it knows little.

        Args:
            factor: of each length.
        """
        theta = self.theta.copy()
        theta[1:-1] += math.log(factor)
        self._kernel = self._kernel.clone_with_theta(theta)
        self._process = self._condition()

    def believe(self, features: Array) -> None:
        """Takes it that points which are still running score as expected (kriging believer).

        Args:
            features: of the points.
        """
        if not len(features):
            return
        expected = self.predict(features).mean
        self._features = np.vstack([self._features, features])
        self._targets = np.concatenate([self._targets, expected])
        self._extra = np.concatenate([self._extra, np.zeros(len(features))])
        self._process = self._condition()

    def predict(self, features: Array) -> Prediction:
        """Expects, without the noise of a single training."""
        with warnings.catch_warnings():
            # Of variances that rounding makes negative.
            warnings.simplefilter("ignore", UserWarning)
            mean, deviation = self._process.predict(features, return_std=True)
        noise = self._process.kernel_.noise
        variance = np.maximum(np.square(deviation) - noise, 1e-12)
        return Prediction(mean, np.sqrt(variance))

    def _condition(self) -> Any:
        process = GaussianProcessRegressor(self._kernel, alpha=1e-10 + self._extra, optimizer=None)
        return process.fit(self._features, self._targets)


def _typical_length(dimensions: int) -> float:
    return 0.35 * math.sqrt(dimensions)


def _optimizer(prior: Array, spreads: Array, theta: Array | None) -> Callable[..., Any]:
    """A function as scikit-learn's regressor takes it: the most probable hyperparameters."""

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
    """The numbers of at most so many trials: the better half of them the best, the others even."""
    if len(targets) <= most:
        return np.arange(len(targets))
    ranked = np.argsort(-targets, kind="stable")
    best = most // 2
    others = np.linspace(best, len(targets) - 1, most - best).astype(np.int64)
    return np.sort(np.concatenate([ranked[:best], ranked[others]]))
