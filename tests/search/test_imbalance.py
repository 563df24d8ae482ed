"""Objectives, class weights and thresholds for classes of unequal size, in whole searches."""

import io
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn import metrics as judge
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from src.config import load_config
from src.console.outcome import show_outcome
from src.console.plan import show_plan
from src.errors import UserError
from src.search import run
from src.search.preparation import prepare
from tests.conftest import MakeConfig, report_listeners

NAMES = {"auc": "roc_auc"}  # in metrics.json


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A table whose class `yes` has one row in twelve, and overlaps with the other."""
    random = np.random.default_rng(0)
    y = np.arange(900) % 12 == 0
    x = random.normal(size=(900, 4)) + 1.2 * y[:, None] * [1, 1, 0, 0]
    table = pd.DataFrame(x, columns=list("abcd")).assign(found=np.where(y, "yes", "no"))
    path = tmp_path_factory.mktemp("rare") / "rare.csv"
    table.to_csv(path, index=False)
    return str(path)


@pytest.fixture
def rare_config(tiny: MakeConfig, rare: str) -> MakeConfig:
    def make(*overrides: str) -> Any:
        table = ("data.source=csv", f"data.path={rare}")
        pins = ("space.units=16", "space.optimizer=adam", "space.learning_rate=0.02")
        return tiny(*table, *pins, "training.epochs=6", "tuner.max_trials=1", *overrides)

    return make


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("breast_cancer", "auc"),
        pytest.param("iris", "balanced_accuracy", marks=pytest.mark.slow),
        pytest.param("iris", "pr_auc", marks=pytest.mark.slow),
    ],
)
def test_the_score_is_what_the_exported_model_comes_to(
    tiny: MakeConfig, source: str, name: str
) -> None:
    config = tiny(f"data.source={source}", f"objective.name=val_{name}", "tuner.max_trials=1")
    outcome = run(config)
    assert outcome.winner is not None
    score = outcome.winner.record.result.score
    assert outcome.winner.validation[NAMES.get(name, name)] == pytest.approx(score, rel=1e-5)
    fit = outcome.winner.record.result.fits[0].metrics
    values = [row[f"val_{name}"] for row in outcome.winner.record.result.history]
    assert score == fit[f"val_{name}"] == max(values)


def test_the_objective_is_in_every_table_and_in_tensorboard(rare_config: MakeConfig) -> None:
    outcome = run(rare_config("objective.name=val_pr_auc"), listeners=report_listeners())
    trials, history = (
        pd.read_csv(path, dtype={"trial_id": str})
        for path in (outcome.run.trials_table, outcome.run.history_table)
    )
    assert (
        trials["val_pr_auc"].tolist() == trials["score"].tolist() == [history["val_pr_auc"].max()]
    )
    assert history["pr_auc"].between(0.05, 1).all()
    accumulator = EventAccumulator(str(outcome.run.tensorboard / "0000"))
    accumulator.Reload()
    scalars = [event.value for event in accumulator.Scalars("pr_auc/validation")]
    assert scalars == pytest.approx(history["val_pr_auc"].tolist())
    assert "auc/validation" not in accumulator.Tags()["scalars"]
    assert outcome.winner is not None
    assert outcome.winner.threshold is None  # without objective.threshold=tuned
    assert "threshold" not in json.loads(outcome.run.metrics.read_text())
    layers = keras.models.load_model(outcome.run.model, safe_mode=True).layers
    assert "decision_threshold" not in [layer.name for layer in layers]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["data.source=diabetes", "objective.name=val_f1"],
            "objective.name: 'val_f1' is not reported for regression data. "
            "Valid: val_rmse, val_mae, val_r2, val_loss",
        ),
        (
            ["data.source=diabetes", "data.class_weight=balanced"],
            "data.class_weight: 'balanced' is for classes, and the task is regression; valid "
            "here: none. If the target's numbers are classes, set data.task",
        ),
        (
            ["data.source=iris", "objective.threshold=tuned"],
            "objective.threshold: 'tuned' is for binary tasks, and the task is multiclass; valid "
            "here: default",
        ),
    ],
)
def test_what_does_not_fit_the_task_is_told_before_the_search(
    tiny: MakeConfig, overrides: list[str], message: str
) -> None:
    with pytest.raises(UserError) as error:
        prepare(tiny(*overrides))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("override", "needing"),
    [
        ("objective.name=val_auc", "objective.name: 'val_auc'"),
        pytest.param(
            *("objective.threshold=tuned", "objective.threshold: 'tuned'"), marks=pytest.mark.slow
        ),
    ],
)
def test_a_class_without_validation_rows_cannot_be_judged(
    tiny: MakeConfig, tmp_path: Path, override: str, needing: str
) -> None:
    table = pd.DataFrame(
        {"a": np.arange(400.0) ** 1.5, "y": np.where(np.arange(400) < 4, "yes", "no")}
    )
    table.to_csv(tmp_path / "few.csv", index=False)
    few = ("data.source=csv", f"data.path={tmp_path / 'few.csv'}", "data.validation_fraction=0.05")
    prepare(tiny(*few))
    prepare(tiny(*few, override, "tuner.folds=2"))
    with pytest.raises(UserError) as error:
        prepare(tiny(*few, override))
    assert str(error.value) == (
        f"{needing} needs validation rows of every class, and of 'yes' there is none among 20. "
        "Valid: a larger data.validation_fraction (it is 0.05), or tuner.folds above 1"
    )


@pytest.mark.slow
def test_class_weights_raise_balanced_accuracy(rare_config: MakeConfig) -> None:
    found, losses = {}, {}
    for weight in ("none", "balanced"):
        config = rare_config(f"data.class_weight={weight}", "tuner.folds=2")
        winner = run(config).winner
        assert winner is not None
        found[weight] = winner
        losses[weight] = winner.record.result.fits[0].metrics
    text = io.StringIO()
    show_plan(Console(file=text, width=200), prepare(config), [])
    assert "class weights" in text.getvalue()
    plain, weighted = found["none"], found["balanced"]
    for metrics in ("validation", "test"):  # of the folds, and of the refit
        gain = [getattr(winner, metrics)["balanced_accuracy"] for winner in (plain, weighted)]
        assert gain[0] < 0.75
        assert gain[1] > gain[0] + 0.1
    # Validation is not weighted: of a loss without smoothing and penalties, it is the log loss.
    assert losses["balanced"]["val_loss"] == pytest.approx(losses["balanced"]["val_log_loss"], 1e-4)
    assert abs(losses["balanced"]["loss"] / losses["balanced"]["log_loss"] - 1) > 0.03
    assert losses["none"]["loss"] == pytest.approx(losses["none"]["log_loss"], 1e-4)


@pytest.mark.parametrize("folds", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_tuned_threshold_decides_on_the_test_rows_and_is_in_the_model(
    rare_config: MakeConfig, folds: int
) -> None:
    config = rare_config(
        *("objective.name=val_f1", "objective.threshold=tuned", f"tuner.folds={folds}"),
        *("training.epochs=20", "space.early_stopping_patience=0"),
    )
    outcome = run(config)
    prepared, winner = prepare(config), outcome.winner
    data = prepared.data
    assert winner is not None
    tuned = winner.threshold
    assert tuned is not None
    assert tuned.metric == "f1"
    assert tuned.score > tuned.default_score + 0.02
    assert tuned.score == pytest.approx(winner.validation["f1"])
    # After one fit, the score is that of its best epoch, at 0.5.
    if folds == 1:
        assert tuned.default_score == pytest.approx(winner.record.result.score, rel=1e-5)

    model = keras.models.load_model(outcome.run.model, safe_mode=True)
    assert model.get_layer("decision_threshold").bin_boundaries == [tuned.value]
    probability = model.predict(data.raw_rows(data.test)[:], verbose=0)
    assert probability.shape == (len(data.test), 1)
    found = probability[:, 0] >= tuned.value
    assert 0 < found.sum() != (probability[:, 0] > 0.5).sum()
    expected = judge.f1_score(data.y[data.test], found, average="macro")
    written = json.loads(outcome.run.metrics.read_text())
    assert winner.test["f1"] == written["test"]["f1"] == pytest.approx(expected)
    assert written["threshold"] == {
        "value": tuned.value,
        "metric": "f1",
        "score": tuned.score,
        "default_score": tuned.default_score,
    }
    table = pd.read_csv(outcome.run.predictions)
    names = np.where(table["probability_yes"].astype("float32") >= tuned.value, "yes", "no")
    assert table["prediction"].tolist() == names.tolist()
    text = io.StringIO()
    show_outcome(Console(file=text, width=200), prepared, outcome)
    assert f"'yes' from a probability of {tuned.value:.5g} on" in text.getvalue()
    assert f"f1 {tuned.score:.5g}, with 0.5 {tuned.default_score:.5g}" in text.getvalue()
    resumed = run(resume=str(outcome.run.path))
    assert resumed.winner is not None
    assert resumed.winner.threshold == tuned


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        *((f"val_{name}", "max") for name in ("accuracy", "balanced_accuracy", "f1", "auc")),
        *(("val_pr_auc", "max"), ("val_log_loss", "min"), ("val_rmse", "min")),
        *(("val_mae", "min"), ("val_r2", "max"), ("val_loss", "min")),
    ],
)
def test_every_objective_has_its_direction(name: str, direction: str) -> None:
    assert load_config(None, [f"objective.name={name}"]).objective.resolved_direction == direction
    wrong = "min" if direction == "max" else "max"
    with pytest.raises(UserError, match=f"'{wrong}' is a mistake with objective.name: '{name}'"):
        load_config(None, [f"objective.name={name}", f"objective.direction={wrong}"])
