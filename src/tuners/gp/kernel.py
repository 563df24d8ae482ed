"""How similar two points of a mixed space are: a Matérn 5/2 kernel on numbers and categories."""

import math
from typing import Any

import numpy as np
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel, StationaryKernelMixin

from src.tuners.gp.encoding import Array

ROOT5 = math.sqrt(5.0)
AMPLITUDES, LENGTHS, NOISES = (0.05, 20.0), (0.05, 50.0), (1e-6, 1.0)  # bounds


class MixedMatern(StationaryKernelMixin, Kernel):
    """Matérn 5/2 with a length for each hyperparameter (ARD), an amplitude, and noise.

    The square of the distance is the sum over the hyperparameters of (difference / length)²; two
    categories differ by 1 or not at all. As in scikit-learn's `WhiteKernel`, the noise is added
    where a set of points is compared with itself.

    The first `numeric` hyperparameters have an order and two columns each. `lengths` has the shape
    `(hyperparameters,)`; `amplitude` and `noise` are variances.
    """

    def __init__(
        self, numeric: int, lengths: Array, amplitude: float = 1.0, noise: float = 1e-3
    ) -> None:
        self.numeric, self.lengths, self.amplitude, self.noise = numeric, lengths, amplitude, noise
        # scikit-learn sorts these by name: `theta` has the logarithms of amplitude, lengths, noise.
        self.hyperparameter_amplitude = Hyperparameter("amplitude", "numeric", AMPLITUDES)
        self.hyperparameter_lengths = Hyperparameter(
            "lengths", "numeric", LENGTHS, np.size(lengths)
        )
        self.hyperparameter_noise = Hyperparameter("noise", "numeric", NOISES)
        self._squares: tuple[Array, Array] | None = None

    def __call__(self, X: Array, Y: Array | None = None, eval_gradient: bool = False) -> Any:
        """The covariances of points, with noise and their gradients as scikit-learn asks."""
        if not eval_gradient:
            distances = np.sqrt(self._squared_distances(X, X if Y is None else Y))
            covariances = self.amplitude * (1 + distances * (1 + distances / 3))
            covariances *= np.exp(-distances)
            if Y is None:
                covariances[np.diag_indices_from(covariances)] = self.amplitude + self.noise
            return covariances
        squares = self._squares_of(X)
        weights = 5.0 / np.square(np.atleast_1d(self.lengths))
        distances = np.sqrt(squares @ weights)
        decay = self.amplitude * np.exp(-distances)
        covariances = decay * (1 + distances * (1 + distances / 3))
        gradient = np.empty((*covariances.shape, len(weights) + 2))
        gradient[..., 0] = covariances
        np.multiply(squares, weights, out=gradient[..., 1:-1])
        gradient[..., 1:-1] *= (decay * (1 + distances) / 3)[..., np.newaxis]
        gradient[..., -1] = 0.0
        diagonal = np.arange(len(X))
        gradient[diagonal, diagonal, -1] = self.noise
        covariances[diagonal, diagonal] += self.noise
        return covariances, gradient

    def diag(self, X: Array) -> Array:
        """The variance of what is observed at each point, noise included."""
        return np.full(len(X), self.amplitude + self.noise)

    def _squared_distances(self, X: Array, Y: Array) -> Array:
        """Between all points, in lengths, times 5; `(X, Y)`."""
        lengths = np.atleast_1d(self.lengths)  # scikit-learn makes a single one a number
        split = 2 * self.numeric
        scales = np.repeat(ROOT5 / lengths[: self.numeric], 2)
        first, second = X[:, :split] * scales, Y[:, :split] * scales
        result = -2.0 * (first @ second.T)
        result += np.square(first).sum(axis=1)[:, np.newaxis]
        result += np.square(second).sum(axis=1)
        np.maximum(result, 0.0, out=result)
        for column, length in enumerate(lengths[self.numeric :], start=split):
            differ = X[:, column][:, np.newaxis] != Y[:, column]
            result += differ * (5.0 / length**2)
        return result

    def _squares_of(self, X: Array) -> Array:
        """The squared difference of all points in each hyperparameter, `(X, X, lengths)`."""
        # Kept, as scikit-learn asks for the same points at every step of a fit.
        if self._squares is None or self._squares[0] is not X:
            squares = np.empty((len(X), len(X), np.size(self.lengths)))
            for number in range(np.size(self.lengths)):
                if number < self.numeric:
                    pair = X[:, 2 * number : 2 * number + 2]
                    squares[..., number] = np.square(pair[:, np.newaxis] - pair).sum(axis=-1)
                else:
                    column = X[:, self.numeric + number]
                    squares[..., number] = column[:, np.newaxis] != column
            self._squares = X, squares
        return self._squares[1]
