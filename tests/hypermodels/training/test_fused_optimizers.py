"""The fused optimizers against Keras's own: the same formulas, step by step."""

from typing import Any

import keras
import numpy as np
import pytest

from hypermodels.training import optimizer_class

STEPS = 10
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("Adam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}),
    "adam, amsgrad": ("Adam", {"amsgrad": True}),
    "adamw": ("Adam", {"weight_decay": 0.1}),
    "adam, clipped": ("Adam", {"global_clipnorm": 0.5}),
    "adam, gradients accumulated": ("Adam", {"gradient_accumulation_steps": 2}),
    "nadam": ("Nadam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "weight_decay": 0.1}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "lion": ("Lion", {"weight_decay": 0.1}),
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.8, "nesterov": True}),
}


def trace(optimizer: Any) -> np.ndarray:
    """The weights after each step along the same gradients, the rate changed half way."""
    random = np.random.default_rng(3)
    variables = [
        keras.Variable(random.normal(size=shape).astype("float32"), name=name)
        for shape, name in [((3, 2), "kernel"), ((4,), "bias")]
    ]
    rows = []
    for step in range(STEPS):
        if step == STEPS // 2:
            optimizer.learning_rate = float(optimizer.learning_rate) / 4
        gradients = [random.normal(size=v.shape).astype("float32") for v in variables]
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
        rows.append(np.concatenate([v.numpy().reshape(-1) for v in variables]))
    assert int(optimizer.iterations) == STEPS // (optimizer.gradient_accumulation_steps or 1)
    return np.array(rows)


@pytest.mark.parametrize("name", CASES)
def test_every_step_is_kerass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, options = CASES[name]
    expected = trace(getattr(keras.optimizers, kind)(0.05, **options))
    fused = optimizer_class(kind)(0.05, **options)
    again = type(fused).from_config(fused.get_config())
    assert again.get_config() == fused.get_config()
    taken = []
    apply = keras.optimizers.Optimizer.apply

    def watched(*given: Any) -> None:
        taken.append(given)
        apply(*given)

    monkeypatch.setattr(keras.optimizers.Optimizer, "apply", watched)
    np.testing.assert_allclose(trace(again), expected, rtol=2e-5, atol=2e-6)
    # Only what needs it takes the longer way of Keras.
    assert bool(taken) == (name.partition(", ")[2] in ("clipped", "gradients accumulated"))
    paths = [variable.path for variable in again.variables]
    assert len(set(paths)) == len(paths)  # as HDF5 files and `Model.get_state_tree` need them


def test_an_optimizer_that_is_not_fused_is_kerass() -> None:
    assert optimizer_class("Adadelta") is keras.optimizers.Adadelta
