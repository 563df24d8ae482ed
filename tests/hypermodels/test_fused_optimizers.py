"""The fused optimizers against Keras's own: the same formulas, step by step."""

from typing import Any

import keras
import numpy as np
import pytest

from hypermodels.fused_optimizers import (
    FusedAdam,
    FusedNadam,
    FusedSGD,
    ShortAdagrad,
    ShortRMSprop,
)

STEPS = 30
PAIRS: dict[str, tuple[Any, Any]] = {
    "adam": (FusedAdam(0.05), keras.optimizers.Adam(0.05)),
    "adam, other settings": (
        FusedAdam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-3),
        keras.optimizers.Adam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-3),
    ),
    "adamw": (
        FusedAdam(0.05, weight_decay=0.1),
        keras.optimizers.AdamW(0.05, weight_decay=0.1),
    ),
    "adam, clipped": (
        FusedAdam(0.05, global_clipnorm=0.5),
        keras.optimizers.Adam(0.05, global_clipnorm=0.5),
    ),
    "adam, gradients accumulated": (
        FusedAdam(0.05, gradient_accumulation_steps=3),
        keras.optimizers.Adam(0.05, gradient_accumulation_steps=3),
    ),
    "nadam": (FusedNadam(0.05), keras.optimizers.Nadam(0.05)),
    "nadam, other settings": (
        FusedNadam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-3, weight_decay=0.1),
        keras.optimizers.Nadam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-3, weight_decay=0.1),
    ),
    "nadam, clipped": (
        FusedNadam(0.05, global_clipnorm=0.5),
        keras.optimizers.Nadam(0.05, global_clipnorm=0.5),
    ),
    "adagrad": (ShortAdagrad(0.05), keras.optimizers.Adagrad(0.05)),
    "rmsprop": (ShortRMSprop(0.05), keras.optimizers.RMSprop(0.05)),
    "sgd": (FusedSGD(0.1), keras.optimizers.SGD(0.1)),
    "momentum": (FusedSGD(0.05, momentum=0.9), keras.optimizers.SGD(0.05, momentum=0.9)),
    "nesterov": (
        FusedSGD(0.05, momentum=0.8, nesterov=True),
        keras.optimizers.SGD(0.05, momentum=0.8, nesterov=True),
    ),
}


def trace(optimizer: Any, *, built: bool = True) -> np.ndarray:
    """The weights after each step along the same gradients, the rate changed half way."""
    optimizer = type(optimizer).from_config(optimizer.get_config())
    random = np.random.default_rng(3)
    variables = [
        keras.Variable(random.normal(size=shape).astype("float32")) for shape in [(3, 2), (4,)]
    ]
    if built:
        optimizer.build(variables)
    rows = []
    for step in range(STEPS):
        if step == STEPS // 2:
            optimizer.learning_rate = float(optimizer.learning_rate) / 4
        gradients = [random.normal(size=v.shape).astype("float32") for v in variables]
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
        rows.append(np.concatenate([v.numpy().reshape(-1) for v in variables]))
    assert int(optimizer.iterations) == STEPS // (optimizer.gradient_accumulation_steps or 1)
    return np.array(rows)


@pytest.mark.parametrize("name", PAIRS)
def test_every_step_is_keras_own(name: str) -> None:
    fused, own = PAIRS[name]
    np.testing.assert_allclose(trace(fused), trace(own), rtol=2e-5, atol=2e-6)
    np.testing.assert_array_equal(trace(fused, built=False), trace(fused))


@pytest.mark.parametrize("name", PAIRS)
def test_only_what_needs_it_takes_the_way_of_keras(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    apply = keras.optimizers.Optimizer.apply

    def watched(*given: Any) -> None:
        taken.append(given)
        apply(*given)

    monkeypatch.setattr(keras.optimizers.Optimizer, "apply", watched)
    trace(PAIRS[name][0])
    assert bool(taken) == (name.partition(", ")[2] in ("clipped", "gradients accumulated"))


@pytest.mark.parametrize("name", PAIRS)
def test_the_configuration_makes_an_equal_optimizer(name: str) -> None:
    fused, _ = PAIRS[name]
    again = type(fused).from_config(fused.get_config())
    assert again.get_config() == fused.get_config()


def test_nadam_refuses_to_accumulate_gradients() -> None:
    with pytest.raises(ValueError, match="gradient_accumulation_steps is not available with Fused"):
        FusedNadam(0.05, gradient_accumulation_steps=2)


@pytest.mark.parametrize("name", PAIRS)
def test_variables_have_paths_of_their_own(name: str) -> None:
    """As HDF5 files and `Model.get_state_tree` need them."""
    optimizer = type(PAIRS[name][0]).from_config(PAIRS[name][0].get_config())
    optimizer.build([keras.Variable(np.zeros(2), name=part) for part in ("kernel", "bias")])
    paths = [variable.path for variable in optimizer.variables]
    assert len(set(paths)) == len(paths)
