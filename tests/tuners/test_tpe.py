"""The tuner `tpe`: Optuna behind Keras Tuner's interface, and what is said where it is missing."""

import logging
from typing import Any

import keras_tuner as kt
import numpy as np
import pytest

from src.config import load_config
from src.errors import UserError
from tests.tuners.driving import distinct, make, run
from tests.tuners.random_spaces import check_point


def mixed_space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Float("reversed", 0.5, 0.99, sampling="reverse_log")
    hp.Float("stepped", 0.0, 1.0, step=0.25)
    hp.Int("units", 16, 64, sampling="log")
    hp.Int("size", 1, 100, sampling="log", step=10)
    hp.Int("layers", 1, 8, step=3)
    hp.Choice("optimizer", ["sgd", "momentum"])
    with hp.conditional_scope("optimizer", ["momentum"]):
        hp.Float("momentum", 0.5, 0.99)
    hp.Choice("batch_size", [16, 32, 64])
    hp.Boolean("bias")
    hp.Fixed("width", 2)
    return hp


def loss(values: dict[str, Any]) -> float:
    rate = float(np.log10(values["rate"])) + 2
    branch = 1.0 if values["optimizer"] == "sgd" else (values["momentum"] - 0.9) ** 2
    return abs(rate) + branch


def test_points_are_valid_and_distinct_and_become_better() -> None:
    space, oracle = mixed_space(), make("tpe", mixed_space(), direction="min", max_trials=50)
    points = run(oracle, 50, lambda values: None if len(oracle.trials) % 7 == 3 else loss(values))
    for point in points:
        check_point(space, point)
    assert distinct(points) == 50
    losses = [loss(point) for point in points]
    assert np.mean(losses[35:]) < 0.6 * np.mean(losses[1:11])
    assert sum(point["optimizer"] == "momentum" for point in points[35:]) >= 12
    other = run(make("tpe", mixed_space(), direction="min", seed=8), 4, loss)
    assert not any(point in points for point in other[1:])


def test_values_become_optunas_and_come_back() -> None:
    optuna = pytest.importorskip("optuna")
    from src.tuners.tpe import Parameter

    space = mixed_space()
    parameters = {hp.name: Parameter(hp.name, hp) for hp in space.space}
    for values in run(make("random", space), 12):
        for name, value in values.items():
            number = parameters[name].to_optuna(value)
            back = parameters[name].suggest(optuna.trial.FixedTrial({name: number}))
            assert back == (pytest.approx(value) if name == "reversed" else value)
    assert parameters["momentum"].to_optuna(0.99 + 1e-15) == 0.99  # by rounding


def test_optuna_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.enable_propagation()
    try:
        with caplog.at_level(logging.INFO, logger="optuna"):
            run(make("tpe", mixed_space()), 3)
        assert caplog.records == []
    finally:
        optuna.logging.disable_propagation()


def test_where_optuna_is_missing_the_configuration_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.registry.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"'tpe' needs the package optuna.* pip install optuna"):
        load_config(None, ["tuner.name=tpe"])
    assert load_config(None, ["tuner.name=gp"]).tuner.name == "gp"
