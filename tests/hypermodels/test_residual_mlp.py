"""The MLP with skip connections."""

from typing import Any

import keras
import numpy as np
import pytest

from hypermodels.dense_block import NORMALIZATIONS
from hypermodels.residual_mlp import ResidualMLP
from tests.hypermodels.helpers import FEATURES, PROBLEMS, ROWS, TASKS, arrays, declared, draw


def build(task: str = "multiclass", **values: Any) -> Any:
    hypermodel = ResidualMLP(PROBLEMS[task])
    return hypermodel.build(declared(hypermodel, **values))


def layers_of(model: Any, kind: Any) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("blocks", [1, 4])
def test_each_block_has_one_skip_connection_at_full_width(blocks: int) -> None:
    model = build(blocks=blocks, units=8)
    additions = layers_of(model, keras.layers.Add)
    assert len(additions) == blocks
    assert [layer.output.shape for layer in additions] == [(None, 8)] * blocks
    assert [layer.units for layer in layers_of(model, keras.layers.Dense)] == [8] * (blocks + 1) + [
        3
    ]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_parameters_are_those_of_the_closed_form(normalization: str) -> None:
    units, blocks = 12, 3
    norm = {"none": 0, "batch": 4, "layer": 2}[normalization]
    model = build(blocks=blocks, units=units, normalization=normalization)
    expected = (FEATURES + 1) * units + blocks * (units + 1 + norm) * units + (units + 1) * 3
    assert model.count_params() == expected


def test_a_blocks_output_is_added_to_its_input() -> None:
    model = build("regression", blocks=2, units=8, activation="relu")
    first, *blocks, output = layers_of(model, keras.layers.Dense)
    x, _ = arrays("regression")
    expected = x @ first.kernel.numpy() + first.bias.numpy()
    for block in blocks:
        expected = expected + np.maximum(expected @ block.kernel.numpy() + block.bias.numpy(), 0)
    expected = expected @ output.kernel.numpy() + output.bias.numpy()
    np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_random_draws_build_and_train(task: str) -> None:
    hypermodel = ResidualMLP(PROBLEMS[task])
    x, y = arrays(task)
    for seed in range(4):
        hp = draw(hypermodel, seed)
        model = hypermodel.build(hp)
        assert len(layers_of(model, keras.layers.Add)) == hp.get("blocks")
        model.run_eagerly = True
        history = hypermodel.fit(hp, model, x, y, validation_data=(x, y), epochs=1).history
        assert len(history["val_loss"]) == 1
        assert model(x).shape == (ROWS, PROBLEMS[task].outputs)
