"""What every HyperModel shares: the space, compiling, fitting."""

from dataclasses import replace
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest

from hypermodels import HYPERMODELS
from hypermodels.base import TemplateHyperModel
from hypermodels.fused_optimizers import FusedAdam
from hypermodels.mlp import MLP
from hypermodels.residual_mlp import ResidualMLP
from tests.hypermodels.helpers import FEATURES, PROBLEMS, ROWS, TASKS, arrays, declared, draw

NETWORKS: dict[type[TemplateHyperModel], list[str]] = {
    MLP: ["layers", "units", "taper"],
    ResidualMLP: ["blocks", "units"],
}
BLOCK = ["activation", "normalization", "dropout", "initializer", "regularizer", "l1", "l2"]
BLOCK += ["regularizer_scale"]
TRAINING = ["optimizer", "momentum", "weight_decay", "learning_rate", "batch_size"]
TRAINING += ["ema", "ema_momentum"]
CALLBACKS = [
    "schedule",
    "schedule_factor",
    "schedule_every",
    "schedule_rate",
    "schedule_final",
    *("schedule_cuts", "schedule_boundary", "schedule_boundary_2", "schedule_boundary_3"),
    *("schedule_value", "schedule_value_2", "schedule_value_3"),
    *("schedule_power", "schedule_cycles", "schedule_stretch", "schedule_peak"),
    *("schedule_start", "schedule_rise"),
    *("warmup", "warmup_unit", "warmup_epochs", "warmup_steps", "warmup_start"),
    "plateau",
    "plateau_factor",
    "plateau_patience",
    "plateau_floor",
    *("plateau_cooldown", "plateau_min_delta"),
    *("early_stopping_patience", "early_stopping_start", "early_stopping_min_delta"),
    *("batch_schedule", "batch_schedule_min", "batch_schedule_max", "batch_schedule_factor"),
    *("batch_schedule_every", "batch_schedule_patience", "batch_schedule_cap"),
    *("regularization_schedule", "regularization_final", "regularization_factor"),
    *("regularization_patience", "regularization_cap"),
]
CHOICES = {
    "activation",
    "normalization",
    "initializer",
    "regularizer",
    "optimizer",
    "loss_function",
    "schedule",
    "batch_schedule",
    "regularization_schedule",
    "ema",
    "warmup",
    "warmup_unit",
    "plateau",
}


def expected_names(cls: type[TemplateHyperModel], task: str) -> list[str]:
    loss = "loss_function" if task == "regression" else "label_smoothing"
    return NETWORKS[cls] + BLOCK + TRAINING + [loss] + CALLBACKS


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cls", NETWORKS)
def test_names_are_exactly_the_documented_ones_each_declared_once(
    cls: type[TemplateHyperModel], task: str
) -> None:
    names = [hyperparameter.name for hyperparameter in declared(cls(PROBLEMS[task])).space]
    assert sorted(names) == sorted(expected_names(cls, task))


def test_the_registry_names_every_hypermodel() -> None:
    entries = {f"{cls.__module__}:{cls.__name__}" for cls in NETWORKS}
    assert set(HYPERMODELS.values()) == entries


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cls", NETWORKS)
def test_limits_contain_the_range_of_every_numeric_hyperparameter(
    cls: type[TemplateHyperModel], task: str
) -> None:
    limits = cls.limits()
    numeric = {"label_smoothing"}  # of classes only, but the limits are those of all tasks
    problem = replace(PROBLEMS[task], embedded=1, embedded_categories=9)
    for hyperparameter in declared(cls(problem)).space:
        if hyperparameter.name in CHOICES:
            continue
        numeric.add(hyperparameter.name)
        lowest, highest = limits[hyperparameter.name]
        if hyperparameter.name == "batch_size":
            assert lowest <= min(hyperparameter.values)
            assert max(hyperparameter.values) <= highest
        else:
            assert lowest <= hyperparameter.min_value < hyperparameter.max_value <= highest
    assert set(limits) == numeric


@pytest.mark.parametrize("columns", [2, FEATURES])
def test_indices_of_categories_become_vectors_of_the_size_that_is_tuned(columns: int) -> None:
    assert "embedding_size" not in declared(MLP(PROBLEMS["binary"])).values
    problem = replace(PROBLEMS["binary"], embedded=columns, embedded_categories=9)
    hypermodel = MLP(problem)
    hp = declared(hypermodel, embedding_size=3, units=8)
    model: Any = hypermodel.build(hp)
    table = model.get_layer("embedding").embeddings
    assert tuple(table.shape) == (9, 3)
    dense = next(layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
    assert dense.kernel.shape[0] == FEATURES - columns + 3 * columns
    x, y = arrays("binary")
    x[:, -columns:] = np.arange(ROWS * columns).reshape(ROWS, columns) % 7
    before = keras.ops.convert_to_numpy(table)
    hypermodel.fit(hp, model, x, y, epochs=2)
    after = keras.ops.convert_to_numpy(table)
    assert (before[:7] != after[:7]).all(axis=1).all()
    np.testing.assert_array_equal(before[7:], after[7:])  # indices that no row has


@pytest.mark.parametrize("task", TASKS)
def test_building_declares_nothing_that_was_not_declared_before(task: str) -> None:
    hypermodel = MLP(PROBLEMS[task])
    hp = declared(hypermodel, units=8)
    before = hp.get_config()
    hypermodel.build(hp)
    assert hp.get_config() == before


def test_building_declares_what_is_missing() -> None:
    hypermodel = MLP(PROBLEMS["binary"])
    hp = kt.HyperParameters()
    hp.Fixed("units", 8)
    hp.Fixed("optimizer", "adamw")
    model = hypermodel.build(hp)
    assert sorted({h.name for h in hp.space}) == sorted(expected_names(MLP, "binary"))
    assert model.layers[1].units == 8
    assert isinstance(model.optimizer, FusedAdam)
    assert hp.get("weight_decay") == model.optimizer.weight_decay == 4e-3


@pytest.mark.parametrize(
    ("task", "seeds"),
    [
        ("multiclass", range(9)),
        pytest.param("binary", range(9, 17), marks=pytest.mark.slow),
        pytest.param("regression", range(17, 25), marks=pytest.mark.slow),
    ],
)
def test_random_draws_of_the_whole_space_build_and_train(task: str, seeds: range) -> None:
    hypermodel = MLP(PROBLEMS[task], seed=1)
    x, y = arrays(task)
    optimizers = set()
    for seed in seeds:
        hp = draw(hypermodel, seed)
        before = dict(hp.values)
        model = hypermodel.build(hp)
        assert hp.values == before
        optimizers.add(hp.get("optimizer"))
        model.run_eagerly = True  # traced graphs are tested elsewhere, and cost a second each
        history = hypermodel.fit(hp, model, x, y, validation_data=(x, y), epochs=1).history
        names = ["loss", *hypermodel.metric_names]
        scale = ["plateau_scale"] if hp.get("plateau") else []
        assert sorted(history) == sorted([*names, *(f"val_{name}" for name in names), *scale])
        assert {len(values) for values in history.values()} == {1}
        # Weights around 1 and a large rate may well make a regression net overflow.
        if task != "regression" or hp.get("initializer") != "random_normal_one":
            assert np.isfinite([history["loss"], history["val_loss"]]).all(), hp.values
        predicted = model(x).numpy()
        assert predicted.shape == (ROWS, {"binary": 1, "multiclass": 3, "regression": 1}[task])
        if task == "multiclass":
            np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-5)
        if task == "binary":
            assert ((predicted >= 0) & (predicted <= 1)).all()
    assert len(optimizers) >= 4


@pytest.mark.parametrize("task", TASKS)
def test_metric_names_are_those_of_the_logs(task: str) -> None:
    expected = ("rmse", "mae", "r2") if task == "regression" else ("accuracy", "log_loss")
    assert MLP(PROBLEMS[task]).metric_names == expected


def linear_space(task: str = "multiclass", seed: int = 0) -> tuple[MLP, kt.HyperParameters]:
    """A net without dropout, trained by plain gradient descent: its weights are all its state."""
    hypermodel = MLP(PROBLEMS[task], seed=seed)
    values = {"layers": 1, "units": 8, "optimizer": "sgd", "learning_rate": 0.1, "batch_size": 16}
    return hypermodel, declared(hypermodel, **values)


def test_fit_continues_at_any_epoch_as_if_it_had_never_stopped() -> None:
    hypermodel, hp = linear_space()
    x, y = arrays("multiclass")
    model = hypermodel.build(hp)
    initial = model.get_weights()
    whole = hypermodel.fit(hp, model, x, y, epochs=4).history["loss"]
    model.set_weights(initial)
    begun = hypermodel.fit(hp, model, x, y, epochs=2).history["loss"]
    continued = hypermodel.fit(hp, model, x, y, epochs=4, initial_epoch=2).history["loss"]
    assert begun + continued == whole
    assert list(model.shuffle_seed.numpy()) == [0, 4]
    model.set_weights(initial)
    again = hypermodel.fit(hp, model, x, y, epochs=2, initial_epoch=0).history["loss"]
    assert again == begun


def test_the_seed_decides_the_order_of_the_batches() -> None:
    hypermodel, hp = linear_space()
    x, y = arrays("multiclass")
    model = hypermodel.build(hp)
    initial = model.get_weights()
    losses = {}
    for seed in (0, 1, 2**31 + 1, 2**40):
        hypermodel.seed = seed
        model.set_weights(initial)
        losses[seed] = hypermodel.fit(hp, model, x, y, epochs=2).history["loss"]
    assert losses[0] != losses[1]
    assert losses[2**31 + 1] == losses[1]  # TensorFlow takes 32 bits; larger seeds wrap around
    assert losses[2**40] == losses[0]


def test_the_batch_size_is_the_hyperparameters() -> None:
    hypermodel, hp = linear_space()
    x, y = arrays("multiclass")
    model = hypermodel.build(hp)
    steps = []
    for batch_size in (16, 32, 0, 256, 7):  # a user may pin any number of rows
        hp.values["batch_size"] = batch_size
        before = int(model.optimizer.iterations)
        hypermodel.fit(hp, model, x, y, epochs=2)
        steps.append((int(model.optimizer.iterations) - before) / 2)
    assert steps == [3, 2, 1, 1, 6]


def test_class_weights_scale_the_loss_of_each_class() -> None:
    hypermodel, hp = linear_space("binary")
    hp.values["batch_size"] = 0
    x, y = arrays("binary")
    model = hypermodel.build(hp)
    probability = model(x).numpy()[:, 0]
    loss = -np.where(y == 1, np.log(probability), np.log(1 - probability))
    history = hypermodel.fit(hp, model, x, y, epochs=1, class_weight={0: 0.5, 1: 3.0}).history
    assert history["loss"] == [pytest.approx((loss * np.where(y == 1, 3.0, 0.5)).mean(), rel=1e-4)]
    assert history["log_loss"] == [pytest.approx(loss.mean(), rel=1e-4)]  # comparable all the same


@pytest.mark.parametrize("stream", [False, True])
def test_balanced_class_weights_are_those_of_the_rows_that_train(stream: bool) -> None:
    hypermodel, hp = linear_space("multiclass")
    hp.values["batch_size"] = 0
    x, y = arrays("multiclass", rows=60)
    y = np.where(np.arange(60) < 45, 0, y)
    counts = np.bincount(y)
    assert counts.min() > 0
    model = hypermodel.build(hp)
    loss = -np.log(model(x).numpy()[np.arange(60), y])
    history = hypermodel.fit(
        hp, model, x, y, validation_data=(x, y), class_weight="balanced", stream=stream
    ).history
    of_classes = [loss[y == label].mean() for label in range(3)]  # of the same weight
    assert history["loss"] == [pytest.approx(np.mean(of_classes), rel=1e-5)]
    assert history["log_loss"] == [pytest.approx(loss.mean(), rel=1e-5)]
    assert history["val_loss"] == [pytest.approx(history["val_log_loss"][0], rel=1e-5)]
    again = hypermodel.build(hp)
    again.set_weights(model.get_weights())
    explicit = dict(enumerate(60 / (3 * counts)))
    one = hypermodel.fit(hp, model, x, y, class_weight="balanced").history
    other = hypermodel.fit(hp, again, x, y, class_weight=explicit).history
    assert one == other


def test_class_weights_multiply_those_of_rows() -> None:
    hypermodel, hp = linear_space("binary")
    hp.values["batch_size"] = 0
    x, y = arrays("binary")
    model = hypermodel.build(hp)
    probability = model(x).numpy()[:, 0]
    loss = -np.where(y == 1, np.log(probability), np.log(1 - probability))
    own = np.linspace(0, 2, len(y)).astype("float32")
    history = hypermodel.fit(hp, model, x, y, sample_weight=own, class_weight={1: 3.0}).history[
        "loss"
    ]
    assert history == [pytest.approx((loss * own * np.where(y == 1, 3.0, 1.0)).mean(), rel=1e-4)]


def test_weights_follow_the_global_seed() -> None:
    hypermodel, hp = linear_space()
    kernels = []
    for seed in (3, 3, 4):
        keras.utils.set_random_seed(seed)
        kernels.append(hypermodel.build(hp).get_weights()[0])
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.allclose(kernels[0], kernels[2])


def test_the_optimizer_is_built_before_training(tmp_path: Any) -> None:
    """So that weights of a parent trial bring the optimizer's state along."""
    hypermodel, hp = linear_space()
    hp.values["optimizer"] = "adam"
    x, y = arrays("multiclass")
    model = hypermodel.build(hp)
    assert model.optimizer.built
    # Iterations, learning rate and two moments of each kernel and bias of the two dense layers.
    assert [tuple(variable.shape) for variable in model.optimizer.variables] == [
        (),
        (),
        *[(FEATURES, 8)] * 2,
        *[(8,)] * 2,
        *[(8, 3)] * 2,
        *[(3,)] * 2,
    ]
    hypermodel.fit(hp, model, x, y, epochs=2)
    model.save_weights(tmp_path / "parent.weights.h5")
    child = hypermodel.build(hp)
    child.load_weights(tmp_path / "parent.weights.h5")
    assert int(child.optimizer.iterations) == 6
    for one, other in zip(child.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_hypermodel_of_ones_own_must_have_both_methods() -> None:
    class Unfinished(TemplateHyperModel):
        def declare_network(self, hp: kt.HyperParameters) -> None:
            hp.Int("width", 1, 2)

    with pytest.raises(TypeError, match="network"):
        Unfinished(PROBLEMS["binary"])


def test_a_hypermodel_of_ones_own_gets_output_training_and_limits() -> None:
    class Own(TemplateHyperModel):
        LIMITS = {"width": (1, 9)}

        def declare_network(self, hp: kt.HyperParameters) -> None:
            hp.Int("width", 1, 5, default=3)

        def network(self, hp: kt.HyperParameters, x: Any) -> Any:
            return keras.layers.Dense(hp.get("width"))(x)

    own = Own(PROBLEMS["regression"])
    assert Own.limits()["width"] == (1, 9)
    assert Own.limits()["learning_rate"] == MLP.limits()["learning_rate"]
    model = own.build(declared(own))
    assert [layer.units for layer in model.layers[1:]] == [3, 1]
    assert model.layers[-1].name == "output"
