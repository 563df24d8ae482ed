"""The command: what it trains, what it exports and says, what it refuses."""

import io
import json
import shutil
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from src import predict, retrain
from src.data.tables.columns import read_columns
from src.data.tables.model_rows import raw_inputs
from src.evaluation import retraining
from src.evaluation.metrics import evaluate
from src.evaluation.networks import refit
from src.evaluation.retraining import CompletedTrial, threshold_of
from src.execution.failures import TrialFailedError
from src.search.completed_trial import open_trial
from src.signals import TrialInterruptedError
from src.store.lock import RunLock
from src.store.run_directory import Retrained, RunDirectory
from tests.evaluation.runs import colour_table

FILES = {"model.keras", "metrics.json", "hyperparameters.yaml", "columns.yaml"}
Captured = pytest.CaptureFixture[str]


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def opened(colours: RunDirectory) -> CompletedTrial:
    return open_trial(colours, "0000")


@pytest.fixture(scope="module")
def retrained(colours: RunDirectory, opened: CompletedTrial) -> tuple[Retrained, str]:
    """The models of two seeds and their ensemble, and what was said."""
    before, said = content(colours.path), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("src.search.completed_trial.open_trial", lambda *_: opened)
        with redirect_stdout(said), RunLock(colours.lock):  # as during a search
            assert retrain.main([str(colours.path), "--seeds", "2", "--ensemble"]) == 0
    after = content(colours.path)
    assert {name: after[name] for name in before} == before
    return Retrained(colours.retrained / "0000"), said.getvalue()


@pytest.fixture(scope="module")
def models(retrained: tuple[Retrained, str]) -> list[keras.Model]:
    """Those of both seeds, and the ensemble."""
    exports = [*retrained[0].seeds, retrained[0].ensemble]
    return [keras.models.load_model(export.model, safe_mode=True) for export in exports]


def test_each_model_has_what_the_winner_has_and_the_first_is_the_refit_of_the_search(
    colours: RunDirectory, retrained: tuple[Retrained, str], models: list[keras.Model]
) -> None:
    exports = [*retrained[0].seeds, retrained[0].ensemble]
    assert [export.path.name for export in exports] == ["seed1", "seed2", "ensemble"]
    for export in exports:
        assert {path.name for path in export.path.iterdir()} == FILES
        for name in ("hyperparameters.yaml", "columns.yaml"):
            assert (export.path / name).read_bytes() == (colours.best / name).read_bytes()
        threshold = json.loads(export.metrics.read_text())["threshold"]
        assert threshold == json.loads(colours.metrics.read_text())["threshold"]
    first, second, _ = (model.get_weights() for model in models)
    search = keras.models.load_model(colours.model).get_weights()
    for own, other in zip(first, search, strict=True):
        np.testing.assert_array_equal(own, other)
    kernels = [next(w for w in weights if w.ndim == 2).ravel() for weights in (first, second)]
    assert abs(np.corrcoef(*kernels)[0, 1]) < 0.5


def test_mean_and_deviation_of_the_models_on_the_test_rows_are_said(
    colours: RunDirectory,
    retrained: tuple[Retrained, str],
    models: list[keras.Model],
    opened: CompletedTrial,
) -> None:
    folder, said = retrained
    data, threshold, found = opened.context.data, threshold_of(opened), []
    assert threshold is not None
    for export, model in zip([*folder.seeds, folder.ensemble], models, strict=True):
        outputs = model.predict_on_batch(data.raw_rows(data.test)[:])
        scores = evaluate("binary", data.y[data.test], outputs, threshold.value)
        assert json.loads(export.metrics.read_text())["test"] == pytest.approx(scores, abs=1e-6)
        found.append(float(scores["log_loss"] or 0))
    summary = json.loads(folder.summary.read_text())
    assert summary["search"]["test"] == json.loads(colours.metrics.read_text())["test"]
    expected = np.mean(found[:2]), np.std(found[:2], ddof=1), found[2]
    keys = ("mean", "standard_deviation", "ensemble")
    assert [summary[key]["log_loss"] for key in keys] == pytest.approx(expected, abs=1e-6)
    line = next(line for line in map(str.split, said.splitlines()) if line[:1] == ["log_loss"])
    numbers = [float(word) for word in line[1:]]
    assert numbers == pytest.approx([*expected, found[0]], rel=0.05)
    for words in (
        "  seed 2  accuracy ",
        "on 96 training and validation rows",
        "without reduce_lr_on_plateau",
        f"with the decision threshold {threshold.value:.5g}, tuned",
        "the 24 test rows, which the search has used before",
        f"src.predict {folder.ensemble.path} FILE",
    ):
        assert words in said


def test_the_ensemble_is_the_mean_of_the_models_and_predict_takes_it(
    retrained: tuple[Retrained, str], models: list[keras.Model], tmp_path: Path, capsys: Captured
) -> None:
    folder, frame = retrained[0], colour_table(50, seed=3)
    inputs = raw_inputs(frame, read_columns(folder.ensemble.columns).columns)
    outputs = [model.predict_on_batch(inputs)[:, 0] for model in models]
    assert {type(layer).__module__.partition(".")[0] for layer in models[2].layers} == {"keras"}
    frame.drop(columns="answer").to_csv(tmp_path / "rows.csv", index=False)
    expected = {folder.path: np.mean(outputs[:2], axis=0), folder.seed(2).path: outputs[1]}
    for place, probability in expected.items():
        capsys.readouterr()
        assert predict.main([str(place), str(tmp_path / "rows.csv"), "--proba"]) == 0
        table = pd.read_csv(io.StringIO(capsys.readouterr().out))
        np.testing.assert_allclose(table["probability_yes"], probability, atol=1e-6)


def test_the_threshold_of_another_trial_is_tuned_on_rows_that_its_fits_have_not_seen(
    opened: CompletedTrial,
) -> None:
    found, expected = threshold_of(replace(opened, winner=None)), threshold_of(opened)
    assert found is not None
    assert expected is not None
    assert (found.value, found.score) == pytest.approx((expected.value, expected.score), abs=1e-6)


def failing(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the trainings from the seed `number` on fail."""
    calls = iter(range(1, 100))

    def fail(*arguments: Any) -> Any:
        if next(calls) >= number:
            raise TrialFailedError("its loss became nan")
        return refit(*arguments)

    monkeypatch.setattr(retraining, "refit", fail)


@pytest.mark.usefixtures("retrained")  # as 0000
def test_a_seed_that_fails_is_told_and_left_out_and_nothing_is_left_where_all_fail(
    colours: RunDirectory, opened: CompletedTrial, monkeypatch: Any, capsys: Captured
) -> None:
    before, calls = content(colours.path), iter(range(100))
    with pytest.raises(TrialInterruptedError):  # by a signal
        retraining.retrain(opened, 3, None, stopping=lambda: next(calls) >= 1)
    failing(1, monkeypatch)
    monkeypatch.setattr("src.search.completed_trial.open_trial", lambda *_: opened)
    assert retrain.main([str(colours.path), "--seeds", "2"]) == 1
    assert "error: 0 of 2 seeds succeeded: its loss became nan" in capsys.readouterr().err
    assert content(colours.path) == before
    assert not list(colours.retrained.glob(".*"))

    failing(2, monkeypatch)
    folder, summary = retraining.retrain(opened, 2, None)
    assert [one["reason"] for one in summary["seeds"]] == ["", "its loss became nan"]
    assert [export.path.name for export in folder.seeds] == ["seed1"]
    assert folder.path.name == "0000-2"  # no folder is replaced
    assert summary["mean"] == pytest.approx(summary["seeds"][0]["test"])
    assert set(summary["standard_deviation"].values()) == {None}
    shutil.rmtree(folder.path)


@pytest.mark.parametrize(
    ("name", "text", "other", "told"),
    [
        ("../colours.csv", "green", "blue", "this is not the search that it was:\n  data: content"),
        ("config.yaml", "weight: balanced", "weight: none", '"none", but was "balanced"'),
    ],
)
def test_other_rows_or_settings_than_those_of_the_search_are_refused(
    colours: RunDirectory, capsys: Captured, name: str, text: str, other: str, told: str
) -> None:
    path = colours.path / name
    whole = path.read_text()
    path.write_text(whole.replace(text, other, 1))
    assert retrain.main([str(colours.path)]) == 2
    path.write_text(whole)
    written = capsys.readouterr().err
    assert told in written
    assert "\nBring that back" in written or f"\n{path} was edited" in written


def test_a_run_without_a_model_is_told_what_to_do(
    colours: RunDirectory, tmp_path: Path, capsys: Captured
) -> None:
    run = tmp_path / "stopped_by"
    shutil.copytree(colours.path, run, ignore=shutil.ignore_patterns("best"))
    for arguments in ([str(run), "rows.csv"], [str(run)]):
        assert (predict if len(arguments) > 1 else retrain).main(arguments) == 2
        told = capsys.readouterr().err
        assert f"{run}: has no best/model.keras: its search has not ended" in told
        assert f"src.tune --resume {run}\n" in told
        assert f"src.retrain {run} --trial 0000" in told
