"""The command: what it trains, what it exports and says, what it refuses."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from src.store.snapshot import read_snapshot

from hypermodels.mlp import MLP
from src import predict, retrain
from src.data.tables.columns import raw_inputs, read_columns
from src.errors import UserError
from src.evaluation import retraining
from src.evaluation.metrics import evaluate
from src.evaluation.refit import refit as trained
from src.evaluation.refit import refit_seed
from src.evaluation.retraining import threshold_of
from src.execution.failures import TrialFailedError
from src.execution.trial_runner import hyperparameters_of
from src.search.finished import FinishedTrial, open_trial
from src.signals import TrialInterruptedError
from src.store.lock import RunLock
from src.store.run_directory import Retrained, RunDirectory
from tests.evaluation.prediction.runs import array_run, binary_run, colour_table, headless_run

ROOT = Path(__file__).parents[1]
FILES = {"model.keras", "metrics.json", "hyperparameters.yaml", "columns.yaml"}


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def before_and_said(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[RunDirectory, dict[str, bytes], str]:
    """A run of a table that was trained from three seeds, what it was before, what was said."""
    run = binary_run(tmp_path_factory.mktemp("colours"))
    before, said = content(run.path), io.StringIO()
    with redirect_stdout(said), RunLock(run.lock):  # as during a search
        assert retrain.main([str(run.path), "--seeds", "3", "--ensemble"]) == 0
    return run, before, said.getvalue()


@pytest.fixture(scope="module")
def colours(before_and_said: tuple[RunDirectory, dict[str, bytes], str]) -> RunDirectory:
    return before_and_said[0]


@pytest.fixture(scope="module")
def opened(colours: RunDirectory) -> FinishedTrial:
    """The trial that was trained."""
    saved = read_snapshot(colours)
    assert saved.exported is not None
    return open_trial(colours, saved, saved.exported["trial_id"])


@pytest.fixture
def folder(colours: RunDirectory, opened: FinishedTrial) -> Retrained:
    return Retrained(colours.retrained / opened.record.spec.trial_id)


def test_nothing_that_was_there_has_changed(
    before_and_said: tuple[RunDirectory, dict[str, bytes], str], folder: Retrained
) -> None:
    run, before, _ = before_and_said
    after = content(run.path)
    assert {name: after[name] for name in before} == before
    exports = [*folder.seeds, folder.ensemble]
    assert [export.path.name for export in exports] == ["seed1", "seed2", "seed3", "ensemble"]
    for export in exports:
        assert {path.name for path in export.path.iterdir()} == FILES
        assert export.hyperparameters.read_bytes() == run.hyperparameters.read_bytes()
        assert export.columns.read_bytes() == run.columns.read_bytes()
        threshold = json.loads(export.metrics.read_text())["threshold"]
        assert threshold == json.loads(run.metrics.read_text())["threshold"]
    assert list(run.retrained.iterdir()) == [folder.path]


def test_the_first_seed_is_the_refit_of_the_search_and_the_others_are_not(
    colours: RunDirectory, folder: Retrained
) -> None:
    search, *models = (
        keras.models.load_model(export.model).get_weights()
        for export in [colours.exported, *folder.seeds]
    )
    for own, other in zip(models[0], search, strict=True):
        np.testing.assert_array_equal(own, other)
    kernels = [next(w for w in weights if w.ndim == 2) for weights in models]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(kernels[a].ravel(), kernels[b].ravel())[0, 1]) < 0.5


def test_what_is_said_are_mean_and_deviation_of_the_models_on_the_test_rows(
    before_and_said: tuple[RunDirectory, dict[str, bytes], str],
    folder: Retrained,
    opened: FinishedTrial,
) -> None:
    run, _, said = before_and_said
    data = opened.context.data
    assert opened.winner is not None
    assert opened.winner.threshold is not None
    found = []
    for export in [*folder.seeds, folder.ensemble]:
        model = keras.models.load_model(export.model)
        prediction = model.predict_on_batch(data.raw_rows(data.test)[:])
        value = opened.winner.threshold.value
        found.append(evaluate("binary", data.y[data.test], prediction, value))
        assert json.loads(export.metrics.read_text())["test"] == pytest.approx(found[-1], abs=1e-6)
    summary = json.loads(folder.summary.read_text())
    losses = [float(scores["log_loss"] or 0) for scores in found]
    assert summary["mean"]["log_loss"] == pytest.approx(np.mean(losses[:3]), abs=1e-6)
    deviation = np.std(losses[:3], ddof=1)
    assert deviation > 1e-3
    assert summary["standard_deviation"]["log_loss"] == pytest.approx(deviation, abs=1e-6)
    assert summary["ensemble"]["log_loss"] == pytest.approx(losses[3], abs=1e-6)
    assert summary["search"]["test"] == json.loads(run.metrics.read_text())["test"]
    lines = [line.split() for line in said.splitlines()]
    assert ["seed", "2"] in [line[:2] for line in lines]
    line = next(line for line in lines if line[:1] == ["log_loss"])
    assert float(line[1]) == pytest.approx(np.mean(losses[:3]), rel=1e-4)
    assert float(line[3]) == pytest.approx(deviation, rel=0.05)
    assert [float(word) for word in line[4:]] == pytest.approx([losses[3], losses[0]], rel=1e-4)
    assert "on 96 training and validation rows" in said
    assert "the 24 test rows, which the search has used before" in said
    assert "without reduce_lr_on_plateau" in said
    assert f"with the decision threshold {value:.5g}, tuned" in said


def test_the_ensemble_is_the_mean_of_the_models_and_predict_takes_it(
    folder: Retrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = colour_table(50, seed=3)
    inputs = raw_inputs(frame, read_columns(folder.ensemble.columns).columns)
    models = [keras.models.load_model(e.model, safe_mode=True) for e in folder.seeds]
    mean = np.mean([model.predict_on_batch(inputs) for model in models], axis=0)
    ensemble = keras.models.load_model(folder.ensemble.model, safe_mode=True)
    np.testing.assert_allclose(ensemble.predict_on_batch(inputs), mean, atol=1e-6)
    own = {layer.__class__.__module__.partition(".")[0] for layer in ensemble.layers}
    assert own == {"keras"}

    frame.drop(columns="answer").to_csv(tmp_path / "rows.csv", index=False)
    for place, expected in ((folder.path, mean), (folder.seed(2).path, None)):
        capsys.readouterr()
        assert predict.main([str(place), str(tmp_path / "rows.csv"), "--proba"]) == 0
        table = pd.read_csv(io.StringIO(capsys.readouterr().out))
        if expected is None:
            expected = models[1].predict_on_batch(inputs)
        np.testing.assert_allclose(table["probability_yes"], expected[:, 0], atol=1e-6)


def test_another_time_is_another_folder(
    colours: RunDirectory, folder: Retrained, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(folder.path)
    assert retrain.main([str(colours.path)]) == 0
    again = Retrained(folder.path.with_name(f"{folder.path.name}-2"))
    assert [export.path.name for export in again.seeds] == ["seed1"]
    assert content(folder.path) == before
    assert f"src.predict {again.seed(1).path} FILE" in capsys.readouterr().out
    shutil.rmtree(again.path)


def test_the_threshold_of_a_trial_that_is_not_exported_is_tuned_on_rows_its_fits_have_not_seen(
    opened: FinishedTrial,
) -> None:
    assert opened.winner is not None
    alone = FinishedTrial(opened.context, opened.record, None)
    found, expected = threshold_of(alone), opened.winner.threshold
    assert found is not None
    assert expected is not None
    assert found.value == pytest.approx(expected.value, abs=1e-6)
    assert (found.metric, found.score) == (expected.metric, expected.score)


def test_a_threshold_that_cannot_be_tuned_any_more_is_told(
    opened: FinishedTrial, tmp_path: Path
) -> None:
    context = replace(opened.context, run=RunDirectory(tmp_path))
    with pytest.raises(UserError, match=r"weights of trial 0000 were deleted \(run\.keep_top\)"):
        threshold_of(FinishedTrial(context, opened.record, None))


def test_nothing_is_left_of_a_training_that_was_stopped(
    colours: RunDirectory, opened: FinishedTrial
) -> None:
    before = content(colours.path)
    calls = iter(range(100))
    with pytest.raises(TrialInterruptedError):
        retraining.retrain(opened, 3, None, stopping=lambda: next(calls) >= 2)
    assert content(colours.path) == before
    assert not list(colours.retrained.glob(".*"))


def failing(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the trainings from the seed `number` on fail."""
    calls = iter(range(1, 100))

    def refit(*arguments: Any) -> Any:
        if next(calls) >= number:
            raise TrialFailedError("its loss became nan")
        return trained(*arguments)

    monkeypatch.setattr(retraining, "refit", refit)


def test_a_seed_that_fails_is_told_and_left_out(
    opened: FinishedTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(2, monkeypatch)
    result = retraining.retrain(opened, 2, None)
    assert [refit.reason for refit in result.refits] == ["", "its loss became nan"]
    assert [export.path.name for export in result.folder.seeds] == ["seed1"]
    mean, deviation = result.spread("accuracy")
    assert (mean, deviation) == (result.refits[0].test["accuracy"], None)
    shutil.rmtree(result.folder.path)


def test_status_1_if_all_seeds_fail(
    colours: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(colours.path)
    failing(1, monkeypatch)
    assert retrain.main([str(colours.path), "--seeds", "2"]) == 1
    assert "error: its loss became nan" in capsys.readouterr().err
    assert content(colours.path) == before


@pytest.fixture
def changed_rows(colours: RunDirectory) -> Iterator[None]:
    source = colours.path.parent / "colours.csv"
    text = source.read_text()
    source.write_text(text.replace("green", "blue", 1))
    yield
    source.write_text(text)


@pytest.mark.usefixtures("changed_rows")
def test_other_rows_than_those_of_the_search_are_refused(
    colours: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(colours.path)
    assert retrain.main([str(colours.path)]) == 2
    told = capsys.readouterr().err
    assert "this is not what its trials were trained on:\n  data: content" in told
    assert "Bring that back" in told
    assert content(colours.path) == before


def test_other_settings_than_those_of_the_search_are_refused(
    colours: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    text = colours.config.read_text()
    colours.config.write_text(text.replace("class_weight: balanced", "class_weight: none"))
    try:
        assert retrain.main([str(colours.path)]) == 2
    finally:
        colours.config.write_text(text)
    told = capsys.readouterr().err
    assert f"{colours.config}: is not as the search left it" in told
    assert 'data.class_weight: "none", but was "balanced"' in told


def test_a_run_of_another_version_of_the_program_is_told_from_an_edited_one(
    colours: RunDirectory,
) -> None:
    saved = read_snapshot(colours)
    del saved.head["config"]["data.class_weight"]
    with pytest.raises(UserError, match="another version of this program has searched it") as error:
        open_trial(colours, saved, "0000")
    assert 'data.class_weight: "balanced", but was not there' in str(error.value)
    assert "run.name=auto" in str(error.value)


def test_a_refit_trains_for_the_best_epoch_on_the_schedule_of_the_whole_plan(
    tmp_path: Path,
) -> None:
    run = array_run(tmp_path)
    assert retrain.main([str(run.path), "--trial", "0"]) == 0
    [export] = Retrained(run.retrained / "0000").seeds
    trial = open_trial(run, read_snapshot(run), "0000")
    context, record = trial.context, trial.record
    data, hp = context.data, hyperparameters_of(record.spec)
    assert context.plan.epochs == 3
    arrays = data.arrays(data.development, data.development[:0])
    seed = refit_seed(context, record)
    keras.utils.set_random_seed(seed)
    hypermodel = MLP(arrays.problem, seed=seed, plan=context.plan)
    network = hypermodel.build(hp)
    epochs = record.result.best_epoch or 0
    hypermodel.fit(hp, network, arrays.x, arrays.y, epochs=epochs)
    model = keras.models.load_model(export.model)
    for own, other in zip(model.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
    assert json.loads(export.metrics.read_text())["validation"] == {}
    assert not export.columns.exists()


def test_values_are_averaged_in_the_units_of_the_target(tmp_path: Path) -> None:
    run = headless_run(tmp_path)
    assert retrain.main([str(run.path), "--seeds", "2", "--ensemble"]) == 0
    folder = Retrained(run.retrained / "0000")
    x = {"column_1": np.array([[0.3], [-1]], "float32"), "column_3": np.ones((2, 1), "float32")}
    models = [keras.models.load_model(export.model) for export in folder.seeds]
    values = [model.predict_on_batch(x) for model in models]
    assert np.abs(values[0] - values[1]).max() > 1
    ensemble = keras.models.load_model(folder.ensemble.model)
    np.testing.assert_allclose(ensemble.predict_on_batch(x), np.mean(values, axis=0), rtol=1e-5)
    assert np.mean(values) > 300


def test_a_run_without_a_model_refuses_to_predict(
    colours: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDirectory(tmp_path / "stopped_by")
    shutil.copytree(colours.path, run.path)
    shutil.rmtree(run.best)
    rows = str(colours.path.parent / "colours.csv")
    assert predict.main([str(run.path), rows]) == 2
    told = capsys.readouterr().err
    assert "has no best/model.keras" in told
    assert f"src.tune --resume {run.path}" in told
    assert f"src.retrain {run.path} --trial 000" in told
    run.snapshot.unlink()
    run.previous_snapshot.unlink()
    for command in (predict.main([str(run.path), rows]), retrain.main([str(run.path)])):
        assert command == 2
        told = capsys.readouterr().err
        assert "left no search.json" in told or told == ""
        assert "run.name=auto" in told or told == ""


def test_help_and_mistakes_need_no_tensorflow(tmp_path: Path) -> None:
    script = (
        "import sys; from src import retrain\n"
        "try: retrain.main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'numpy', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert retrain.main([sys.argv[1]]) == 2\n"
        "assert retrain.main(['--ensemble']) == 2\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        *(), cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for word in ("RUN", "--trial", "--seeds", "--ensemble", "130"):
        assert word in done.stdout
    assert f"'{tmp_path}' is not a run's folder" in done.stderr
    assert "--ensemble: averages the models of several seeds" in done.stderr
