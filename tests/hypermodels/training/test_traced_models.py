"""Models that share a trace train bit for bit as if each had its own."""

import random
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hypermodels.mlp import MLP
from hypermodels.training import TracedModels, traced_models
from tests.hypermodels.helpers import PROBLEMS, arrays, declared

NET: dict[str, Any] = {"layers": 1, "units": 8, "normalization": "batch", "dropout": 0.3}
# Two trials of the same structure, by task.
TRIALS: dict[str, list[dict[str, Any]]] = {
    "multiclass": [
        {"regularizer": "elastic_net", "l1": 0.1, "l2": 0.2, "ema": True, "label_smoothing": 0.1},
        {"regularizer": "elastic_net", "l1": 0.3, "l2": 0.1, "ema": True, "label_smoothing": 0.2}
        | {"ema_momentum": 0.9, "dropout": 0.6, "learning_rate": 0.05}
        | {"schedule": "cosine", "batch_schedule": "random", "tuner/epochs": 2},
    ],
    "binary": [
        {"optimizer": "nesterov", "momentum": 0.5, "initializer": "orthogonal", "plateau": True},
        {"optimizer": "nesterov", "momentum": 0.9, "initializer": "orthogonal", "batch_size": 0},
    ],
    "regression": [
        {"optimizer": "adamw", "weight_decay": 0.1, "early_stopping_patience": 1},
        {"optimizer": "adamw", "weight_decay": 0.4, "regularization_schedule": "linear"},
    ],
}


class Random(keras.callbacks.Callback):
    """Draws from the global generators, as a callback of a user's may."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.drawn += [random.random(), np.random.random()]


def train(
    models: TracedModels, seed: int, values: dict[str, Any], task: str = "multiclass"
) -> tuple[Any, Any]:
    """Trains a model; returns it, and everything that two of them must have in common."""
    hypermodel = MLP(PROBLEMS[task], seed)
    hp = declared(hypermodel, **{**NET, **values})
    model: Any = models.model(hypermodel, hp, seed)
    state = [model.get_weights(), [variable.numpy() for variable in model.optimizer.variables]]
    drawn = Random()
    x, y = arrays(task)
    options: dict[str, Any] = {"validation_data": (x, y), "epochs": 2, "callbacks": [drawn]}
    history = hypermodel.fit(hp, model, x, y, **options).history
    state += [history, drawn.drawn, model.predict(x, verbose=0), model.losses]
    variables = [*model.variables, *model.optimizer.variables]
    return model, [*state, [variable.numpy() for variable in variables]]


def assert_equal(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert list(one) == list(other)
        one, other = list(one.values()), list(other.values())
    if isinstance(one, list):
        for first, second in zip(one, other, strict=True):
            assert_equal(first, second)
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("task", TRIALS)
def test_a_reused_model_gives_bit_identical_results_to_a_fresh_one(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = TRIALS[task]
    shared = TracedModels()
    model, state = train(shared, 1, first, task)
    with monkeypatch.context() as context:
        context.setattr(MLP, "network", None)  # nothing is built for a structure that has a trace
        reused, other = train(shared, 2, second, task)
        again, repeated = train(shared, 1, first, task)
    assert model is reused is again
    assert_equal(repeated, state)
    assert_equal(train(TracedModels(), 2, second, task)[1], other)
    assert state[2]["loss"] != other[2]["loss"]


def test_results_of_a_seed_stay_as_they_are() -> None:
    """Layers, and with them the seeds of their weights, are made in a certain order."""
    _, state = train(TracedModels(), 1, {"optimizer": "sgd", "learning_rate": 0.1})
    assert state[2]["loss"] == pytest.approx([1.41533911, 1.3275226], rel=1e-4)


class Pretrained(MLP):
    """Weights that no initializer gives, drawn anew for each model."""

    def network(self, hp: Any, x: Any) -> Any:
        layer = keras.layers.Dense(8)
        x = layer(x)
        layer.kernel.assign(np.random.normal(size=layer.kernel.shape))
        return x


class Noise(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
    """Draws from TensorFlow's generator, as a layer of a user's may."""

    def call(self, inputs: Any) -> Any:
        return inputs + tf.random.normal(tf.shape(inputs))


class Noisy(MLP):
    def network(self, hp: Any, x: Any) -> Any:
        return Noise()(super().network(hp, x))


class OwnBuild(MLP):
    """May do anything to the model."""

    def build(self, hp: Any) -> Any:
        return super().build(hp)


class OwnNetwork(MLP):
    """Reads the rate of its dropout as a number."""

    def network(self, hp: Any, x: Any) -> Any:
        return keras.layers.Dropout(hp.get("dropout"))(x)


def test_weights_of_unknown_origin_come_from_a_fresh_model() -> None:
    hypermodel = Pretrained(PROBLEMS["binary"])
    hp = declared(hypermodel)
    shared = TracedModels()
    first, second = (shared.model(hypermodel, hp, seed) for seed in (1, 2))
    assert first is second
    assert_equal(second.get_weights(), TracedModels().model(hypermodel, hp, 2).get_weights())


def test_a_layer_that_draws_from_tensorflow_trains_the_same_again() -> None:
    hypermodel = Noisy(PROBLEMS["binary"])
    losses = []
    for number, seed in enumerate((1, 2, 1)):
        tf.random.set_seed(number)
        hp = declared(hypermodel, layers=1, units=4)
        model = TracedModels().model(hypermodel, hp, seed)
        losses.append(hypermodel.fit(hp, model, *arrays("binary")).history["loss"])
    assert losses[0] == losses[2] != losses[1]


def test_what_a_callback_changed_for_good_is_not_reused() -> None:
    hypermodel = MLP(PROBLEMS["binary"])
    hp = declared(hypermodel, layers=1, units=4)
    shared = TracedModels()
    frozen: Any = shared.model(hypermodel, hp, 1)
    frozen.layers[1].trainable = False
    compiled: Any = shared.model(hypermodel, hp, 1)
    assert compiled is not frozen
    compiled.compile("sgd", "mse")
    scheduled: Any = shared.model(hypermodel, hp, 1)
    assert scheduled is not compiled
    scheduled.optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
    failed = shared.model(hypermodel, hp, 1)
    assert failed is not scheduled
    shared.discard(failed)
    assert shared.model(hypermodel, hp, 1) is not failed


def test_what_changes_the_graph_changes_the_structure() -> None:
    hypermodel = MLP(PROBLEMS["multiclass"])
    changes: list[dict[str, Any]] = [
        *({}, {"units": 9}, {"layers": 2}, {"dropout": 0.0}, {"activation": "tanh"}),
        *({"optimizer": "adamw"}, {"optimizer": "momentum"}, {"regularizer": "l2"}),
        *({"optimizer": "momentum", "momentum": 0.0}, {"label_smoothing": 0.1}),
    ]
    structures = {
        hypermodel.structure(declared(hypermodel, **(NET | values))) for values in changes
    }
    assert len(structures) == len(changes)
    other = MLP(PROBLEMS["binary"])
    assert other.structure(declared(other, **NET)) not in structures
    own = OwnNetwork(PROBLEMS["binary"])  # shares only what it says
    one, two = (own.structure(declared(own, dropout=rate)) for rate in (0.1, 0.2))
    assert one != two
    rates = [declared(own, optimizer="nesterov", momentum=momentum) for momentum in (0.5, 0.9)]
    assert own.structure(rates[0]) == own.structure(rates[1])
    build = OwnBuild(PROBLEMS["binary"])
    assert build.structure(declared(build)) is None


def test_a_value_without_its_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OwnNetwork, "TUNABLES", MLP.TUNABLES)
    hypermodel = OwnNetwork(PROBLEMS["binary"])
    with pytest.raises(ValueError, match="'dropout' is in TUNABLES, but the model has no variable"):
        TracedModels().model(hypermodel, declared(hypermodel, dropout=0.2), 1)


def test_the_least_recently_used_models_are_dropped_and_tensorflows_cache_emptied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emptied: list[int] = []
    monkeypatch.setattr(tf.random, "set_seed", emptied.append)
    monkeypatch.setattr(traced_models, "MOST_MODELS", 2)
    models = TracedModels()

    def model(units: int, cls: Any = MLP) -> Any:
        hypermodel = cls(PROBLEMS["binary"])
        return models.model(hypermodel, declared(hypermodel, units=units, layers=1), 1)

    one, two = model(1), model(2)
    assert model(1) is one
    three = model(3)  # drops the second, which was used longest ago
    assert (model(1), model(3)) == (one, three)
    assert emptied == [1]
    assert model(2) is not two
    assert emptied == [1, 1]
    assert model(1, OwnBuild) is not model(1, OwnBuild)


def test_large_models_are_dropped_sooner_but_never_the_newest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models, hypermodel = TracedModels(), MLP(PROBLEMS["binary"])

    def model(units: int) -> Any:
        values = {"units": units, "layers": 1, "optimizer": "momentum"}
        return models.model(hypermodel, declared(hypermodel, **values), 1)

    # Weights, momenta, learning rate and steps: 2 * (4 * units + units + units + 1) + 2 numbers.
    monkeypatch.setattr(traced_models, "MOST_NUMBERS", 2 * (12 * 10 + 4))
    one, two = model(10), model(9)
    assert (model(10), model(9)) == (one, two)
    model(11)
    assert (model(9), model(10)) != (two, one)
    large = model(1000)
    assert model(1000) is large
