"""Patience and lengths without an effect in any trial are told before the search."""

from functools import cache
from typing import Any

import keras_tuner as kt
import pytest

from callbacks import TrainingPlan
from hypermodels.mlp import MLP
from src import tune
from src.config import load_config
from src.errors import UserError
from src.search.preparation import patience_notices
from src.tuners import space as spaces
from src.tuners.space_settings import check_training, narrow
from tests.hypermodels.helpers import PROBLEMS

OFF = "space.early_stopping_patience=0"


@cache
def declared() -> kt.HyperParameters:
    return spaces.discover(MLP(PROBLEMS["binary"]))


def narrowed(*overrides: str) -> tuple[kt.HyperParameters, Any]:
    config = load_config("default", overrides)
    return narrow(declared(), config.space, MLP.limits()), config


def notices(*overrides: str, epochs: int) -> list[str]:
    space, _ = narrowed(*overrides)
    return patience_notices(space, TrainingPlan(epochs, "val_loss", "min"))


def test_the_defaults_are_silent() -> None:
    assert notices(epochs=50) == notices("space=open", epochs=30) == []


@pytest.mark.parametrize(
    ("name", "value", "condition", "epoch"),
    [
        ("plateau_patience", "19", "plateau=true", 21),
        ("plateau_patience", "{min: 19, max: 30}", "plateau=[true, false]", 21),
        ("early_stopping_patience", "19", "early_stopping_start=0", 21),
        ("batch_schedule_patience", "19", "batch_schedule=plateau", 21),
        ("regularization_patience", "19", "regularization_schedule=gap", 21),
        ("batch_schedule_every", "20", "batch_schedule=step", 21),
        ("schedule_every", "{min: 20.0, max: 25.0}", "schedule=step", 21),
        ("schedule_boundary", "25", "schedule=piecewise_constant", 26),
        ("schedule_rise", "20", "schedule=one_cycle", 21),
        ("warmup_epochs", "{min: 20.0, max: 25.0}", "warmup=linear", 21),
    ],
)
def test_what_no_trial_is_long_enough_for_is_told(
    name: str, value: str, condition: str, epoch: int
) -> None:
    pins = (OFF, f"space.{condition}", f"space.{name}={value}")
    assert notices(*pins, epochs=20) == [
        f"space.{name}: has no effect in any trial: the earliest would be in epoch {epoch}, but "
        "training.epochs is 20"
    ]
    assert notices(*pins, epochs=epoch) == []


def test_what_is_off_is_not_told() -> None:
    assert notices(OFF, "space.plateau=false", epochs=2) == []
    assert notices("space.early_stopping_patience={min: 0, max: 3}", epochs=4) == []


def test_the_command_tells_it_before_the_search(capsys: pytest.CaptureFixture[str]) -> None:
    pins = ["space.plateau=true", "space.plateau_patience=70"]
    assert tune.main(["--dry-run", "--config", "quick", "data.source=iris", *pins]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("notice space.") == 1
    assert "space.plateau_patience: has no effect in any trial" in told


@pytest.mark.parametrize(
    ("setting", "off", "on", "message"),
    [
        (
            "training.schedule_unit=step",
            ("space.schedule=constant",),
            ("space.schedule=constant", "space.warmup=[none, linear]"),
            "training.schedule_unit: 'step' has no effect with space.schedule: constant",
        ),
    ],
)
def test_settings_that_no_trial_can_feel_are_mistakes(
    setting: str, off: tuple[str, ...], on: tuple[str, ...], message: str
) -> None:
    space, config = narrowed(setting, *off)
    with pytest.raises(UserError, match=message):
        check_training(space, config.training)
    space, config = narrowed(setting, *on)
    check_training(space, config.training)
