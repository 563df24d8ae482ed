"""The built nets: layers, widths, activations, normalisation, dropout, weights, penalties."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from hypermodels.dense_block import ACTIVATIONS, INITIALIZERS, NORMALIZATIONS
from hypermodels.mlp import MLP
from hypermodels.problem import Problem
from hypermodels.regularizers import REGULARIZERS
from hypermodels.residual_mlp import ResidualMLP
from tests.hypermodels.helpers import FEATURES, PROBLEMS, arrays, build, declared, draw, evaluate

INPUTS, UNITS = 500, 200


def layers_of(model: Any, kind: Any) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def widths(model: Any) -> list[int]:
    return [layer.units for layer in layers_of(model, keras.layers.Dense)]


def residual(task: str = "multiclass", **values: Any) -> Any:
    hypermodel = ResidualMLP(PROBLEMS[task])
    return hypermodel.build(declared(hypermodel, **values))


@pytest.mark.parametrize(
    ("layers", "units", "taper", "expected"),
    [
        (4, 64, 0.5, [64, 32, 16, 8]),
        (3, 100, 0.6, [100, 60, 36]),
        (2, 10, 2.0, [10, 20]),
        (3, 1, 0.5, [1, 1, 1]),
    ],
)
def test_each_layer_is_taper_times_as_wide_as_the_one_before(
    layers: int, units: int, taper: float, expected: list[int]
) -> None:
    assert widths(build("multiclass", layers=layers, units=units, taper=taper)) == [*expected, 3]


def test_random_draws_build_the_layers_that_they_describe() -> None:
    hypermodel = MLP(PROBLEMS["binary"])
    normalizations = {
        "none": [],
        "batch": [keras.layers.BatchNormalization],
        "layer": [keras.layers.LayerNormalization],
    }
    for seed in range(100, 106):
        hp = draw(hypermodel, seed)
        model: Any = hypermodel.build(hp)
        dropout = [keras.layers.Dropout] if hp.get("dropout") > 0 else []
        normalization = normalizations[hp.get("normalization")]
        block = [keras.layers.Dense, *normalization, keras.layers.Activation, *dropout]
        expected = block * hp.get("layers") + [keras.layers.Dense]
        for layer, kind in zip(model.layers[1:], expected, strict=True):
            assert isinstance(layer, kind)
        for layer in layers_of(model, keras.layers.Activation):
            assert layer.activation is keras.activations.get(hp.get("activation"))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_parameters_are_those_of_the_closed_form(normalization: str) -> None:
    norm = {"none": 0, "batch": 4, "layer": 2}[normalization]
    model = build("multiclass", layers=2, units=10, taper=0.5, normalization=normalization)
    hidden = (FEATURES + 1) * 10 + norm * 10 + (10 + 1) * 5 + norm * 5
    assert model.count_params() == hidden + (5 + 1) * 3
    model = residual(blocks=3, units=12, normalization=normalization)
    hidden = (FEATURES + 1) * 12 + 3 * (12 + 1 + norm) * 12
    assert model.count_params() == hidden + (12 + 1) * 3


def test_a_residual_blocks_output_is_added_to_its_input() -> None:
    model = residual("regression", blocks=2, units=8, activation="relu")
    first, *blocks, output = layers_of(model, keras.layers.Dense)
    assert len(layers_of(model, keras.layers.Add)) == len(blocks) == 2
    x, _ = arrays("regression")
    expected = x @ first.kernel.numpy() + first.bias.numpy()
    for block in blocks:
        expected = expected + np.maximum(expected @ block.kernel.numpy() + block.bias.numpy(), 0)
    expected = expected @ output.kernel.numpy() + output.bias.numpy()
    np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-3, atol=1e-4)


CLOSED_FORMS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    # the approximation with tanh is within 5e-4 of the exact form
    "gelu": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_the_fields(activation: str) -> None:
    model = build("regression", layers=1, activation=activation)
    dense, output = model.layers[1], model.layers[-1]
    x, _ = arrays("regression")
    hidden = CLOSED_FORMS[activation](x @ dense.kernel.numpy() + dense.bias.numpy())
    expected = hidden @ output.kernel.numpy() + output.bias.numpy()
    tolerance = 1e-2 if activation == "gelu" else 1e-5
    np.testing.assert_allclose(model(x).numpy(), expected, atol=tolerance)


def kernels(initializer: str, layers: int = 1, units: int = UNITS) -> list[Any]:
    """Kernels of the hidden layers of a built net."""
    keras.utils.set_random_seed(1)
    hypermodel = MLP(Problem("binary", INPUTS, 2))
    hp = declared(hypermodel, initializer=initializer, layers=layers, units=units)
    return [weights for weights in hypermodel.build(hp).get_weights()[:-2] if weights.ndim == 2]


DEVIATIONS = {
    "random_normal": 0.05,
    "random_normal_one": 0.05,
    "glorot_normal": math.sqrt(2 / (INPUTS + UNITS)),
    "glorot_uniform": math.sqrt(2 / (INPUTS + UNITS)),
    "he_normal": math.sqrt(2 / INPUTS),
    "he_uniform": math.sqrt(2 / INPUTS),
    "lecun_normal": math.sqrt(1 / INPUTS),
    "lecun_uniform": math.sqrt(1 / INPUTS),
    "orthogonal": math.sqrt(1 / INPUTS),
}


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_the_distribution_of_initial_weights(initializer: str) -> None:
    mean, deviation = float(initializer.endswith("one")), DEVIATIONS[initializer]
    [kernel] = kernels(initializer)
    assert kernel.shape == (INPUTS, UNITS)
    assert kernel.mean() == pytest.approx(mean, abs=5 * deviation / math.sqrt(kernel.size))
    assert kernel.std() == pytest.approx(deviation, rel=0.02)
    largest = np.abs(kernel - mean).max() / deviation
    if initializer.endswith("uniform"):
        assert 1.7 < largest <= math.sqrt(3) + 1e-3  # the limit of a uniform distribution
    else:
        assert largest > 2
    if initializer == "orthogonal":
        np.testing.assert_allclose(kernel.T @ kernel, np.eye(UNITS), atol=1e-5)
    first, second = kernels(initializer, layers=2, units=INPUTS)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_the_loss_gains_the_strengths_times_the_norms(regularizer: str) -> None:
    l1, l2 = 0.003, 0.007
    model = build("multiclass", layers=2, regularizer=regularizer, l1=l1, l2=l2)
    hidden = [layer.kernel.numpy() for layer in layers_of(model, keras.layers.Dense)[:-1]]
    absolute = sum(np.abs(kernel).sum() for kernel in hidden)
    squared = sum((kernel**2).sum() for kernel in hidden)
    expected = {
        "none": 0.0,
        "l1": l1 * absolute,
        "l2": l2 * squared,
        "elastic_net": l1 * absolute + l2 * squared,
    }[regularizer]
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)
    logs = evaluate(model, *arrays("multiclass"), "multiclass")
    assert logs["loss"] - logs["log_loss"] == pytest.approx(expected, rel=1e-3, abs=1e-6)
    active = {"none": set(), "elastic_net": {"l1", "l2"}}.get(regularizer, {regularizer})
    values = declared(MLP(PROBLEMS["binary"]), regularizer=regularizer).values
    assert {"l1", "l2"} & set(values) == active


@pytest.mark.parametrize("scale", [0.0, 1.0, -0.5])
def test_strengths_grow_with_the_size_of_the_model(scale: float) -> None:
    both = {"regularizer": "elastic_net", "l1": 0.1, "l2": 0.2}
    model = build("binary", layers=1, **both, regularizer_scale=scale)
    for name, strength in (("l1", 0.1), ("l2", 0.2)):
        expected = strength * (49 / 10_000) ** scale
        assert float(model.tunables[name][0]) == pytest.approx(expected)
