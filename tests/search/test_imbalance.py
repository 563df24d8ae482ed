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
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from src.config import load_config
from src.console.summary import show_outcome
from src.errors import UserError
from src.reporting import report_listeners
from src.search import run
from src.search.preparation import prepare
from tests.conftest import MakeConfig


@pytest.fixture
def rare(tiny: MakeConfig, tmp_path: Path) -> MakeConfig:
    """Searches a table whose class `yes` has one row in twelve, and overlaps with the other."""
    y = np.arange(900) % 12 == 0
    x = np.random.default_rng(0).normal(size=(900, 4)) + 1.2 * y[:, None] * [1, 1, 0, 0]
    table = pd.DataFrame(x, columns=list("abcd")).assign(found=np.where(y, "yes", "no"))
    table.to_csv(tmp_path / "rare.csv", index=False)
    rows = ("data.source=csv", f"data.path={tmp_path / 'rare.csv'}")
    pins = ("space.units=16", "space.optimizer=adam", "space.learning_rate=0.02")
    return lambda *own: tiny(*rows, *pins, "training.epochs=6", "tuner.max_trials=1", *own)


@pytest.mark.parametrize("source", ["iris", pytest.param("breast_cancer", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["auc", pytest.param("log_loss", marks=pytest.mark.slow)])
def test_the_score_is_what_the_exported_model_comes_to_and_is_everywhere(
    tiny: MakeConfig, source: str, name: str
) -> None:
    config = tiny(f"data.source={source}", f"objective.name=val_{name}", "tuner.max_trials=1")
    outcome = run(config, listeners=report_listeners())
    assert outcome.winner is not None
    assert "threshold" not in json.loads(outcome.run.metrics.read_text())
    score = outcome.winner.record.result.score
    judged = outcome.winner.validation["roc_auc" if name == "auc" else name]
    assert judged == pytest.approx(score, rel=1e-5)
    best = min if name == "log_loss" else max
    history = pd.read_csv(outcome.run.history_table)[f"val_{name}"]
    assert pd.read_csv(outcome.run.trials_table)[f"val_{name}"].tolist() == [score]
    assert score == best(history)
    events = EventAccumulator(str(outcome.run.tensorboard / "0000")).Reload()
    scalars = [event.value for event in events.Scalars(f"{name}/validation")]
    assert scalars == pytest.approx(history.tolist())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
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
        told = f"{key}: '{value}' needs validation rows of every class, and of 'yes' there is none"
        with pytest.raises(UserError, match=told):
            prepare(tiny(*few, f"{key}={value}"))


@pytest.mark.slow
def test_class_weights_raise_balanced_accuracy(rare: MakeConfig) -> None:
    weights = ("data.class_weight=none", "data.class_weight=balanced")
    winners: list[Any] = [run(rare(weight, "tuner.folds=2")).winner for weight in weights]
    for rows in ("validation", "test"):  # of the folds, and of the refit
        plain, weighted = (getattr(winner, rows)["balanced_accuracy"] for winner in winners)
        assert plain < 0.75
        assert weighted > plain + 0.1
    # Validation is not weighted: of a loss without smoothing and penalties, it is the log loss.
    losses = winners[1].record.result.fits[0].metrics
    assert losses["val_loss"] == pytest.approx(losses["val_log_loss"], 1e-4)
    assert abs(losses["loss"] / losses["log_loss"] - 1) > 0.03


def test_a_tuned_threshold_decides_on_the_test_rows_and_is_in_the_model(rare: MakeConfig) -> None:
    settings = ("training.epochs=20", "space.early_stopping_patience=0")
    config = rare("objective.name=val_f1", "objective.threshold=tuned", *settings)
    outcome, prepared = run(config), prepare(config)
    winner, data = outcome.winner, prepared.data
    assert winner is not None
    tuned = winner.threshold
    assert tuned is not None
    assert tuned.metric == "f1"
    assert tuned.score == pytest.approx(winner.validation["f1"])
    assert tuned.score > tuned.default_score + 0.02
    assert tuned.default_score == pytest.approx(winner.record.result.score, rel=1e-5)

    model = keras.models.load_model(outcome.run.model, safe_mode=True)
    assert model.get_layer("decision_threshold").bin_boundaries == [tuned.value]
    probability = model.predict(data.raw_rows(data.test)[:], verbose=0)[:, 0]
    found = probability >= tuned.value
    assert 0 < found.sum() != (probability > 0.5).sum()
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


def test_every_objective_has_its_direction() -> None:
    names = {"max": "accuracy balanced_accuracy f1 auc pr_auc r2", "min": "log_loss rmse mae loss"}
    for direction, wrong in (("max", "min"), ("min", "max")):
        for chosen in (f"objective.name=val_{name}" for name in names[direction].split()):
            assert load_config(None, [chosen]).objective.resolved_direction == direction
            with pytest.raises(UserError, match=f"'{wrong}' is a mistake with objective.name: "):
                load_config(None, [chosen, f"objective.direction={wrong}"])
