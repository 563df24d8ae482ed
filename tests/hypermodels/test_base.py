"""What every HyperModel shares: the space, compiling, fitting."""

from dataclasses import replace
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest

from callbacks import declare_all
from hypermodels.base import TemplateHyperModel
from hypermodels.mlp import MLP
from hypermodels.residual_mlp import ResidualMLP
from tests.hypermodels.helpers import FEATURES, PROBLEMS, ROWS, TASKS, arrays, declared, draw

NETWORKS: dict[type[TemplateHyperModel], set[str]] = {
    MLP: {"layers", "units", "taper"},
    ResidualMLP: {"blocks", "units"},
}
CHOICES = {"activation", "normalization", "initializer", "regularizer", "optimizer", "ema"}
NUMBERS = {
    *("dropout", "l1", "l2", "ema_momentum", "momentum", "weight_decay"),
    *("learning_rate", "batch_size"),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cls", NETWORKS)
def test_names_are_exactly_the_documented_ones_each_declared_once(
    cls: type[TemplateHyperModel], task: str
) -> None:
    of_callbacks = kt.HyperParameters()
    declare_all(of_callbacks)
    names = [hyperparameter.name for hyperparameter in declared(cls(PROBLEMS[task])).space]
    loss = "loss_function" if task == "regression" else "label_smoothing"
    own = NETWORKS[cls] | CHOICES | NUMBERS | {loss}
    assert sorted(names) == sorted([*own, *{h.name for h in of_callbacks.space}])


@pytest.mark.parametrize("cls", NETWORKS)
def test_limits_contain_the_range_of_every_numeric_hyperparameter(
    cls: type[TemplateHyperModel],
) -> None:
    limits = cls.limits()
    assert set(limits) >= NETWORKS[cls] | NUMBERS | {"label_smoothing", "embedding_size"}
    problem = replace(PROBLEMS["binary"], embedded=1, embedded_categories=9)
    numeric = {h.name: h for h in declared(cls(problem)).space if hasattr(h, "min_value")}
    assert limits.pop("batch_size") == (0, 1e7)
    for name, (lowest, highest) in limits.items():
        assert lowest <= numeric[name].min_value < numeric[name].max_value <= highest


@pytest.mark.parametrize("task", TASKS)
def test_building_declares_what_is_missing_and_nothing_else(task: str) -> None:
    hypermodel = MLP(PROBLEMS[task])
    hp = declared(hypermodel, units=8)
    before = hp.get_config()
    hypermodel.build(hp)
    assert hp.get_config() == before
    bare = kt.HyperParameters()
    bare.Fixed("units", 8)
    bare.Fixed("optimizer", "adamw")
    model: Any = hypermodel.build(bare)
    assert sorted(h.name for h in bare.space) == sorted(h.name for h in hp.space)
    assert model.layers[1].units == 8
    assert bare.get("weight_decay") == model.optimizer.weight_decay == 4e-3


@pytest.mark.parametrize(
    ("cls", "task", "seeds"),
    [
        (MLP, "multiclass", range(5)),
        (ResidualMLP, "binary", range(1)),
        pytest.param(MLP, "binary", range(9, 17), marks=pytest.mark.slow),
        pytest.param(MLP, "regression", range(17, 25), marks=pytest.mark.slow),
        pytest.param(ResidualMLP, "regression", range(2, 6), marks=pytest.mark.slow),
    ],
)
def test_random_draws_of_the_whole_space_build_and_train(cls: Any, task: str, seeds: range) -> None:
    hypermodel = cls(PROBLEMS[task], seed=1)
    x, y = arrays(task)
    for seed in seeds:
        hp = draw(hypermodel, seed)
        before = dict(hp.values)
        model = hypermodel.build(hp)
        assert hp.values == before
        model.run_eagerly = True  # traced graphs are tested elsewhere, and cost a second each
        history = hypermodel.fit(hp, model, x, y, validation_data=(x, y), epochs=1).history
        names = ["loss", *hypermodel.metric_names]
        scale = ["plateau_scale"] if hp.get("plateau") else []
        assert sorted(history) == sorted([*names, *(f"val_{name}" for name in names), *scale])
        # Weights around 1 and a large rate may well make a regression net overflow.
        if task != "regression" or hp.get("initializer") != "random_normal_one":
            assert np.isfinite([history["loss"], history["val_loss"]]).all(), hp.values
        assert model.output_shape == (None, {"multiclass": 3}.get(task, 1))


@pytest.mark.parametrize("columns", [2, FEATURES])
def test_indices_of_categories_become_vectors_of_the_size_that_is_tuned(columns: int) -> None:
    assert "embedding_size" not in declared(MLP(PROBLEMS["binary"])).values
    hypermodel = MLP(replace(PROBLEMS["binary"], embedded=columns, embedded_categories=9))
    hp = declared(hypermodel, embedding_size=3, units=8)
    model: Any = hypermodel.build(hp)
    table = model.get_layer("embedding").embeddings
    assert tuple(table.shape) == (9, 3)
    dense = next(layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
    assert dense.kernel.shape[0] == FEATURES - columns + 3 * columns
    x, y = arrays("binary")
    x[:, -columns:] = np.arange(ROWS * columns).reshape(ROWS, columns) % 7
    before = keras.ops.convert_to_numpy(table)
    model.run_eagerly = True
    hypermodel.fit(hp, model, x, y)
    after = keras.ops.convert_to_numpy(table)
    assert (before[:7] != after[:7]).all(axis=1).all()
    np.testing.assert_array_equal(before[7:], after[7:])  # indices that no row has


@pytest.fixture(scope="module")
def linear() -> tuple[MLP, kt.HyperParameters, Any, list[Any]]:
    """A net trained by plain gradient descent, so that its weights are all its state."""
    hypermodel = MLP(PROBLEMS["multiclass"])
    values = {"layers": 1, "units": 8, "optimizer": "sgd", "learning_rate": 0.1, "batch_size": 16}
    hp = declared(hypermodel, **values)
    model = hypermodel.build(hp)
    return hypermodel, hp, model, model.get_weights()


def test_seed_and_initial_epoch_decide_the_order_of_the_batches(linear: Any) -> None:
    _, hp, model, initial = linear
    x, y = arrays("multiclass")
    losses: dict[Any, list[float]] = {}
    for seed, first in ((0, 0), (1, 0), (2**31 + 1, 0), (0, 1)):
        model.set_weights(initial)
        hypermodel = MLP(PROBLEMS["multiclass"], seed=seed)
        history = hypermodel.fit(hp, model, x, y, initial_epoch=first, epochs=first + 1).history
        losses[seed, first] = history["loss"]
    assert losses[0, 0] != losses[1, 0]
    assert losses[0, 0] != losses[0, 1]
    assert losses[2**31 + 1, 0] == losses[1, 0]  # TensorFlow takes 32 bits; larger seeds wrap


def test_the_batch_size_is_the_hyperparameters(linear: Any) -> None:
    hypermodel, hp, model, _ = linear
    hp = hp.copy()
    steps = []
    for batch_size in (16, 32, 0, 256, 7):  # a user may pin any number of rows
        hp.values["batch_size"] = batch_size
        before = int(model.optimizer.iterations)
        hypermodel.fit(hp, model, *arrays("multiclass"))
        steps.append(int(model.optimizer.iterations) - before)
    assert steps == [3, 2, 1, 1, 6]


@pytest.mark.parametrize("stream", [False, True])
def test_balanced_class_weights_are_those_of_the_rows_that_train(linear: Any, stream: bool) -> None:
    hypermodel, hp, model, initial = linear
    hp = hp.copy()
    hp.values["batch_size"] = 0
    model.set_weights(initial)
    x, y = arrays("multiclass", rows=60)
    y = np.where(np.arange(60) < 45, 0, y)
    loss = -np.log(model(x).numpy()[np.arange(60), y])
    history = hypermodel.fit(
        hp, model, x, y, validation_data=(x, y), class_weight="balanced", stream=stream
    ).history
    of_classes = [loss[y == label].mean() for label in range(3)]  # of the same weight
    assert history["loss"] == [pytest.approx(np.mean(of_classes), rel=1e-5)]
    assert history["log_loss"] == [pytest.approx(loss.mean(), rel=1e-5)]  # comparable all the same
    assert history["val_loss"] == [pytest.approx(history["val_log_loss"][0], rel=1e-5)]


def test_an_optimizer_is_built_before_training_so_that_a_parents_state_can_be_loaded(
    tmp_path: Any,
) -> None:
    hypermodel = MLP(PROBLEMS["multiclass"])
    hp = declared(hypermodel, layers=1, units=8, batch_size=16)
    model: Any = hypermodel.build(hp)
    # Iterations, learning rate and two moments of each kernel and bias of the two dense layers.
    expected = [(), (), *[(FEATURES, 8)] * 2, *[(8,)] * 2, *[(8, 3)] * 2, *[(3,)] * 2]
    assert [tuple(variable.shape) for variable in model.optimizer.variables] == expected
    model.run_eagerly = True
    hypermodel.fit(hp, model, *arrays("multiclass"), epochs=2)
    model.save_weights(tmp_path / "parent.weights.h5")
    child: Any = hypermodel.build(hp)
    child.load_weights(tmp_path / "parent.weights.h5")
    assert int(child.optimizer.iterations) == 6
    for one, other in zip(child.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_policy_of_half_precision_leaves_the_output_in_single_precision() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        hypermodel = MLP(PROBLEMS["multiclass"])
        hp = declared(hypermodel, layers=1, units=8, learning_rate=0.05, batch_size=0)
        model: Any = hypermodel.build(hp)
        model.run_eagerly = True
        history = hypermodel.fit(hp, model, *arrays("multiclass"), epochs=3).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert (model.layers[1].compute_dtype, model.output.dtype) == ("bfloat16", "float32")
    assert history["loss"][2] < history["loss"][0]


def test_a_hypermodel_of_ones_own_gets_output_training_and_limits() -> None:
    class Unfinished(TemplateHyperModel):
        def declare_network(self, hp: kt.HyperParameters) -> None:
            hp.Int("width", 1, 5, default=3)

    class Own(Unfinished):
        LIMITS = {"width": (1, 9)}

        def network(self, hp: kt.HyperParameters, x: Any) -> Any:
            return keras.layers.Dense(hp.get("width"))(x)

    with pytest.raises(TypeError, match="network"):
        Unfinished(PROBLEMS["binary"])
    own = Own(PROBLEMS["regression"])
    assert Own.limits()["width"] == (1, 9)
    assert Own.limits()["learning_rate"] == MLP.limits()["learning_rate"]
    model: Any = own.build(declared(own))
    assert [layer.units for layer in model.layers[1:]] == [3, 1]
    assert model.layers[-1].name == "output"
