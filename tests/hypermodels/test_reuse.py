"""Models that share a trace train bit for bit as if each had its own."""

import random
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hypermodels import reuse
from hypermodels.mlp import MLP
from hypermodels.residual_mlp import ResidualMLP
from hypermodels.reuse import TracedModels
from tests.hypermodels.helpers import PROBLEMS, arrays, declared
from tests.selection import slow_but

NET: dict[str, Any] = {"layers": 2, "units": 8, "normalization": "batch", "dropout": 0.3}
# Values of parts that live in variables or in callbacks, by kind; every second pair of values
# differs in all of them.
KINDS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "rates": ("multiclass", [{"learning_rate": 0.01}, {"learning_rate": 0.05}]),
    "batch sizes": ("multiclass", [{"batch_size": 16}, {"batch_size": 7}, {"batch_size": 0}]),
    "dropout": ("multiclass", [{"dropout": 0.1}, {"dropout": 0.6}]),
    "label smoothing": ("multiclass", [{"label_smoothing": 0.1}, {"label_smoothing": 0.2}]),
    "label smoothing of two": ("binary", [{"label_smoothing": 0.1}, {"label_smoothing": 0.2}]),
    "strengths": (
        "multiclass",
        [{"regularizer": "elastic_net", "l1": l1, "l2": l2} for l1, l2 in [(0.1, 0.2), (0.3, 0.1)]],
    ),
    "momentum": ("binary", [{"optimizer": "nesterov", "momentum": m} for m in (0.5, 0.9)]),
    "decay": ("regression", [{"optimizer": "adamw", "weight_decay": d} for d in (0.1, 0.4)]),
    "decay of lion": ("multiclass", [{"optimizer": "lion", "weight_decay": d} for d in (0.1, 0.4)]),
    "averages": ("multiclass", [{"ema": True, "ema_momentum": m} for m in (0.5, 0.9)]),
    "sizes": (
        "binary",
        [{"regularizer": "l2", "l2": 0.1, "regularizer_scale": scale} for scale in (-0.5, 0.5)],
    ),
    "callbacks": (
        "multiclass",
        [
            {"schedule": "linear"},
            {"plateau": True, "plateau_patience": 2},
            {"early_stopping_patience": 1, "learning_rate": 1e-9},
            {"schedule": "cosine", "batch_schedule": "random"},
        ],
    ),
    "Hyperband": ("multiclass", [{"tuner/epochs": 2}, {"tuner/epochs": 4, "tuner/trial_id": "1"}]),
}
EPOCHS = 3


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
    model = models.model(hypermodel, hp, seed)
    state = [model.get_weights(), [variable.numpy() for variable in model.optimizer.variables]]
    drawn = Random()
    x, y = arrays(task)
    history = hypermodel.fit(
        hp, model, x, y, validation_data=(x, y), epochs=EPOCHS, callbacks=[drawn]
    )
    state += [history.history, drawn.drawn, model.predict(x, verbose=0), model.count_params()]
    state += [[variable.numpy() for variable in model.variables], model.losses]
    state += [[variable.numpy() for variable in model.optimizer.variables]]
    return model, state


def assert_equal(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        one, other = list(one.values()), list(other.values())
    if isinstance(one, list):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_equal(first, second)
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", slow_but(KINDS, ["callbacks"]))
def test_a_reused_model_gives_bit_identical_results_to_a_fresh_one(kind: str) -> None:
    task, trials = KINDS[kind]
    shared = TracedModels()
    models, losses = [], []
    for number, values in enumerate([*trials, trials[0]]):
        seed = 1 + number % len(trials)
        model, state = train(shared, seed, values, task)
        models.append(model)
        losses.append(state[2]["loss"])
        assert_equal(state, train(TracedModels(), seed, values, task)[1])
    assert len(set(map(id, models))) == 1
    assert losses[0] == losses[-1] != losses[1]


def test_no_model_is_built_for_a_structure_that_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = TracedModels()
    first, _ = train(shared, 1, {})
    monkeypatch.setattr(MLP, "network", None)
    second, _ = train(shared, 2, {"dropout": 0.2})
    assert second is first


@pytest.mark.parametrize("initializer", ["orthogonal", "random_normal_one", "lecun_uniform"])
@pytest.mark.parametrize("cls", [MLP, ResidualMLP])
def test_state_is_renewed_as_building_gives_it(cls: Any, initializer: str) -> None:
    hypermodel = cls(PROBLEMS["regression"])
    values = {"units": 8, "dropout": 0.2, "normalization": "layer", "initializer": initializer}
    models = TracedModels()
    model = models.model(hypermodel, declared(hypermodel, **values), 1)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    fresh = TracedModels().model(hypermodel, declared(hypermodel, **values), 2)
    drawn = random.random()
    renewed = models.model(hypermodel, declared(hypermodel, **values), 2)
    assert renewed is model
    assert random.random() == drawn
    for one, other in zip(renewed.variables, fresh.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_tensorflows_cache_is_emptied_now_and_then_and_nothing_else_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = [train(TracedModels(), 1, {"units": units})[1] for units in (3, 4, 5)]
    emptied: list[int] = []
    empty = tf.random.set_seed

    def watched(seed: int) -> None:
        emptied.append(seed)
        empty(seed)

    monkeypatch.setattr(tf.random, "set_seed", watched)
    monkeypatch.setattr(reuse, "MOST_MODELS", 2)
    shared = TracedModels()
    for units, expected in zip((3, 4, 5), alone, strict=True):
        assert_equal(train(shared, 1, {"units": units})[1], expected)
        assert_equal(train(shared, 1, {"units": units})[1], expected)
    assert emptied == [1]


class Pretrained(MLP):
    """Weights that no initializer gives, drawn anew for each model."""

    def network(self, hp: Any, x: Any) -> Any:
        layer = keras.layers.Dense(8)
        x = layer(x)
        layer.kernel.assign(np.random.normal(size=layer.kernel.shape))
        return x


def test_weights_of_unknown_origin_come_from_a_fresh_model() -> None:
    hypermodel = Pretrained(PROBLEMS["binary"])
    hp = declared(hypermodel)
    shared = TracedModels()
    first, second = (shared.model(hypermodel, hp, seed) for seed in (1, 2))
    assert first is second
    fresh = TracedModels().model(hypermodel, hp, 2)
    for one, other in zip(second.variables, fresh.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


class Raising(keras.callbacks.Callback):
    """Ends a training in the middle, with the learning rate as a schedule has it."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        raise ZeroDivisionError


@pytest.mark.slow
def test_what_a_callback_changed_for_good_is_not_reused() -> None:
    shared = TracedModels()
    model, _ = train(shared, 1, {})
    model.layers[1].trainable = False
    other, state = train(shared, 1, {})
    assert other is not model
    assert_equal(state, train(TracedModels(), 1, {})[1])
    other.compile("sgd", "mse")
    third, state = train(shared, 1, {})
    assert third is not other
    assert_equal(state, train(TracedModels(), 1, {})[1])
    third.optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
    fourth, state = train(shared, 1, {})
    assert fourth is not third
    assert_equal(state, train(TracedModels(), 1, {})[1])
    shared.discard(fourth)
    assert train(shared, 1, {})[0] is not fourth


def test_values_that_callbacks_wrote_are_those_of_the_next_trial_again() -> None:
    shared = TracedModels()
    values = {"regularizer": "l2", "l2": 0.01, "label_smoothing": 0.1}
    model, state = train(shared, 1, values)
    for name, variables in model.tunables.items():
        for variable in variables:
            variable.assign(0.5)
        assert len(variables) == (2 if name in ("dropout", "l2") else 1)
    assert set(model.tunables) == {"learning_rate", "dropout", "l2", "label_smoothing"}
    assert_equal(train(shared, 1, values)[1], state)


def test_what_changes_the_graph_changes_the_structure() -> None:
    hypermodel = MLP(PROBLEMS["multiclass"])
    changes: list[dict[str, Any]] = [
        {},
        {"units": 9},
        {"layers": 1},
        {"dropout": 0.0},
        {"optimizer": "adamw"},
        {"optimizer": "momentum"},
        {"optimizer": "momentum", "momentum": 0.0},
        {"regularizer": "l2"},
        {"label_smoothing": 0.1},
        {"activation": "tanh"},
    ]
    structures = {
        hypermodel.structure(declared(hypermodel, **{**NET, **changed})) for changed in changes
    }
    assert len(structures) == len(changes)
    for task, trials in KINDS.values():
        hypermodel = MLP(PROBLEMS[task])
        alike = [declared(hypermodel, **{**NET, **values}) for values in trials]
        assert len({hypermodel.structure(hp) for hp in alike}) == 1
    other = MLP(PROBLEMS["binary"])
    assert other.structure(declared(other, **NET)) not in structures


class OwnNetwork(MLP):
    """Reads the rate of its dropout as a number."""

    def network(self, hp: Any, x: Any) -> Any:
        return keras.layers.Dropout(hp.get("dropout"))(x)


class OwnBuild(MLP):
    """May do anything to the model."""

    def build(self, hp: Any) -> Any:
        return super().build(hp)


def test_a_hypermodel_of_ones_own_shares_only_what_it_says() -> None:
    own = OwnNetwork(PROBLEMS["binary"])
    one, two = (own.structure(declared(own, dropout=rate)) for rate in (0.1, 0.2))
    assert one != two
    rates = [declared(own, optimizer="nesterov", momentum=momentum) for momentum in (0.5, 0.9)]
    assert own.structure(rates[0]) == own.structure(rates[1])
    build = OwnBuild(PROBLEMS["binary"])
    assert build.structure(declared(build)) is None


def test_a_value_without_its_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OwnNetwork, "TUNABLES", MLP.TUNABLES, raising=False)
    hypermodel = OwnNetwork(PROBLEMS["binary"])
    with pytest.raises(ValueError, match="'dropout' is among the hyperparameters that live in"):
        TracedModels().model(hypermodel, declared(hypermodel, dropout=0.2), 1)


def test_no_structure_means_no_sharing_and_old_models_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reuse, "MOST_MODELS", 2)
    models = TracedModels()

    def model(units: int, cls: Any = MLP) -> Any:
        hypermodel = cls(PROBLEMS["binary"])
        return models.model(hypermodel, declared(hypermodel, units=units), 1)

    assert model(1, OwnBuild) is not model(1, OwnBuild)
    one, two = model(1), model(2)
    assert model(1) is one
    three = model(3)  # drops the second, which was used longest ago
    assert (model(1), model(3)) == (one, three)
    assert model(2) is not two


def test_large_models_are_dropped_sooner_but_never_the_newest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models, hypermodel = TracedModels(), MLP(PROBLEMS["binary"])

    def model(units: int) -> Any:
        values = {"units": units, "layers": 1, "optimizer": "momentum"}
        return models.model(hypermodel, declared(hypermodel, **values), 1)

    # Weights, momenta, learning rate and steps: 2 * (4 * units + units + units + 1) + 2 numbers.
    monkeypatch.setattr(reuse, "MOST_NUMBERS", 2 * (12 * 10 + 4))
    one, two = model(10), model(9)
    assert (model(10), model(9)) == (one, two)
    three = model(11)
    assert model(11) is three
    assert model(9) is two
    assert model(10) is not one
    large = model(1000)
    assert model(1000) is large


class Noise(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
    """Draws from TensorFlow's generator, as a layer of a user's may."""

    def call(self, inputs: Any) -> Any:
        return inputs + tf.random.normal(tf.shape(inputs))


class Noisy(MLP):
    def network(self, hp: Any, x: Any) -> Any:
        return Noise()(super().network(hp, x))


def test_a_layer_that_draws_from_tensorflow_trains_the_same_again() -> None:
    hypermodel = Noisy(PROBLEMS["binary"])
    x, y = arrays("binary")
    losses = []
    for seed in (1, 2, 1):
        hp = declared(hypermodel, layers=1, units=4)
        model = TracedModels().model(hypermodel, hp, seed)
        losses.append(hypermodel.fit(hp, model, x, y, epochs=2).history["loss"])
    assert losses[0] == losses[2] != losses[1]
