"""Whole searches: what they leave, and that they can be repeated."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import yaml

from callbacks import CALLBACKS
from hypermodels import HYPERMODELS
from hypermodels.mlp import MLP
from src.config import load_config
from src.errors import UserError
from src.evaluation.winner import Winner
from src.search import run
from src.search.listener import SearchListener
from src.search.preparation import prepare
from src.search.workflow import SearchOutcome
from src.store.run_directory import RunDirectory
from tests import quick_search
from tests.conftest import TINY, MakeConfig, report_listeners
from tests.quick_search import StopAfter, at_once, ran, result, saved, search

VOLATILE = ["seconds", "started", "ended", "worker"]
fake, folder = quick_search.fake, quick_search.folder


def trials_of(outcome: SearchOutcome) -> pd.DataFrame:
    return pd.read_csv(outcome.run.trials_table, dtype={"trial_id": str, "parent": str})


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> SearchOutcome:
    pins = ("space.normalization=batch", "space.dropout=0.2", "run.keep_top=2")
    where = f"run.directory={tmp_path_factory.mktemp('logs')}"
    return run("quick", [*TINY, *pins, where], report_listeners())


def test_a_search_leaves_every_file_and_they_agree(outcome: SearchOutcome) -> None:
    run_directory, winner = outcome.run, outcome.winner
    assert winner is not None
    trials = trials_of(outcome)
    assert list(trials["trial_id"]) == ["0000", "0001", "0002"]
    assert set(trials["status"]) == {"COMPLETED"}
    assert list(trials.columns)[:4] == ["trial_id", "status", "score", "score_std"]
    assert {"val_log_loss", "epochs", "best_epoch", "seconds", "started"} <= set(trials.columns)
    assert {"units", "optimizer", "learning_rate", "batch_size"} <= set(trials.columns)
    np.testing.assert_allclose(trials["score"], trials["val_accuracy"])
    assert trials["score"].max() == winner.record.result.score

    history = pd.read_csv(run_directory.history_table, dtype={"trial_id": str})
    assert list(history.columns[:6]) == [
        *("trial_id", "execution", "fold", "epoch", "learning_rate", "batch_size")
    ]
    epochs = history.groupby("trial_id")
    assert list(epochs["epoch"].max()) == list(trials["epochs"])
    np.testing.assert_allclose(epochs["val_accuracy"].max(), trials["score"])

    scores = json.loads(run_directory.metrics.read_text())
    assert set(scores) == {*("validation", "test", "test_interval", "baselines", "refit_epochs")}
    assert scores["validation"]["accuracy"] == pytest.approx(winner.record.result.score)
    table = pd.read_csv(run_directory.predictions, dtype=str)
    test = table[table["split"] == "test"]
    assert len(test) == 30
    assert (test["target"] == test["prediction"]).mean() == pytest.approx(
        scores["test"]["accuracy"]
    )
    values = yaml.safe_load(run_directory.hyperparameters.read_text())
    assert values == winner.record.spec.values
    kept = sorted(path.name for path in run_directory.trials.iterdir())
    assert kept == sorted(r.spec.trial_id for r in outcome.progress.completed[:2])
    names = {path.name for path in run_directory.path.rglob("*")}
    assert not any(name.endswith((".tmp", "-journal", "oracle.json")) for name in names)


def test_a_run_repeated_from_its_own_configuration_is_the_same(outcome: SearchOutcome) -> None:
    again = run(load_config(outcome.run.config, ["run.name=again"]), listeners=report_listeners())
    first, second = (trials_of(one).drop(columns=VOLATILE) for one in (outcome, again))
    pd.testing.assert_frame_equal(first, second)
    assert outcome.run.history_table.read_text() == again.run.history_table.read_text()
    assert outcome.run.predictions.read_text() == again.run.predictions.read_text()
    assert outcome.run.path != again.run.path


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("tuner", ["random", "grid"])
def test_any_number_of_workers_runs_the_same_trials(tuner: str, folder: Path) -> None:
    settings = (f"tuner.name={tuner}", "tuner.max_trials=12", "training.epochs=1")
    found = []
    for workers in (1, 2, 4):
        search(folder / str(workers), *settings, *at_once(workers))
        parts = result(folder / str(workers))
        found.append([parts[key] for key in ("trials", "history", "records", "told", "files")])
        assert sorted(ran) == [f"{number:04}" for number in range(12)]
        ran.clear()
    assert found[0] == found[1] == found[2]


def test_neighbouring_seeds_share_no_trial_but_the_default(tiny: MakeConfig) -> None:
    def values(seed: int) -> set[str]:
        oracle = prepare(tiny(f"seed={seed}", "tuner.max_trials=10")).oracle
        trials = (oracle.create_trial(f"slot{number}") for number in range(10))
        return {repr(sorted(trial.hyperparameters.values.items())) for trial in trials}

    zero, one = values(0), values(1)
    assert (len(zero), len(one), len(zero & one)) == (10, 10, 1)


def test_the_exported_model_needs_nothing_of_this_project(
    outcome: SearchOutcome, tmp_path: Path
) -> None:
    data = prepare(load_config(outcome.run.config)).data
    np.save(tmp_path / "rows.npy", data.x[data.test])
    script = """
import sys, keras, numpy as np
try:
    import hypermodels
except ImportError:
    model = keras.models.load_model(sys.argv[1], safe_mode=True)
    np.save("out.npy", model.predict(np.load("rows.npy"), verbose=0))
"""
    command = [sys.executable, "-I", "-c", script, str(outcome.run.model)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    table = pd.read_csv(outcome.run.predictions)
    reported = table[table["split"] == "test"].filter(like="probability_").to_numpy()
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), reported, atol=1e-6)


def test_folds_and_executions_average_and_the_winner_is_refitted(tiny: MakeConfig) -> None:
    config = tiny("tuner.folds=3", "tuner.executions_per_trial=2", "tuner.max_trials=2")
    outcome = run(config, listeners=report_listeners())
    history = pd.read_csv(outcome.run.history_table, dtype={"trial_id": str})
    fits = pd.read_csv(outcome.run.fits_table, dtype={"trial_id": str})
    for row in trials_of(outcome).itertuples():
        own = history[history["trial_id"] == row.trial_id].groupby(["execution", "fold"])
        bests = own["val_accuracy"].max()
        assert len(bests) == own["val_loss"].max().nunique() == 6
        assert row.score == pytest.approx(bests.mean())
        assert row.score_std == pytest.approx(bests.std())
        own_fits = fits[fits["trial_id"] == row.trial_id].set_index(["execution", "fold"])
        assert own_fits["score"].to_dict() == pytest.approx(bests.to_dict())
        assert row.val_log_loss_error == pytest.approx(own_fits["val_log_loss"].sem())
    winner = outcome.winner
    assert winner is not None
    assert winner.refit_epochs == winner.record.result.best_epoch
    table = pd.read_csv(outcome.run.predictions)
    validation = table[table["split"] == "validation"]
    data = prepare(config).data
    assert sorted(validation["row"]) == sorted(data.development)  # each row by an unseen fold


def test_regression_trains_on_a_standardised_target_and_reports_its_own_units(
    tiny: MakeConfig,
) -> None:
    config = tiny("data.source=diabetes", "space.optimizer=adam", "space.learning_rate=0.01")
    outcome = run(config)
    assert outcome.winner is not None
    rmse = outcome.winner.test["rmse"]
    assert rmse is not None
    assert 40 < rmse < 110  # the target's standard deviation is 77
    assert outcome.winner.validation["rmse"] == pytest.approx(outcome.winner.record.result.score)
    data = prepare(config).data
    model = keras.models.load_model(outcome.run.model)
    predicted = model.predict(data.x[data.test], verbose=0).reshape(-1)
    assert math.sqrt(np.mean((predicted - data.y[data.test]) ** 2)) == pytest.approx(rmse)


def test_hyperband_promotes_and_its_promotions_are_rows_of_their_own(tiny: MakeConfig) -> None:
    config = tiny("tuner.name=hyperband", "tuner.max_trials=auto", "training.epochs=4")
    outcome = run(config, listeners=report_listeners())
    trials = trials_of(outcome)
    assert outcome.end.reason == "every bracket is complete"
    promoted = trials[trials["parent"].notna()].set_index("trial_id")
    assert len(promoted) > 0
    scores = trials.set_index("trial_id")["score"]
    for trial_id, row in promoted.iterrows():
        assert row["rung"] >= 1
        assert row["score"] >= scores[row["parent"]], trial_id  # the best of the whole training
    assert not list(outcome.run.path.rglob("*.state.npz"))


class Sometimes(MLP):
    """Raises for some widths."""

    def network(self, hp: Any, x: Any) -> Any:
        if 9 < hp.get("units") < 30:  # not those of the first configuration
            raise ValueError("too wide\nand more")
        return super().network(hp, x)


class Diverging(MLP):
    """Every loss is infinite."""

    def build(self, hp: Any) -> Any:
        model = super().build(hp)
        model.compile(optimizer=model.optimizer, loss=infinite, metrics=["accuracy"])
        return model


def infinite(_: Any, y_pred: Any) -> Any:
    return keras.ops.mean(y_pred, axis=-1) * 0 + float("inf")


def test_a_trial_that_raises_is_a_row_with_its_reason_and_never_the_best(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "sometimes", f"{__name__}:Sometimes")
    wide = ("hypermodel.name=sometimes", "tuner.max_trials=5", "space.units={min: 4, max: 30}")
    outcome = run(tiny(*wide), listeners=report_listeners())
    trials = trials_of(outcome)
    failed = trials[trials["units"].between(10, 29)]
    assert 0 < len(failed) < 5
    assert set(failed["status"]) == {"FAILED"}
    assert set(failed["reason"]) == {"ValueError: too wide"}
    assert failed["score"].isna().all()
    assert outcome.winner is not None
    assert outcome.winner.record.spec.trial_id not in set(failed["trial_id"])
    record = next(r for r in outcome.progress.records if r.result.status == "FAILED")
    assert "raise ValueError" in record.result.traceback


def test_infinity_fails_and_too_many_failures_end_the_search(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "diverging", f"{__name__}:Diverging")
    limits = ("hypermodel.name=diverging", "tuner.max_trials=9", "limits.consecutive_failures=2")
    outcome = run(tiny(*limits), listeners=report_listeners())
    assert outcome.end.kind == "failing"
    assert outcome.end.reason == "2 trials in a row failed (limits.consecutive_failures)"
    assert outcome.winner is None
    trials = trials_of(outcome)
    assert set(trials["reason"]) == {"loss became inf in epoch 1"}
    assert trials["epochs"].tolist() == [1, 1]
    assert len(pd.read_csv(outcome.run.history_table)) == 2  # the epoch that failed is kept


class Broken(MLP):
    """Never builds."""

    def network(self, hp: Any, x: Any) -> Any:
        return x.there_is_no_such_thing


def test_a_hypermodel_that_cannot_be_built_is_told_before_the_search(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(HYPERMODELS, "broken", f"{__name__}:Broken")
    with pytest.raises(UserError, match=r"hypermodel.name=broken .*AttributeError") as caught:
        run(tiny("hypermodel.name=broken"))
    assert "return x.there_is_no_such_thing" in str(caught.value)
    assert not list(tmp_path.iterdir())


class LambdaSometimes(MLP):
    """Cannot be loaded safely, but only where the defaults do not lead."""

    def network(self, hp: Any, x: Any) -> Any:
        x = super().network(hp, x)
        return keras.layers.Lambda(lambda t: t * 2)(x) if hp.get("taper") < 1 else x


def test_a_model_that_cannot_be_exported_does_not_lose_the_search(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "sometimes", f"{__name__}:LambdaSometimes")
    config = tiny("hypermodel.name=sometimes", "space.taper=open")
    outcome = run(config, listeners=report_listeners())
    assert outcome.end.kind == "failing"
    assert "the best model was not exported" in outcome.end.reason
    assert outcome.winner is None
    assert len(trials_of(outcome)) == 3
    assert not outcome.run.metrics.exists()


class ReadsValidation(keras.callbacks.Callback):
    """A callback of one's own that needs validation metrics, and does not say so."""

    @classmethod
    def declare(cls, hp: Any) -> None:
        """Has no hyperparameters."""

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: Any) -> "ReadsValidation":
        return cls()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        assert logs["val_accuracy"] <= 1


class SaysSo(ReadsValidation):
    """The same, and it says so."""

    needs_validation = True


@pytest.mark.parametrize(("name", "exported"), [("ReadsValidation", False), ("SaysSo", True)])
def test_a_refit_leaves_out_callbacks_that_need_validation_rows(
    name: str, exported: bool, tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CALLBACKS, "reads_validation", f"{__name__}:{name}")
    folds = tiny("tuner.folds=2", "tuner.max_trials=1", "training.epochs=1")
    outcome = run(folds, listeners=report_listeners())
    assert set(trials_of(outcome)["status"]) == {"COMPLETED"}
    assert (outcome.winner is not None) == exported
    if not exported:
        assert "KeyError" in outcome.end.reason
        assert "needs_validation" in outcome.end.reason


@pytest.mark.usefixtures("fake")
def test_an_interrupted_search_keeps_everything_and_exports_nothing(folder: Path) -> None:
    outcome = search(folder, listeners=[StopAfter(2)])
    assert outcome.end.kind == "interrupted"
    assert outcome.winner is None
    assert not outcome.run.best.exists()
    state = saved(folder)
    assert len(state.records) == 2
    assert len(state.specs) == 3  # the trial that was broken off too


def test_a_schedule_by_the_step_needs_a_schedule(tiny: MakeConfig) -> None:
    by_step = "training.schedule_unit=step"
    with pytest.raises(UserError, match=r"training\.schedule_unit: 'step' has no effect with"):
        prepare(tiny(by_step, "space.schedule=constant"))
    prepared = prepare(tiny(by_step, "space.schedule=[constant, cosine]"))
    assert prepared.plan.schedule_unit == "step"


class FailsAtTheEnd(SearchListener):
    """Cannot show the winner."""

    def on_export(self, run: RunDirectory, winner: Winner) -> None:
        raise ValueError("no picture")


@pytest.mark.usefixtures("fake")
def test_what_cannot_be_shown_at_the_end_takes_nothing_back(folder: Path) -> None:
    outcome = search(folder, listeners=[FailsAtTheEnd()])
    assert outcome.winner is not None
    assert outcome.run.model.exists()
    assert outcome.end.kind == "finished"
    assert outcome.end.reason.endswith("not all could be shown: ValueError: no picture")
    assert outcome.end.setting == "tuner.max_trials"
