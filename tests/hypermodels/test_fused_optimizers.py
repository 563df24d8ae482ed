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


def trace(optimizer: Any) -> np.ndarray:
    """The weights after each step along the same gradients, the rate changed half way."""
    random = np.random.default_rng(3)
    variables = [
        keras.Variable(random.normal(size=shape).astype("float32")) for shape in [(3, 2), (4,)]
    ]
    optimizer.build(variables)
    rows = []
    for step in range(STEPS):
        if step == STEPS // 2:
            optimizer.learning_rate = float(optimizer.learning_rate) / 4
        gradients = [random.normal(size=v.shape).astype("float32") for v in variables]
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
        rows.append(np.concatenate([v.numpy().reshape(-1) for v in variables]))
    assert int(optimizer.iterations) == STEPS
    return np.array(rows)


@pytest.mark.parametrize("name", PAIRS)
def test_every_step_is_keras_own(name: str) -> None:
    fused, own = PAIRS[name]
    np.testing.assert_allclose(trace(fused), trace(own), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_the_configuration_makes_an_equal_optimizer(name: str) -> None:
    fused, _ = PAIRS[name]
    again = type(fused).from_config(fused.get_config())
    assert again.get_config() == fused.get_config()
