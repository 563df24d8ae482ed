"""The built nets: layers, widths, activations, normalisation, dropout, weights, penalties."""

from typing import Any

import keras
import numpy as np
import pytest

from hypermodels.dense_block import INITIALIZERS, NORMALIZATIONS, REGULARIZERS
from hypermodels.mlp import MLP
from hypermodels.problem import Problem
from hypermodels.residual_mlp import ResidualMLP
from tests.hypermodels.helpers import FEATURES, PROBLEMS, arrays, build, declared, evaluate


def layers_of(model: Any, kind: Any) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def residual(task: str = "multiclass", **values: Any) -> Any:
    hypermodel = ResidualMLP(PROBLEMS[task])
    return hypermodel.build(declared(hypermodel, **values))


def test_a_block_is_dense_normalisation_activation_dropout() -> None:
    model = build("binary", layers=2, normalization="layer", dropout=0.2, activation="gelu")
    names = ("Dense", "LayerNormalization", "Activation", "Dropout")
    assert [type(layer).__name__ for layer in model.layers[1:]] == [*names, *names, "Dense"]
    assert model.layers[3].activation is keras.activations.gelu


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


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_the_distribution_of_initial_weights(initializer: str) -> None:
    keras.utils.set_random_seed(1)
    hypermodel = MLP(Problem("binary", 200, 2))
    hp = declared(hypermodel, initializer=initializer, layers=2, units=200)
    first, second = (weights for weights in hypermodel.build(hp).get_weights()[:-2:2])
    deviation = {
        **{"random_normal": 0.05, "random_normal_one": 0.05, "orthogonal": 200**-0.5},
        **{f"glorot_{kind}": 200**-0.5 for kind in ("normal", "uniform")},
        **{f"he_{kind}": 100**-0.5 for kind in ("normal", "uniform")},
        **{f"lecun_{kind}": 200**-0.5 for kind in ("normal", "uniform")},
    }[initializer]
    mean = float(initializer.endswith("one"))
    assert first.mean() == pytest.approx(mean, abs=0.025 * deviation)
    assert first.std() == pytest.approx(deviation, rel=0.02)
    limited = np.abs(first - mean).max() / deviation < 1.74  # as a uniform distribution is
    assert limited == initializer.endswith("uniform")
    if initializer == "orthogonal":
        np.testing.assert_allclose(first.T @ first, np.eye(200), atol=1e-5)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.03


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
