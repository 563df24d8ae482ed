"""The export: the same numbers as in training, from files that load anywhere."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest
from numpy.typing import NDArray

from callbacks import TrainingPlan
from hypermodels import HYPERMODELS
from hypermodels.mlp import MLP
from hypermodels.problem import Problem
from hypermodels.residual_mlp import ResidualMLP
from src.data.preprocessing import Scaling, fit_scaling
from src.errors import UserError
from src.evaluation import export, metrics
from src.evaluation.export import check_export, raw_model
from src.evaluation.winner import export_winner
from src.execution.context import RunContext
from src.execution.trial_runner import TrialRunner, hyperparameters_of
from src.records import TrialRecord, TrialSpec
from src.search import run
from src.search.preparation import prepare
from src.seeds import trial_seed
from src.store.run_directory import RunDirectory
from src.store.weights import load_weights
from tests.conftest import MakeConfig
from tests.selection import slow_but

UNITS = np.array([1e-12, 1e-8, 1, 1e20])  # spreads of columns
Float32 = NDArray[np.float32]


def context_of(tiny: MakeConfig, folder: Path, *overrides: str) -> tuple[RunContext, TrialSpec]:
    """A search that has not begun, and its first trial."""
    config = tiny("training.epochs=5", "space.schedule=cosine", *overrides)
    prepared = prepare(config)
    plan = TrainingPlan(5, prepared.objective.name, prepared.objective.direction)
    run = RunDirectory.create(str(folder), "winner", "random")
    context = RunContext(config.seed, config.hypermodel.name, prepared.data, plan, run)
    hp = prepared.oracle.create_trial("slot0").hyperparameters
    spec = TrialSpec(
        trial_id="0003",
        root_id="0003",
        parent_id=None,
        hyperparameters=hp.get_config(),
        initial_epoch=0,
        epochs=5,
        executions=config.tuner.executions_per_trial,
        folds=config.tuner.folds,
    )
    return context, spec


def trained(context: RunContext, spec: TrialSpec) -> TrialRecord:
    result = TrialRunner(context).run(spec)
    assert result.status == "COMPLETED", result.reason
    return TrialRecord(spec, result)


def with_best_epochs(record: TrialRecord, best_epochs: Sequence[int]) -> TrialRecord:
    fits = zip(record.result.fits, best_epochs, strict=True)
    changed = tuple(replace(fit, best_epoch=epoch) for fit, epoch in fits)
    return replace(record, result=replace(record.result, fits=changed))


def assert_same_weights(model: keras.Model, network: keras.Model) -> None:
    found, expected = model.get_weights(), network.get_weights()
    assert len(found) == len(expected)
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(own, other)


def saved_network(
    context: RunContext, spec: TrialSpec, execution: int, fold: int, problem: Problem
) -> keras.Model:
    network = MLP(problem).build(hyperparameters_of(spec))
    network.set_weights(load_weights(context.run.weights(spec.trial_id, execution, fold)))
    return network


def rows_of_all_units(rows: int = 200) -> Float32:
    x = np.random.default_rng(0).normal(3.0, 1.0, size=(rows, len(UNITS))) * UNITS
    return np.asarray(x, np.float32)


def reloaded(model: keras.Model, folder: Path) -> keras.Model:
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras", safe_mode=True)


def test_trap_normalization_clamps_small_spreads_and_overflows_for_large_ones(
    tmp_path: Path,
) -> None:
    x = rows_of_all_units()
    scaling = fit_scaling(x, "standard")
    identity = keras.Sequential([keras.Input((4,)), keras.layers.Identity()])
    model = raw_model(identity, scaling, Problem("multiclass", 4, 4))
    predicted = reloaded(model, tmp_path).predict(x, verbose=0)
    np.testing.assert_array_equal(predicted, scaling.apply(x))
    np.testing.assert_allclose(predicted.std(axis=0), 1, rtol=1e-4)

    layer = keras.layers.Normalization(mean=scaling.mean, variance=scaling.scale.astype(float) ** 2)
    normalized = keras.ops.convert_to_numpy(layer(x))
    assert normalized[:, [0, 1]].std(axis=0).max() < 0.2
    assert normalized[:, 3].std() == 0


@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1e-7, 1e19, 1e30, 1e38])
def test_scales_of_any_size_are_exact(scale: float, tmp_path: Path) -> None:
    mean = np.array([scale / 2, -scale / 2], np.float32)
    scaling = Scaling(mean, np.array([scale, scale], np.float32))
    x = (np.array([[1, -1], [0.3, 0.7], [0, 0]]) * scale).astype(np.float32)
    identity = keras.Sequential([keras.Input((2,)), keras.layers.Identity()])
    model = reloaded(raw_model(identity, scaling, Problem("multiclass", 2, 2)), tmp_path)
    np.testing.assert_array_equal(model.predict(x, verbose=0), scaling.apply(x))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_loaded_model_is_scaling_and_network_in_the_units_of_the_target(
    task: Any, tmp_path: Path
) -> None:
    x = rows_of_all_units()
    scaling = fit_scaling(x, "standard")
    units: Any = {"target_mean": 70.0, "target_scale": 8.0} if task == "regression" else {}
    problem = Problem(task, 4, {"binary": 2, "multiclass": 3, "regression": 0}[task], **units)
    hypermodel = MLP(problem)
    network = hypermodel.build(hyperparameters_of_defaults(hypermodel))
    expected = network.predict(scaling.apply(x), verbose=0)
    if task == "regression":
        expected = expected * 8 + 70
    assert expected.std() > 0.01
    predicted = reloaded(raw_model(network, scaling, problem), tmp_path).predict(x, verbose=0)
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)


def hyperparameters_of_defaults(hypermodel: MLP) -> Any:
    hp = kt.HyperParameters()
    hypermodel.declare_hyperparameters(hp)
    return hp


@pytest.mark.parametrize("source", slow_but(["iris", "diabetes"], ["diabetes"]))
def test_the_exported_objective_is_the_score_of_the_trial_for_any_units(
    tiny: MakeConfig, tmp_path: Path, source: str
) -> None:
    context, spec = context_of(tiny, tmp_path, f"data.source={source}")
    data = context.data
    x = (data.x * np.resize(UNITS, data.x.shape[1])).astype(np.float32)
    context = replace(context, data=replace(data, x=x))
    record = trained(context, spec)
    exported = export_winner(context, record)
    name = context.plan.monitor.removeprefix("val_")
    assert exported.validation[name] == pytest.approx(record.result.score, rel=1e-4)
    assert exported.epochs is None
    network = saved_network(context, spec, 0, 0, data.arrays(data.train, data.validation).problem)
    assert_same_weights(keras.models.load_model(context.run.model), network)


def clamping(
    network: keras.Model, scaling: Scaling, problem: Problem, columns: Any = ()
) -> keras.Model:
    """As `raw_model` would be with another scaling."""
    return raw_model(network, Scaling(scaling.mean, scaling.scale * 2), problem, columns)


@pytest.mark.parametrize("folds", [1, 2])
@pytest.mark.parametrize("source", slow_but(["iris", "diabetes"], ["diabetes"]))
def test_a_file_that_predicts_something_else_is_not_reported(
    tiny: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, folds: int
) -> None:
    context, spec = context_of(tiny, tmp_path, f"data.source={source}", f"tuner.folds={folds}")
    record = trained(context, spec)
    monkeypatch.setattr(export, "raw_model", clamping)
    with pytest.raises(UserError, match=r"the exported file is not the model that was trained"):
        export_winner(context, record)
    assert not context.run.best.exists()
    assert not context.run.export.exists()


@pytest.mark.parametrize(("direction", "scores"), [("max", (0.1, 0.9)), ("min", (0.9, 0.1))])
def test_the_execution_with_the_best_score_is_exported(
    tiny: MakeConfig, tmp_path: Path, direction: Any, scores: tuple[float, float]
) -> None:
    context, spec = context_of(tiny, tmp_path, "tuner.executions_per_trial=2")
    record = trained(context, spec)
    fits = zip(record.result.fits, scores, strict=True)
    result = replace(record.result, fits=tuple(replace(fit, score=score) for fit, score in fits))
    context = replace(context, plan=replace(context.plan, direction=direction))
    export_winner(context, TrialRecord(spec, result))
    data = context.data
    problem = data.arrays(data.train, data.validation).problem
    model = keras.models.load_model(context.run.model)
    assert_same_weights(model, saved_network(context, spec, 1, 0, problem))
    first = saved_network(context, spec, 0, 0, problem)
    assert not np.array_equal(model.get_weights()[0], first.get_weights()[0])


def test_a_refit_is_a_training_on_the_development_rows_for_the_mean_best_epoch(
    tiny: MakeConfig, tmp_path: Path
) -> None:
    context, spec = context_of(tiny, tmp_path, "tuner.folds=3")
    record = with_best_epochs(trained(context, spec), [1, 4, 4])
    exported = export_winner(context, record)
    assert exported.epochs == 3

    data, hp = context.data, hyperparameters_of(spec)
    arrays = data.arrays(data.development, data.development[:0])
    assert len(arrays.x) == len(data.train) + len(data.validation)
    seed = trial_seed(context.seed, 3, 0, 3)
    keras.utils.set_random_seed(seed)
    hypermodel = MLP(arrays.problem, seed=seed, plan=context.plan)
    network = hypermodel.build(hp)
    hypermodel.fit(hp, network, arrays.x, arrays.y, epochs=3)
    model = keras.models.load_model(context.run.model)
    assert_same_weights(model, network)
    x = data.x[data.test]
    np.testing.assert_allclose(
        model.predict(x, verbose=0),
        network.predict(arrays.scaling.apply(x), verbose=0),
        atol=1e-6,
    )


def test_after_cross_validation_each_row_is_judged_by_the_fold_that_has_not_seen_it(
    tiny: MakeConfig, tmp_path: Path
) -> None:
    context, spec = context_of(tiny, tmp_path, "tuner.folds=3")
    exported = export_winner(context, trained(context, spec))
    data = context.data
    truth, predictions = [], []
    for fold, (train, validation) in enumerate(data.folds(3)):
        arrays = data.arrays(train, validation)
        network = saved_network(context, spec, 0, fold, arrays.problem)
        truth.append(data.y[validation])
        predictions.append(network.predict(arrays.x_validation, verbose=0))
    expected = metrics.evaluate("multiclass", np.concatenate(truth), np.concatenate(predictions))
    assert exported.validation == pytest.approx(expected, abs=1e-6)
    written = json.loads(context.run.metrics.read_text())
    assert written["validation"] == pytest.approx(expected, abs=1e-6)

    model = keras.models.load_model(context.run.model)
    refitted = model.predict(data.x[np.concatenate([v for _, v in data.folds(3)])], verbose=0)
    other = metrics.evaluate("multiclass", np.concatenate(truth), refitted)
    assert other["log_loss"] != pytest.approx(expected["log_loss"], abs=1e-3)
    prediction = model.predict(data.x[data.test], verbose=0)
    of_test = metrics.evaluate("multiclass", data.y[data.test], prediction)
    assert exported.test == pytest.approx(of_test, abs=1e-6)


class DivergingRefit(MLP):
    """Trains with validation rows, and comes to NaN without."""

    def fit(self, hp: Any, model: Any, x: Any, y: Any, **arguments: Any) -> Any:
        if arguments.get("validation_data") is None:
            x = np.full_like(x, np.nan)
        return super().fit(hp, model, x, y, **arguments)


def test_a_refit_that_diverges_is_an_error_and_no_model(
    tiny: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "diverging_refit", f"{__name__}:DivergingRefit")
    overrides = ("tuner.folds=2", "hypermodel.name=diverging_refit")
    context, spec = context_of(tiny, tmp_path, *overrides)
    record = with_best_epochs(trained(context, spec), [2, 2])
    with pytest.raises(UserError, match=r"trial 0003 .* 120 .* after 2 epochs with a loss of nan"):
        export_winner(context, record)
    assert not context.run.best.exists()


class WithLambda(MLP):
    """Ends in a layer that holds Python code."""

    def network(self, hp: Any, x: Any) -> Any:
        return keras.layers.Lambda(lambda x: x * 2)(super().network(hp, x))


class Unregistered(keras.layers.Layer):
    """Doubles."""

    def call(self, x: Any) -> Any:
        return x * 2


@keras.saving.register_keras_serializable("tests")
class Registered(Unregistered):
    """Doubles, and Keras knows its name."""


@keras.saving.register_keras_serializable("tests")
class Forgetful(keras.layers.Layer):
    """Multiplies by a factor that its configuration leaves out."""

    def __init__(self, factor: float = 1.0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


def hypermodel_with(layer: Any) -> Any:
    class Custom(MLP):
        def network(self, hp: Any, x: Any) -> Any:
            return layer()(super().network(hp, x))

    return Custom


PROBLEM = Problem("multiclass", 4, 3)


@pytest.mark.parametrize(
    ("hypermodel", "reason"),
    [
        (WithLambda, "Lambda"),
        (hypermodel_with(Unregistered), "Unregistered"),
        (hypermodel_with(lambda: Forgetful(30.0)), "predicts something else; see the get_config"),
    ],
)
def test_trap_layers_that_cannot_be_loaded_are_told_at_once(hypermodel: Any, reason: str) -> None:
    owner = "hypermodel.name=mine on multiclass data"
    with pytest.raises(UserError, match=r"hypermodel\.name=mine") as error:
        check_export(hypermodel(PROBLEM).build(kt.HyperParameters()), PROBLEM, owner)
    assert reason in str(error.value)
    assert "register_keras_serializable" in str(error.value)


@pytest.mark.parametrize(
    "hypermodel", [MLP, ResidualMLP, hypermodel_with(Registered)], ids=lambda c: c.__name__
)
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_layers_that_keras_knows_can_be_exported(hypermodel: Any, task: Any) -> None:
    problem = replace(PROBLEM, task=task)
    model = hypermodel(problem).build(kt.HyperParameters())
    before = model.get_weights()
    check_export(model, problem)  # raises where one cannot
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_score_of_some_folds_alone_ranks_behind_and_can_be_exported(tiny: MakeConfig) -> None:
    folds = ("tuner.folds=3", "tuner.max_trials=2", "training.epochs=2")
    outcome = run(tiny(*folds, "limits.epochs=10", "space.learning_rate=0.01"))
    first, second = outcome.progress.records
    assert [len(record.result.fits) for record in (first, second)] == [3, 2]
    assert second.result.reason == "ended after fit 2 of 3: all 10 epochs are used (limits.epochs)"
    assert outcome.progress.completed == [first, second]
    alone = run(tiny(*folds, "limits.epochs=3", "tuner.export=average"))
    result = alone.progress.records[0].result
    assert result.reason == (
        "ended at epoch 1 of 2 in fit 2 of 3: all 3 epochs are used (limits.epochs)"
    )
    assert [fit.epochs for fit in result.fits] == [2, 1]
    assert alone.winner is not None
    assert alone.winner.averaged == 2
