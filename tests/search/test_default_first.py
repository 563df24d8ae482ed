"""Every search tries the HyperModel's default configuration among its first trials."""

from typing import Any

import keras_tuner as kt
import pytest

from src.config.schema import WITH_RUNGS, Config
from src.registry import load
from src.search import TUNERS, narrowing
from src.search import space as spaces
from src.search.oracle import SearchOracle

OBJECTIVE = kt.Objective("score", "max")
NAMES = ["random", "bayesian", "hyperband", "gp", "tpe", "bohb"]


def declared() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Int("units", 16, 512, sampling="log", default=64)
    hp.Choice("optimizer", ["sgd", "momentum", "adam"], default="momentum")
    with hp.conditional_scope("optimizer", ["momentum"]):
        hp.Float("momentum", 0.5, 0.99, default=0.9)
    with hp.conditional_scope("optimizer", ["adam"]):
        hp.Float("epsilon", 1e-8, 1e-3, sampling="log", default=1e-7)
    hp.Boolean("bias", default=True)
    return hp


DEFAULT = {"rate": 1e-3, "units": 64, "optimizer": "momentum", "momentum": 0.9, "bias": True}


def make(name: str, space: kt.HyperParameters, trials: int = 30) -> Any:
    if name == "tpe":
        pytest.importorskip("optuna", reason="tuner.name=tpe needs the package optuna")
    config = Config.model_validate(
        {
            "tuner": {"name": name} | ({} if name in WITH_RUNGS else {"max_trials": trials}),
            "training": {"epochs": 9},
        }
    )
    return load(TUNERS, name, "tuner.name").from_config(
        config, objective=OBJECTIVE, hyperparameters=space, seed=7
    )


def propose(oracle: SearchOracle, trials: int) -> list[dict[str, Any]]:
    """The values of so many trials, with scores that fall."""
    proposed = []
    for number in range(trials):
        trial = oracle.create_trial("slot0")
        assert trial.status == "RUNNING"
        proposed.append(dict(trial.hyperparameters.values))
        oracle.update_trial(trial.trial_id, {"score": -float(number)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return proposed


@pytest.mark.parametrize("name", NAMES)
def test_the_first_trial_has_the_defaults_and_no_other_has(name: str) -> None:
    points = propose(make(name, declared()), 9)
    own = [{n: v for n, v in point.items() if n[:6] != "tuner/"} for point in points]
    assert own[0] == DEFAULT
    assert DEFAULT not in own[1:]


@pytest.mark.parametrize("name", WITH_RUNGS)
def test_the_default_is_a_member_of_the_first_rung_and_can_be_promoted(name: str) -> None:
    oracle = make(name, declared())
    points = propose(oracle, 12)
    assert points[0] == DEFAULT | {
        **{"tuner/epochs": 1, "tuner/initial_epoch": 0, "tuner/bracket": 2, "tuner/round": 0},
    }
    assert points[9]["tuner/trial_id"] == "0000"  # its score was the best
    assert points[9]["tuner/epochs"] == 3


@pytest.mark.parametrize("name", NAMES)
def test_of_a_narrowed_space_it_is_the_narrowed_default(name: str) -> None:
    settings = {
        **{"rate": {"min": 1e-2}, "units": {"min": 100, "max": 400}},
        **{"optimizer": ["adam", "sgd"], "bias": False},
    }
    first = propose(make(name, narrowing.narrow(declared(), settings, {})), 1)[0]
    own = {n: v for n, v in first.items() if n[:6] != "tuner/"}
    assert own == {
        **{"rate": 1e-2, "units": 100, "optimizer": "adam", "epsilon": 1e-7, "bias": False},
    }


def test_a_default_between_two_steps_or_outside_is_moved_to_the_nearest_value() -> None:
    hp = kt.HyperParameters()
    hp.Int("units", 16, 116, step=25, default=64)  # 16, 41, 66, 91, 116
    hp.Int("size", 1, 100, sampling="log", step=10, default=4)  # 1, 10, 100
    hp.Float("rate", 0.0, 1.0, step=0.25, default=0.7)
    hp.Float("decay", 0.5, 1.0, default=2.0)
    hp.Int("layers", 1, 3)
    assert spaces.default_values(hp.space) == {
        **{"units": 66, "size": 1, "rate": 0.75, "decay": 1.0, "layers": 1},
    }


def test_after_a_restart_it_is_not_tried_again() -> None:
    oracle = make("random", declared())
    propose(oracle, 3)
    restored = make("random", declared())
    restored.restore(oracle.get_state(), [t.get_state() for t in oracle.trials.values()])
    assert DEFAULT not in propose(restored, 5)
    assert [t.hyperparameters.values for t in restored.trials.values()].count(DEFAULT) == 1


def test_an_oracle_of_ones_own_proposes_from_the_second_trial_on() -> None:
    class Own(SearchOracle):
        def propose(self, trial_id: str) -> dict[str, Any]:
            return {"status": "RUNNING", "values": DEFAULT | {"units": 16 + int(trial_id)}}

    points = propose(Own(objective=OBJECTIVE, hyperparameters=declared(), seed=1), 3)
    assert [point["units"] for point in points] == [64, 17, 18]


@pytest.mark.parametrize("name", ["random", "gp", "tpe"])
def test_a_space_with_one_point_has_one_trial(name: str) -> None:
    space = kt.HyperParameters()
    space.Fixed("rate", 0.1)
    oracle = make(name, space)
    assert propose(oracle, 1) == [{"rate": 0.1}]
    assert oracle.create_trial("slot0").status == "STOPPED"
    empty = make(name, kt.HyperParameters())
    assert propose(empty, 1) == [{}]
    assert empty.create_trial("slot0").status == "STOPPED"
