"""The objective is checked before the first trial."""

from typing import Literal

import keras_tuner as kt
import pytest

from hypermodels.problem import Task
from src.config.schema import ObjectiveSettings
from src.errors import UserError
from src.search.objective import resolve_objectives

CLASS_METRICS = ("accuracy", "log_loss")
REGRESSION_METRICS = ("rmse", "mae", "r2")


def space(*, pinned: bool = False) -> kt.HyperParameters:
    hp = kt.HyperParameters()
    if pinned:
        hp.Fixed("label_smoothing", 0.1)
        hp.Fixed("regularizer", "none")
    else:
        hp.Float("label_smoothing", 0.0, 0.2)
        hp.Choice("regularizer", ["none", "l2"])
    with hp.conditional_scope("regularizer", ["l2"]):
        hp.Float("l2", 1e-7, 1e-2, sampling="log")  # can never be active where that is pinned
    hp.Int("units", 16, 512)
    return hp


@pytest.mark.parametrize(
    ("given", "task", "metrics", "name", "direction"),
    [
        ("auto", "binary", CLASS_METRICS, "val_accuracy", "max"),
        ("auto", "multiclass", CLASS_METRICS, "val_accuracy", "max"),
        ("auto", "regression", REGRESSION_METRICS, "val_rmse", "min"),
        ("val_log_loss", "binary", CLASS_METRICS, "val_log_loss", "min"),
        ("val_r2", "regression", REGRESSION_METRICS, "val_r2", "max"),  # Keras Tuner guesses min
    ],
)
def test_names_and_directions(
    given: str, task: Task, metrics: tuple[str, ...], name: str, direction: str
) -> None:
    objective, _ = resolve_objectives(ObjectiveSettings(name=given), task, metrics, space())
    assert (objective.name, objective.direction) == (name, direction)


@pytest.mark.parametrize("direction", ["min", "max"])
def test_a_metric_of_the_users_own_has_the_direction_they_give(
    direction: Literal["min", "max"],
) -> None:
    settings = ObjectiveSettings(name="val_gain", direction=direction)
    objective, _ = resolve_objectives(settings, "binary", ("gain",), space())
    assert (objective.name, objective.direction) == ("val_gain", direction)


def test_what_is_not_reported_is_refused_with_the_nearest() -> None:
    settings = ObjectiveSettings(name="val_acuracy", direction="max")
    with pytest.raises(UserError) as caught:
        resolve_objectives(settings, "binary", CLASS_METRICS, space())
    assert str(caught.value) == (
        "objective.name: 'val_acuracy' is not reported for binary data. Did you mean "
        "'val_accuracy'? Valid: val_accuracy, val_log_loss, val_loss"
    )
    other = ObjectiveSettings(name="val_accuracy")
    with pytest.raises(UserError, match=r"'val_accuracy' is not reported for regression data"):
        resolve_objectives(other, "regression", REGRESSION_METRICS, space())


def test_val_loss_is_refused_while_the_loss_is_searched() -> None:
    settings = ObjectiveSettings(name="val_loss")
    with pytest.raises(UserError) as caught:
        resolve_objectives(settings, "binary", CLASS_METRICS, space())
    assert str(caught.value) == (
        "objective.name: 'val_loss' cannot compare trials while l2, label_smoothing, regularizer "
        "change the loss; pin them, or use val_accuracy or val_log_loss"
    )
    objective, _ = resolve_objectives(settings, "binary", CLASS_METRICS, space(pinned=True))
    assert (objective.name, objective.direction) == ("val_loss", "min")
