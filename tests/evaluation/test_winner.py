"""The export: the same numbers as in training, from files that load anywhere."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest

from callbacks import TrainingPlan
from hypermodels import HYPERMODELS
from hypermodels.mlp import MLP
from hypermodels.problem import Problem
from src.config import load_config
from src.config.schema import DataSettings, HyperModelSettings
from src.data.loading import load_data
from src.data.preprocessing import Scaling, fit_scaling
from src.errors import UserError
from src.evaluation import export
from src.evaluation.export import check_export, raw_model
from src.evaluation.metrics import evaluate
from src.evaluation.networks import chosen_execution, held_out_predictions, refit_seed
from src.evaluation.winner import Winner, export_winner, read_winner
from src.execution.executor import RunContext
from src.execution.trial_runner import TrialRunner
from src.records import TrialRecord, TrialSpec
from src.search.preparation import prepare
from src.store.run_directory import RunDirectory
from src.store.training_state import load_weights
from src.tuners.space import restored
from tests.conftest import TINY, MakeConfig

UNITS = np.array([1e-30, 1e-8, 1, 1e20, 1e37])  # spreads of columns
Export = tuple[RunContext, TrialRecord, Winner]


def context_of(tiny: MakeConfig, folder: Path, *overrides: str) -> tuple[RunContext, TrialSpec]:
    """A search that has not begun, and its first trial."""
    config = tiny("training.epochs=5", "space.schedule=cosine", *overrides)
    prepared = prepare(config)
    plan = TrainingPlan(5, prepared.objective.name, prepared.objective.direction)
    run = RunDirectory.create(str(folder), "winner", "random")
    context = RunContext(config, prepared.data, plan, run)
    hp, executions = prepared.oracle.create_trial("slot0").hyperparameters, config.tuner
    spec = TrialSpec("0003", "0003", None, hp.get_config(), 0, 5)
    repeats = executions.executions_per_trial
    return context, replace(spec, executions=repeats, folds=executions.folds)


def trained(context: RunContext, spec: TrialSpec) -> TrialRecord:
    result = TrialRunner(context).run(spec)
    assert result.status == "COMPLETED", result.reason
    return TrialRecord(spec, result)


def exported(factory: pytest.TempPathFactory, epochs: list[int], *overrides: str) -> Export:
    """The export of a trained trial, whose fits are said to have been best at these epochs."""
    folder = factory.mktemp("winner")
    base = (*TINY, f"run.directory={folder}")
    context, spec = context_of(lambda *own: load_config("quick", [*base, *own]), folder, *overrides)
    x = (context.data.x * np.resize(UNITS[1:4], context.data.x.shape[1])).astype(np.float32)
    context = replace(context, data=replace(context.data, x=x))
    record = trained(context, spec)
    fits = zip(record.result.fits, epochs, strict=True)
    changed = tuple(replace(fit, best_epoch=epoch) for fit, epoch in fits)
    record = replace(record, result=replace(record.result, fits=changed))
    return context, record, export_winner(context, record)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Export:
    settings = ("data.source=diabetes", "tuner.executions_per_trial=2")
    return exported(tmp_path_factory, [5, 5], *settings)


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Export:
    return exported(tmp_path_factory, [1, 4, 4], "tuner.folds=3")


def saved_network(context: RunContext, spec: TrialSpec, execution: int, fold: int) -> keras.Model:
    train, validation = context.data.folds(spec.folds)[fold]
    network = MLP(context.arrays(train, validation).problem).build(restored(spec.hyperparameters))
    network.set_weights(load_weights(context.run.weights(spec.trial_id, execution, fold)))
    return network


def assert_same_weights(model: keras.Model, network: keras.Model) -> None:
    for own, other in zip(model.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)


def test_trap_normalization_clamps_small_spreads_and_overflows_for_large_ones(
    tmp_path: Path,
) -> None:
    x = (np.random.default_rng(0).normal(3.0, 1.0, (200, len(UNITS))) * UNITS).astype(np.float32)
    scaling, problem = fit_scaling(x, "standard"), Problem("multiclass", len(UNITS), 5, 200)
    identity = keras.Sequential([keras.Input((len(UNITS),)), keras.layers.Identity()])
    arrays: Any = SimpleNamespace(scaling=scaling, problem=problem)
    data: Any = SimpleNamespace(table=None)
    raw_model(identity, arrays, data).save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(model.predict_on_batch(x), scaling.apply(x))

    layer = keras.layers.Normalization(mean=scaling.mean, variance=scaling.scale.astype(float) ** 2)
    normalized = keras.ops.convert_to_numpy(layer(x))
    assert normalized[:, :2].std(axis=0).max() < 0.2
    assert normalized[:, 3].std() == 0


def test_the_model_of_the_best_execution_has_the_score_of_the_trial(plain: Export) -> None:
    context, record, winner = plain
    best, rows = min(record.result.fits, key=lambda fit: fit.score), context.data.test
    assert winner.validation["rmse"] == pytest.approx(best.score, rel=1e-4)
    model = keras.models.load_model(context.run.model)
    assert_same_weights(model, saved_network(context, record.spec, best.execution, 0))
    outputs = model.predict_on_batch(context.data.x[rows])
    expected = evaluate("regression", context.data.y[rows], outputs)
    assert winner.test == pytest.approx(expected, rel=1e-5)
    opposite: Any = replace(context, plan=replace(context.plan, direction="max"))
    executions = [chosen_execution(c, record) for c in (context, opposite)]
    assert executions == [best.execution, 1 - best.execution]


def test_metrics_json_has_all_and_is_read_back(plain: Export, tmp_path: Path) -> None:
    context, record, winner = plain
    written = json.loads(context.run.metrics.read_text())
    assert [b["name"] for b in written["baselines"]] == ["mean of the target", "ridge regression"]
    low, high = written["test_interval"]["rmse"]
    assert low < written["test"]["rmse"] < high
    assert (winner.refit_epochs, winner.threshold) == (None, None)
    assert read_winner(context.run, record) == winner
    folder = RunDirectory(tmp_path)
    assert read_winner(folder, record) is None
    folder.best.mkdir()
    folder.metrics.write_bytes(context.run.metrics.read_bytes())
    assert read_winner(folder, record) is None  # without a model
    folder.model.touch()
    assert read_winner(folder, record) == winner
    folder.metrics.write_text('{"validation": 1')
    assert read_winner(folder, record) is None


def wrong_scale(network: keras.Model, arrays: Any, data: Any) -> keras.Model:
    scaling = Scaling(arrays.scaling.mean, arrays.scaling.scale * 2)
    return raw_model(network, replace(arrays, scaling=scaling), data)


def test_a_file_that_predicts_something_else_replaces_nothing(
    plain: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, record, winner = plain
    monkeypatch.setattr(export, "raw_model", wrong_scale)
    with pytest.raises(UserError, match=r"hypermodel\.name=mlp: .*\n.* predicts other values"):
        export_winner(context, record)
    assert read_winner(context.run, record) == winner
    assert not context.run.export.exists()


def test_weights_that_cannot_be_read_are_named(plain: Export) -> None:
    context, record, _ = plain
    path = context.run.weights("0003", chosen_execution(context, record), 0)
    content = path.read_bytes()
    for damaged in (b"", content[:-100], content.replace(b"weight0", b"weight9")):
        path.write_bytes(damaged) if damaged else path.unlink()
        with pytest.raises(UserError, match=r"weights of trial 0003 cannot be read: ") as error:
            export_winner(context, record)
        assert str(error.value).startswith(f"{path}: ")
        assert "Put back a copy of the file, or train a trial anew: " in str(error.value)
        path.write_bytes(content)


def test_a_refit_is_a_training_on_all_development_rows_for_the_mean_best_epoch(
    folded: Export,
) -> None:
    context, record, winner = folded
    assert winner.refit_epochs == 3
    data, hp = context.data, restored(record.spec.hyperparameters)
    arrays, seed = data.arrays(data.development, data.test[:0]), refit_seed(context, record)
    keras.utils.set_random_seed(seed)
    hypermodel = MLP(arrays.problem, seed=seed, plan=context.plan)
    network = hypermodel.build(hp)
    hypermodel.fit(hp, network, arrays.x, arrays.y, epochs=3)
    assert_same_weights(keras.models.load_model(context.run.model), network)
    outputs = network.predict_on_batch(arrays.scaling.apply(data.x[data.test]))
    expected = evaluate("multiclass", data.y[data.test], outputs)
    assert winner.test == pytest.approx(expected, abs=1e-6)


def test_each_row_is_judged_by_the_fold_that_has_not_seen_it(folded: Export) -> None:
    context, record, winner = folded
    data, outputs = context.data, []
    for fold, (train, validation) in enumerate(data.folds(3)):
        network = saved_network(context, record.spec, 0, fold)
        outputs.append(network.predict_on_batch(data.arrays(train, validation).x_validation))
    truth = data.y[np.concatenate([validation for _, validation in data.folds(3)])]
    expected = evaluate("multiclass", truth, np.concatenate(outputs))
    assert winner.validation == pytest.approx(expected, abs=1e-6)
    stopped = replace(record, result=replace(record.result, fits=record.result.fits[:2]))
    rows, found = held_out_predictions(context, stopped)  # after two of three folds
    np.testing.assert_array_equal(rows, np.concatenate([r for _, r in data.folds(3)][:2]))
    np.testing.assert_allclose(found, np.concatenate(outputs[:2]), atol=1e-6)


class DivergingRefit(MLP):
    """Comes to NaN."""

    def fit(self, hp: Any, model: Any, x: Any, y: Any, **arguments: Any) -> Any:
        return super().fit(hp, model, np.full_like(x, np.nan), y, **arguments)


def test_a_refit_that_diverges_is_an_error_and_no_model(
    folded: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, record, winner = folded
    monkeypatch.setitem(HYPERMODELS, "diverging", f"{__name__}:DivergingRefit")
    diverging = context.config.model_copy(
        update={"hypermodel": HyperModelSettings(name="diverging")}
    )
    with pytest.raises(UserError, match=r"trial 0003 .* 120 .* after 3 epochs with a loss of nan"):
        export_winner(replace(context, config=diverging), record)
    assert read_winner(context.run, record) == winner


class Unregistered(keras.layers.Layer):
    """Doubles."""

    def call(self, x: Any) -> Any:
        return x * 2


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


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: keras.layers.Lambda(lambda x: x * 2), "Lambda"),
        (Unregistered, "Unregistered"),
        (lambda: Forgetful(30.0), "once loaded, it predicts other values"),
        (lambda: Forgetful(1.0), ""),
    ],
)
def test_trap_layers_that_cannot_be_loaded_are_told_at_once(layer: Any, reason: str) -> None:
    data = load_data(DataSettings(source="iris"), 0)
    arrays = data.arrays(data.train, data.validation)
    network = MLP(arrays.problem).build(kt.HyperParameters())
    network = keras.Model(network.input, layer()(network.output))
    told = pytest.raises(
        UserError, match=rf"hypermodel\.name=mine: (?s:.*){reason}(?s:.*)register_k"
    )
    with told if reason else nullcontext():
        check_export(network, arrays, data, "hypermodel.name=mine")
