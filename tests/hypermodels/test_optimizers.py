"""Optimizers by name, with their own hyperparameters."""

from typing import Any

import keras
import numpy as np
import pytest

from hypermodels.mlp import MLP
from hypermodels.optimizers import OPTIMIZERS, build_optimizer
from tests.hypermodels.helpers import PROBLEMS, arrays, declared

# Class, own settings, and variables beside iterations and learning rate: per weight, and in all.
EXPECTED: dict[str, tuple[Any, dict[str, Any], int, int]] = {
    "sgd": (keras.optimizers.SGD, {}, 0, 0),
    "momentum": (keras.optimizers.SGD, {"momentum": 0.7, "nesterov": False}, 1, 0),
    "nesterov": (keras.optimizers.SGD, {"momentum": 0.7, "nesterov": True}, 1, 0),
    "rmsprop": (keras.optimizers.RMSprop, {}, 1, 0),
    "adagrad": (keras.optimizers.Adagrad, {}, 1, 0),
    "adam": (keras.optimizers.Adam, {}, 2, 0),
    "adamw": (keras.optimizers.Adam, {"weight_decay": 0.03}, 2, 0),
    "nadam": (keras.optimizers.Adam, {}, 2, 1),
    "lion": (keras.optimizers.Lion, {"weight_decay": 0.03}, 1, 0),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_values_land_in_the_optimizer_and_it_trains(name: str) -> None:
    hypermodel = MLP(PROBLEMS["multiclass"])
    values = {"learning_rate": 0.02, "momentum": 0.7, "weight_decay": 0.03, "batch_size": 16}
    hp = declared(hypermodel, optimizer=name, units=8, layers=1, **values)
    model = hypermodel.build(hp)
    kind, settings, slots, more = EXPECTED[name]
    assert isinstance(model.optimizer, kind)
    config = model.optimizer.get_config()
    own = {key: config[key] for key in settings}
    assert own == pytest.approx(settings, rel=1e-6)  # variables hold single precision
    assert {"momentum", "weight_decay"} & set(declared(hypermodel, optimizer=name).values) == {
        key for key in settings if key != "nesterov"
    }
    assert float(model.optimizer.learning_rate) == np.float32(0.02)
    assert isinstance(model.optimizer.learning_rate, keras.Variable)  # callbacks write to it
    assert len(model.optimizer.variables) == 2 + slots * len(model.trainable_variables) + more
    before = model.get_weights()
    model.run_eagerly = True
    history = hypermodel.fit(hp, model, *arrays("multiclass"), epochs=1).history
    assert int(model.optimizer.iterations) == 3
    assert np.isfinite(history["loss"]).all()
    assert not np.array_equal(before[0], model.get_weights()[0])
    hp = declared(hypermodel, optimizer=name, ema=True, ema_momentum=0.95)
    averaging = build_optimizer(hp)
    assert (averaging.use_ema, model.optimizer.use_ema) == (True, False)
    assert float(averaging.ema_momentum) == np.float32(0.95)
