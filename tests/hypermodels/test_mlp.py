"""The built nets: layers, widths, activations, normalisation, dropout."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from hypermodels.dense_block import ACTIVATIONS, NORMALIZATIONS
from hypermodels.mlp import MLP
from tests.hypermodels.helpers import FEATURES, PROBLEMS, TASKS, arrays, build, declared, draw

NORMALIZATION_LAYERS = {
    "none": [],
    "batch": ["BatchNormalization"],
    "layer": ["LayerNormalization"],
}


def widths(model: Any) -> list[int]:
    return [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def kinds(model: Any) -> list[str]:
    return [type(layer).__name__ for layer in model.layers[1:]]


@pytest.mark.parametrize(
    ("layers", "units", "taper", "expected"),
    [
        (1, 48, 0.5, [48]),
        (4, 64, 0.5, [64, 32, 16, 8]),
        (3, 100, 0.6, [100, 60, 36]),
        (3, 20, 1.0, [20, 20, 20]),
        (2, 10, 2.0, [10, 20]),
        (3, 1, 0.5, [1, 1, 1]),
    ],
)
def test_each_layer_is_taper_times_as_wide_as_the_one_before(
    layers: int, units: int, taper: float, expected: list[int]
) -> None:
    model = build("multiclass", layers=layers, units=units, taper=taper)
    assert widths(model) == [*expected, 3]


@pytest.mark.parametrize("task", TASKS)
def test_random_draws_build_the_layers_that_they_describe(task: str) -> None:
    hypermodel = MLP(PROBLEMS[task])
    seen = set()
    for seed in range(100, 112):
        hp = draw(hypermodel, seed)
        seen.add(hp.get("layers"))
        model = hypermodel.build(hp)
        depth, units, taper = hp.get("layers"), hp.get("units"), hp.get("taper")
        hidden = np.rint(units * taper ** np.arange(depth)).astype(int)
        assert widths(model) == [*hidden, PROBLEMS[task].outputs]
        block = [
            "Dense",
            *NORMALIZATION_LAYERS[hp.get("normalization")],
            "Activation",
            *(["Dropout"] if hp.get("dropout") > 0 else []),
        ]
        assert kinds(model) == block * depth + ["Dense"]
        for layer in model.layers:
            if isinstance(layer, keras.layers.Activation):
                assert layer.activation is keras.activations.get(hp.get("activation"))
            if isinstance(layer, keras.layers.Dropout):
                assert layer.rate == hp.get("dropout")
    assert seen == {1, 2, 3, 4}


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_parameters_are_those_of_the_closed_form(normalization: str) -> None:
    model = build("multiclass", layers=2, units=10, taper=0.5, normalization=normalization)
    norm = {"none": 0, "batch": 4, "layer": 2}[normalization]
    hidden = (FEATURES + 1) * 10 + norm * 10 + (10 + 1) * 5 + norm * 5
    assert model.count_params() == hidden + (5 + 1) * 3


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_dropout_zeroes_its_fraction_in_training_alone(dropout: float) -> None:
    values = {"layers": 1, "units": 2000, "activation": "sigmoid", "dropout": dropout}
    model = build("multiclass", **values)
    hidden = keras.Model(model.inputs[0], model.layers[-2].output)
    x, _ = arrays("multiclass")
    assert (hidden(x, training=False).numpy() > 0).all()
    dropped = hidden(x, training=True).numpy() == 0
    assert dropped.mean() == pytest.approx(dropout, abs=0.01)


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
    kernel, bias = (weights.numpy() for weights in dense.weights)
    hidden = CLOSED_FORMS[activation](x @ kernel + bias)
    expected = hidden @ output.kernel.numpy() + output.bias.numpy()
    np.testing.assert_allclose(
        model(x).numpy(), expected, atol=1e-2 if activation == "gelu" else 1e-5
    )


def test_the_default_net_is_two_layers_of_64() -> None:
    hypermodel = MLP(PROBLEMS["binary"])
    hp = declared(hypermodel)
    assert widths(hypermodel.build(hp)) == [64, 64, 1]
    assert {h.name: (h.min_value, h.max_value) for h in hp.space[:3]} == {
        "layers": (1, 4),
        "units": (16, 512),
        "taper": (0.5, 1.0),
    }
