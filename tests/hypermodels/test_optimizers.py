"""Optimizers by name, with their own hyperparameters."""

from typing import Any

import keras
import numpy as np
import pytest

from hypermodels.mlp import MLP
from hypermodels.optimizers import OPTIMIZERS
from tests.hypermodels.helpers import PROBLEMS, arrays, build, declared

# Class, settings, and variables beside iterations and learning rate: per weight, and in all.
EXPECTED: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "sgd": ("FusedSGD", {"momentum": 0.0, "nesterov": False, "weight_decay": None}, 0, 0),
    "momentum": ("FusedSGD", {"momentum": 0.7, "nesterov": False, "weight_decay": None}, 1, 0),
    "nesterov": ("FusedSGD", {"momentum": 0.7, "nesterov": True, "weight_decay": None}, 1, 0),
    "rmsprop": ("ShortRMSprop", {"momentum": 0.0, "weight_decay": None}, 1, 0),
    "adagrad": ("ShortAdagrad", {"weight_decay": None}, 1, 0),
    "adam": ("FusedAdam", {"weight_decay": None}, 2, 0),
    "adamw": ("FusedAdam", {"weight_decay": 0.03}, 2, 0),
    "nadam": ("FusedNadam", {"weight_decay": None}, 2, 1),
    "lion": ("TunableLion", {"weight_decay": 0.03}, 1, 0),
}


def test_every_optimizer_is_tested() -> None:
    assert list(EXPECTED) == list(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_values_land_in_the_optimizer_and_it_trains(name: str) -> None:
    hypermodel = MLP(PROBLEMS["multiclass"])
    values = {"learning_rate": 0.02, "momentum": 0.7, "weight_decay": 0.03, "batch_size": 16}
    hp = declared(hypermodel, optimizer=name, units=8, layers=1, **values)
    model = hypermodel.build(hp)
    kind, settings, slots, more = EXPECTED[name]
    config = model.optimizer.get_config()
    assert type(model.optimizer).__name__ == kind
    for key, value in settings.items():  # variables hold single precision
        assert config[key] == (pytest.approx(value, rel=1e-6) if value else value)
    assert float(model.optimizer.learning_rate) == np.float32(0.02)
    assert isinstance(model.optimizer.learning_rate, keras.Variable)  # callbacks write to it
    assert len(model.optimizer.variables) == 2 + slots * len(model.trainable_variables) + more
    before = model.get_weights()
    history = hypermodel.fit(hp, model, *arrays("multiclass"), epochs=1).history
    assert int(model.optimizer.iterations) == 3
    assert np.isfinite(history["loss"]).all()
    for one, other in zip(before, model.get_weights(), strict=True):
        assert not np.array_equal(one, other)


def test_each_optimizer_activates_its_own_hyperparameters_alone() -> None:
    active = {}
    for name in OPTIMIZERS:
        values = declared(MLP(PROBLEMS["binary"]), optimizer=name).values
        active[name] = {"momentum", "weight_decay"} & set(values)
    assert active == {
        "sgd": set(),
        "momentum": {"momentum"},
        "nesterov": {"momentum"},
        "rmsprop": set(),
        "adagrad": set(),
        "adam": set(),
        "adamw": {"weight_decay"},
        "nadam": set(),
        "lion": {"weight_decay"},
    }


def test_optimizers_are_fresh_each_time() -> None:
    assert build("binary").optimizer is not build("binary").optimizer
