"""The distributions of initial weights."""

import math
from typing import Any

import keras
import numpy as np
import pytest

from hypermodels.initializers import INITIALIZERS
from hypermodels.mlp import MLP
from hypermodels.problem import Problem
from tests.hypermodels.helpers import declared

INPUTS, UNITS = 500, 200


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(1)


def kernels(initializer: str, layers: int = 1, units: int = UNITS) -> list[Any]:
    """Kernels of the hidden layers of a built net."""
    hypermodel = MLP(Problem("binary", INPUTS, 2, 40))
    hp = declared(hypermodel, initializer=initializer, layers=layers, units=units)
    return [weights for weights in hypermodel.build(hp).get_weights()[:-2] if weights.ndim == 2]


@pytest.mark.parametrize(
    ("initializer", "mean", "deviation"),
    [
        ("random_normal", 0.0, 0.05),
        ("random_normal_one", 1.0, 0.05),
        ("glorot_normal", 0.0, math.sqrt(2 / (INPUTS + UNITS))),
        ("glorot_uniform", 0.0, math.sqrt(2 / (INPUTS + UNITS))),
        ("he_normal", 0.0, math.sqrt(2 / INPUTS)),
        ("he_uniform", 0.0, math.sqrt(2 / INPUTS)),
        ("lecun_normal", 0.0, math.sqrt(1 / INPUTS)),
        ("lecun_uniform", 0.0, math.sqrt(1 / INPUTS)),
        ("orthogonal", 0.0, math.sqrt(1 / INPUTS)),
    ],
)
def test_mean_and_standard_deviation(initializer: str, mean: float, deviation: float) -> None:
    [kernel] = kernels(initializer)
    assert kernel.shape == (INPUTS, UNITS)
    assert kernel.mean() == pytest.approx(mean, abs=5 * deviation / math.sqrt(kernel.size))
    assert kernel.std() == pytest.approx(deviation, rel=0.02)
    largest = np.abs(kernel - mean).max() / deviation
    if initializer.endswith("uniform"):
        assert 1.7 < largest <= math.sqrt(3) + 1e-3  # the limit of a uniform distribution
    else:
        assert largest > 2


def test_orthogonal_columns_have_length_one_and_right_angles() -> None:
    [kernel] = kernels("orthogonal")
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(UNITS), atol=1e-5)


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_layers_of_the_same_shape_start_with_different_weights(initializer: str) -> None:
    first, second = kernels(initializer, layers=2, units=INPUTS)
    assert first.shape == second.shape == (INPUTS, INPUTS)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02
