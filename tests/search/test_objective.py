"""The objective is checked before the first trial."""

from typing import Literal

import keras_tuner as kt
import pytest

from hypermodels.problem import Task
from src.config.schema import ObjectiveSettings
from src.errors import UserError
from src.search.objective import resolve_objective

CLASS_METRICS = ("accuracy", "log_loss")
REGRESSION_METRICS = ("rmse", "mae", "r2")


def open_space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Float("label_smoothing", 0.0, 0.2)
    hp.Choice("regularizer", ["none", "l2"])
    with hp.conditional_scope("regularizer", ["l2"]):
        hp.Float("l2", 1e-7, 1e-2, sampling="log")
    hp.Int("units", 16, 512)
    return hp


def pinned_space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Fixed("label_smoothing", 0.1)
    hp.Fixed("regularizer", "none")
    with hp.conditional_scope("regularizer", ["l2"]):
        hp.Float("l2", 1e-7, 1e-2, sampling="log")  # can never be active
    hp.Int("units", 16, 512)
    return hp


@pytest.mark.parametrize(
    ("task", "metrics", "name", "direction"),
    [
        ("binary", CLASS_METRICS, "val_accuracy", "max"),
        ("multiclass", CLASS_METRICS, "val_accuracy", "max"),
        ("regression", REGRESSION_METRICS, "val_rmse", "min"),
    ],
)
def test_auto_goes_by_the_task(
    task: Task, metrics: tuple[str, ...], name: str, direction: str
) -> None:
    objective = resolve_objective(ObjectiveSettings(), task, metrics, open_space())
    assert (objective.name, objective.direction) == (name, direction)


@pytest.mark.parametrize(
    ("name", "metrics", "direction"),
    [
        ("val_log_loss", CLASS_METRICS, "min"),
        ("val_mae", REGRESSION_METRICS, "min"),
        ("val_r2", REGRESSION_METRICS, "max"),  # Keras Tuner itself guesses min
    ],
)
def test_directions_of_known_metrics(name: str, metrics: tuple[str, ...], direction: str) -> None:
    task: Task = "binary" if metrics is CLASS_METRICS else "regression"
    objective = resolve_objective(ObjectiveSettings(name=name), task, metrics, open_space())
    assert (objective.name, objective.direction) == (name, direction)


@pytest.mark.parametrize("direction", ["min", "max"])
def test_a_metric_of_the_users_own_has_the_direction_they_give(
    direction: Literal["min", "max"],
) -> None:
    settings = ObjectiveSettings(name="val_gain", direction=direction)
    objective = resolve_objective(settings, "binary", ("gain",), open_space())
    assert (objective.name, objective.direction) == ("val_gain", direction)


def test_a_misspelt_objective_is_refused_with_the_nearest() -> None:
    settings = ObjectiveSettings(name="val_acuracy", direction="max")
    with pytest.raises(UserError) as caught:
        resolve_objective(settings, "binary", CLASS_METRICS, open_space())
    assert str(caught.value) == (
        "objective.name: 'val_acuracy' is not reported for binary data. Did you mean "
        "'val_accuracy'? Valid: val_accuracy, val_log_loss, val_loss"
    )


def test_another_tasks_metric_is_refused() -> None:
    with pytest.raises(UserError, match=r"'val_accuracy' is not reported for regression data"):
        resolve_objective(
            ObjectiveSettings(name="val_accuracy"), "regression", REGRESSION_METRICS, open_space()
        )


def test_val_loss_is_refused_while_the_loss_is_searched() -> None:
    settings = ObjectiveSettings(name="val_loss")
    with pytest.raises(UserError) as caught:
        resolve_objective(settings, "binary", CLASS_METRICS, open_space())
    assert str(caught.value) == (
        "objective.name: 'val_loss' cannot compare trials while l2, label_smoothing, regularizer "
        "change the loss; pin them, or use val_accuracy or val_log_loss"
    )


def test_val_loss_is_accepted_once_all_of_them_are_pinned_or_out_of_reach() -> None:
    settings = ObjectiveSettings(name="val_loss")
    objective = resolve_objective(settings, "binary", CLASS_METRICS, pinned_space())
    assert (objective.name, objective.direction) == ("val_loss", "min")
