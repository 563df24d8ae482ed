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
from sklearn.metrics import f1_score
from src.console.summary import show_outcome, show_plan
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from src.config import load_config
from src.errors import UserError
from src.reporting import report_listeners
from src.search import run
from src.search.preparation import prepare
from tests.conftest import MakeConfig

NAMES = {"auc": "roc_auc"}  # in metrics.json


@pytest.fixture
def rare(tiny: MakeConfig, tmp_path: Path) -> MakeConfig:
    """Searches a table whose class `yes` has one row in twelve, and overlaps with the other."""
    random = np.random.default_rng(0)
    y = np.arange(900) % 12 == 0
    x = random.normal(size=(900, 4)) + 1.2 * y[:, None] * [1, 1, 0, 0]
    table = pd.DataFrame(x, columns=list("abcd")).assign(found=np.where(y, "yes", "no"))
    table.to_csv(tmp_path / "rare.csv", index=False)
    rows = ("data.source=csv", f"data.path={tmp_path / 'rare.csv'}")
    pins = ("space.units=16", "space.optimizer=adam", "space.learning_rate=0.02")
    return lambda *own: tiny(*rows, *pins, "training.epochs=6", "tuner.max_trials=1", *own)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("iris", "balanced_accuracy"),
        pytest.param("breast_cancer", "auc", marks=pytest.mark.slow),
        pytest.param("iris", "pr_auc", marks=pytest.mark.slow),
        pytest.param("breast_cancer", "f1", marks=pytest.mark.slow),
        pytest.param("breast_cancer", "log_loss", marks=pytest.mark.slow),
    ],
)
def test_the_score_is_what_the_exported_model_comes_to_and_is_everywhere(
    tiny: MakeConfig, source: str, name: str
) -> None:
    config = tiny(f"data.source={source}", f"objective.name=val_{name}", "tuner.max_trials=1")
    outcome = run(config, listeners=report_listeners())
    assert outcome.winner is not None
    assert outcome.winner.threshold is None
    assert "threshold" not in json.loads(outcome.run.metrics.read_text())
    score = outcome.winner.record.result.score
    assert outcome.winner.validation[NAMES.get(name, name)] == pytest.approx(score, rel=1e-5)
    best = min if name == "log_loss" else max
    history = pd.read_csv(outcome.run.history_table)
    trials = pd.read_csv(outcome.run.trials_table)
    assert trials[f"val_{name}"].tolist() == [score] == [best(history[f"val_{name}"])]
    events = EventAccumulator(str(outcome.run.tensorboard / "0000")).Reload()
    scalars = [event.value for event in events.Scalars(f"{name}/validation")]
    assert scalars == pytest.approx(history[f"val_{name}"].tolist())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.source=diabetes", "objective.name=val_f1"],
         "objective.name: 'val_f1' is not reported for regression data. "
         "Valid: val_rmse, val_mae, val_r2, val_loss"),
        (["data.source=iris", "objective.name=val_r2"],
         "objective.name: 'val_r2' is not reported for multiclass data. Valid: val_accuracy, "
         "val_log_loss, val_balanced_accuracy, val_f1, val_auc, val_pr_auc, val_loss"),
        (["data.source=diabetes", "data.class_weight=balanced"],
         "data.class_weight: 'balanced' is for classes, and the task is regression; valid "
         "here: none. If the target's numbers are classes, set data.task"),
        (["data.source=iris", "objective.threshold=tuned"],
         "objective.threshold: 'tuned' is for binary tasks, and the task is multiclass; valid "
         "here: default"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_task_is_told_before_the_search(
    tiny: MakeConfig, overrides: list[str], message: str
) -> None:
    with pytest.raises(UserError) as error:
        prepare(tiny(*overrides))
    assert str(error.value) == message


def test_a_class_without_validation_rows_cannot_be_judged(tiny: MakeConfig, tmp_path: Path) -> None:
    numbers = np.arange(400)
    table = pd.DataFrame({"a": numbers**1.5, "y": np.where(numbers < 4, "yes", "no")})
    table.to_csv(tmp_path / "few.csv", index=False)
    few = ("data.source=csv", f"data.path={tmp_path / 'few.csv'}", "data.validation_fraction=0.05")
    prepare(tiny(*few, "objective.name=val_auc", "tuner.folds=2"))
    for key, value in (("objective.name", "val_auc"), ("objective.threshold", "tuned")):
        with pytest.raises(UserError) as error:
            prepare(tiny(*few, f"{key}={value}"))
        assert str(error.value) == (
            f"{key}: '{value}' needs validation rows of every class, and of 'yes' there is none "
            "among 20. Valid: a larger data.validation_fraction (it is 0.05), or tuner.folds above "
            "1"
        )


@pytest.mark.slow
def test_class_weights_raise_balanced_accuracy(rare: MakeConfig) -> None:
    found: dict[str, Any] = {}
    for weight in ("none", "balanced"):
        config = rare(f"data.class_weight={weight}", "tuner.folds=2")
        found[weight] = run(config).winner
    text = io.StringIO()
    show_plan(Console(file=text, width=200), prepare(config), {})
    assert "class weights" in text.getvalue()
    for rows in ("validation", "test"):  # of the folds, and of the refit
        plain, weighted = (getattr(w, rows)["balanced_accuracy"] for w in found.values())
        assert weighted > plain + 0.1
        assert plain < 0.75
    # Validation is not weighted: of a loss without smoothing and penalties, it is the log loss.
    losses = found["balanced"].record.result.fits[0].metrics
    assert losses["val_loss"] == pytest.approx(losses["val_log_loss"], 1e-4)
    assert abs(losses["loss"] / losses["log_loss"] - 1) > 0.03


@pytest.mark.parametrize("folds", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_tuned_threshold_decides_on_the_test_rows_and_is_in_the_model(
    rare: MakeConfig, folds: int
) -> None:
    config = rare(
        *("objective.name=val_f1", "objective.threshold=tuned", f"tuner.folds={folds}"),
        *("training.epochs=20", "space.early_stopping_patience=0"),
    )
    outcome, prepared = run(config), prepare(config)
    winner, data = outcome.winner, prepared.data
    assert winner is not None
    tuned = winner.threshold
    assert tuned is not None
    assert tuned.metric == "f1"
    assert tuned.score > tuned.default_score + 0.02
    assert tuned.score == pytest.approx(winner.validation["f1"])
    if folds == 1:  # the score is that of the fit's best epoch, at 0.5
        assert tuned.default_score == pytest.approx(winner.record.result.score, rel=1e-5)

    model = keras.models.load_model(outcome.run.model, safe_mode=True)
    assert model.get_layer("decision_threshold").bin_boundaries == [tuned.value]
    probability = model.predict(data.raw_rows(data.test)[:], verbose=0)
    found = probability[:, 0] >= tuned.value
    assert 0 < found.sum() != (probability[:, 0] > 0.5).sum()
    written = json.loads(outcome.run.metrics.read_text())
    expected = f1_score(data.y[data.test], found, average="macro")
    assert winner.test["f1"] == written["test"]["f1"] == pytest.approx(expected)
    assert written["threshold"] == vars(tuned)
    table = pd.read_csv(outcome.run.predictions)
    names = np.where(table["probability_yes"].astype("float32") >= tuned.value, "yes", "no")
    assert table["prediction"].tolist() == names.tolist()
    text = io.StringIO()
    show_outcome(Console(file=text, width=200), prepared, outcome, [])
    assert f"'yes' from a probability of {tuned.value:.5g} on" in text.getvalue()


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        *((name, "max") for name in ("accuracy", "balanced_accuracy", "f1", "auc", "pr_auc", "r2")),
        *((name, "min") for name in ("log_loss", "rmse", "mae", "loss")),
    ],
)
def test_every_objective_has_its_direction(name: str, direction: str) -> None:
    chosen = f"objective.name=val_{name}"
    assert load_config(None, [chosen]).objective.resolved_direction == direction
    wrong = "min" if direction == "max" else "max"
    with pytest.raises(
        UserError, match=f"'{wrong}' is a mistake with objective.name: 'val_{name}'"
    ):
        load_config(None, [chosen, f"objective.direction={wrong}"])
