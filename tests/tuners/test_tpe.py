"""The oracle `tpe`: Optuna behind Keras Tuner's interface, and what is said where it is missing."""

import importlib.util
import json
import logging
from typing import Any

import keras_tuner as kt
import numpy as np
import pytest

from src.config import load_config
from src.errors import UserError
from tests.tuners.random_spaces import check_point

OBJECTIVE = kt.Objective("score", "min")
SKIP = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None,
    reason="tuner.name=tpe needs the package optuna, which is not installed",
)


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


def oracle_for(space: kt.HyperParameters, seed: int = 3) -> Any:
    from src.tuners.tpe import TPEOracle

    return TPEOracle(objective=OBJECTIVE, hyperparameters=space, seed=seed)


def loss(values: dict[str, Any]) -> float:
    rate = float(np.log10(values["rate"])) + 2
    branch = 1.0 if values["optimizer"] == "sgd" else (values["momentum"] - 0.9) ** 2
    return abs(rate) + branch


def run(oracle: Any, trials: int) -> list[dict[str, Any]]:
    points = []
    for number in range(trials):
        trial = oracle.create_trial("slot0")
        points.append(dict(trial.hyperparameters.values))
        if number % 7 == 3:
            trial.status = "FAILED"
        else:
            oracle.update_trial(trial.trial_id, {"score": loss(points[-1])})
            trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return points


@SKIP
def test_points_are_valid_and_distinct_and_become_better() -> None:
    space = mixed_space()
    points = run(oracle_for(space), 50)
    for point in points:
        check_point(space, point)
    assert len({repr(sorted(point.items())) for point in points}) == 50
    losses = [loss(point) for point in points]
    assert np.mean(losses[35:]) < 0.6 * np.mean(losses[1:11])
    assert sum(point["optimizer"] == "momentum" for point in points[35:]) >= 12


@SKIP
def test_seeds_and_restarts() -> None:
    whole = run(oracle_for(mixed_space()), 24)
    assert run(oracle_for(mixed_space()), 24) == whole
    assert not any(point in whole for point in run(oracle_for(mixed_space(), 4), 24)[1:])
    oracle = oracle_for(mixed_space())
    run(oracle, 14)
    restored = oracle_for(mixed_space())
    trials = [trial.get_state() for trial in oracle.trials.values()]
    restored.restore(*json.loads(json.dumps([oracle.get_state(), trials])))
    assert run(restored, 3) == whole[14:17]  # none of these would fail in the whole one


@SKIP
def test_running_trials_are_seen() -> None:
    from optuna.trial import TrialState

    oracle = oracle_for(mixed_space())
    run(oracle, 12)
    others = [oracle.create_trial(f"slot{number}") for number in range(4)]
    assert len({repr(trial.hyperparameters.values) for trial in others}) == 4
    parameters = oracle._parameters()
    states = [trial.state for trial in oracle._frozen_trials(parameters)]
    assert states.count(TrialState.RUNNING) == 4
    assert states.count(TrialState.FAIL) == 2
    assert states.count(TrialState.COMPLETE) == 10


@SKIP
def test_values_become_optunas_and_come_back() -> None:
    import optuna

    oracle = oracle_for(mixed_space())
    parameters = oracle._parameters()
    trials = [oracle.create_trial(f"slot{number}") for number in range(20)]
    for trial, frozen in zip(trials, oracle._frozen_trials(parameters), strict=True):
        values = trial.hyperparameters.values
        for hp in oracle.hyperparameters.space:
            if id(hp) in parameters and hp.name in values:
                parameter = parameters[id(hp)]
                number = frozen.params[parameter.name]
                back = parameter.suggest(optuna.trial.FixedTrial({parameter.name: number}))
                assert (
                    back == pytest.approx(values[hp.name])
                    if hp.name == "reversed"
                    else (back == values[hp.name])
                )


@SKIP
def test_ranges_of_one_value_or_of_what_rounding_blurs_and_values_beside_them_by_rounding() -> None:
    space = kt.HyperParameters()
    space.Int("pinned", 3, 3, default=5)
    space.Float("denormal", 0.0, 5e-324)
    space.Float("x", 0.1, 0.3)
    oracle = oracle_for(space)
    for number in range(14):
        trial = oracle.create_trial("slot0")
        check_point(space, trial.hyperparameters.values)
        assert trial.hyperparameters.values["pinned"] == 3
        if number == 1:
            trial.hyperparameters.values["x"] = 0.1 + 0.2  # more than 0.3
        oracle.update_trial(trial.trial_id, {"score": float(number)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


@SKIP
def test_optuna_is_quiet_here_and_as_before_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.enable_propagation()
    try:
        with caplog.at_level(logging.INFO, logger="optuna"):
            optuna.logging.set_verbosity(optuna.logging.INFO)
            run(oracle_for(mixed_space()), 3)
            assert optuna.logging.get_verbosity() == optuna.logging.INFO
        assert caplog.records == []
    finally:
        optuna.logging.disable_propagation()
        optuna.logging.set_verbosity(before)


def test_where_optuna_is_missing_the_configuration_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.config.loading.find_spec", lambda _: None)
    with pytest.raises(UserError) as error:
        load_config(None, ["tuner.name=tpe"])
    assert str(error.value) == (
        "tuner.name: 'tpe' needs the package optuna, which is not installed: pip install optuna; "
        "or choose another tuner, such as gp"
    )
    assert load_config(None, ["tuner.name=gp"]).tuner.name == "gp"
