"""Trials hold their values, and the space once for all of them."""

import gc
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import keras_tuner as kt
import pytest

from hypermodels.mlp import MLP
from hypermodels.problem import Problem
from src.config import load_config
from src.registry import TUNERS, load
from src.search.trial_specs import trial_spec
from src.tuners import space_settings as narrowing
from src.tuners.keras_tuner_oracles import HyperbandOracle, RandomOracle
from src.tuners.space import SpaceReader, default_values, restored

HYPERMODEL = MLP(Problem("multiclass", 4, 3))
MOST_KB = 8  # of a trial, beside what its epochs take


def space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    HYPERMODEL.declare_hyperparameters(hp)
    return narrowing.narrow(hp, {}, MLP.limits())


def make(oracle_class: Any, name: str = "random") -> Any:
    config = load_config("default", [f"tuner.name={name}", "tuner.max_trials=1000"])
    return oracle_class.from_config(
        config,
        objective=kt.Objective("val_loss", "min"),
        hyperparameters=space(),
        seed=7,
    )


def spec_of(oracle: Any, trial: Any) -> Any:
    return trial_spec(trial, {}, load_config("default"), oracle, HYPERMODEL)


def without_space(trial: Any) -> dict[str, Any]:
    """The state of a trial as a snapshot holds it."""
    state: dict[str, Any] = json.loads(json.dumps(trial.get_state()))
    return state | {"hyperparameters": {"values": trial.hyperparameters.values}}


def kilobytes_per_trial(grow: Callable[[], Any], trials: int) -> float:
    gc.collect()
    tracemalloc.start()
    try:
        kept = grow()
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept
    return size / 1024 / trials


def test_a_trial_is_a_few_kilobytes_also_when_it_is_restored() -> None:
    oracle = make(RandomOracle)
    spec_of(oracle, oracle.create_trial("slot0"))

    def propose(count: int = 40) -> list[Any]:
        return [spec_of(oracle, oracle.create_trial(f"slot{n}")) for n in range(1, count + 1)]

    assert kilobytes_per_trial(propose, 40) < MOST_KB

    state = json.loads(json.dumps(oracle.get_state()))
    trials = [without_space(trial) for trial in oracle.trials.values()]
    other = make(RandomOracle)

    def restore() -> list[Any]:
        other.restore(state, trials)
        return [spec_of(other, trial) for trial in other.trials.values()]

    assert kilobytes_per_trial(restore, 41) < MOST_KB + 2  # and the state itself
    before = {name: trial.get_state() for name, trial in oracle.trials.items()}
    assert {name: trial.get_state() for name, trial in other.trials.items()} == before


@pytest.mark.parametrize("oracle_class", [RandomOracle, HyperbandOracle])
def test_specs_describe_what_keras_tuner_does(oracle_class: Any) -> None:
    oracle = make(oracle_class)
    for slot in ("slot0", "slot1", "slot2"):
        trial = oracle.create_trial(slot)
        known = trial.hyperparameters.get_config()
        assert spec_of(oracle, trial).hyperparameters == known
        assert known["space"] == space().get_config()["space"]


def test_values_of_one_trial_are_not_anothers() -> None:
    oracle = make(RandomOracle)
    first, second = oracle.create_trial("slot0"), oracle.create_trial("slot1")
    before = dict(second.hyperparameters.values)
    first.hyperparameters.values["units"] = 17
    assert second.hyperparameters.values == before
    assert oracle.hyperparameters.values.get("units") != 17


class Growing:
    """Two trials run, and the model of one has a hyperparameter that none knew."""

    def __init__(self, oracle: Any, finder: int = 0) -> None:
        self.oracle = oracle
        trials = [oracle.create_trial("slot0"), oracle.create_trial("slot1")]
        self.first, self.second = trials[finder], trials[1 - finder]
        self.values = dict(self.second.hyperparameters.values)
        self.space = len(space().space)
        grown = restored(self.first.hyperparameters.get_config())
        grown.Float("found", 0.0, 1.0, default=0.25)
        self.first.hyperparameters = grown
        self.end(self.first)

    def end(self, trial: Any) -> None:
        trial.status = "COMPLETED"
        self.oracle.update_trial(trial.trial_id, {"val_loss": 0.5})
        self.oracle.end_trial(trial)


def test_a_trial_that_runs_gets_no_value_for_what_another_one_found() -> None:
    growing = Growing(make(RandomOracle))
    oracle, second = growing.oracle, growing.second
    assert len(second.hyperparameters.space) == growing.space
    growing.end(second)
    assert oracle.trials["0001"].hyperparameters.values == growing.values
    third = oracle.create_trial("slot2")
    assert third.hyperparameters.get("found") not in (0.25, None)
    assert len(spec_of(oracle, third).hyperparameters["space"]) == growing.space + 1
    assert len(spec_of(oracle, second).hyperparameters["space"]) == growing.space


def test_nor_does_one_that_is_restored() -> None:
    growing = Growing(make(RandomOracle))
    state = json.loads(json.dumps(growing.oracle.get_state()))
    other = make(RandomOracle)
    other.restore(state, [without_space(trial) for trial in growing.oracle.trials.values()])
    first, second = other.trials.values()
    assert first.get_state() == growing.first.get_state()
    assert second.get_state() == growing.second.get_state()
    assert len(spec_of(other, first).hyperparameters["space"]) == growing.space + 1
    second.status = "COMPLETED"
    other.update_trial("0001", {"val_loss": 0.5})
    other.end_trial(second)
    assert second.hyperparameters.values == growing.values
    assert "found" in other.create_trial("slot2").hyperparameters


@pytest.mark.parametrize("finder", [0, 1])
@pytest.mark.parametrize("name", TUNERS)
def test_what_follows_a_find_depends_on_the_seed_alone(name: str, finder: int) -> None:
    found = []
    for _ in range(2):
        growing = Growing(make(load(TUNERS, name, "tuner.name"), name), finder)
        oracle = growing.oracle
        growing.end(growing.second)
        for _ in range(4):
            growing.end(oracle.create_trial("slot0"))
        found.append([trial.hyperparameters.values for trial in oracle.trials.values()])
        restored_one = make(load(TUNERS, name, "tuner.name"), name)
        state = json.loads(json.dumps(oracle.get_state()))
        restored_one.restore(state, [without_space(trial) for trial in oracle.trials.values()])
        following = [one.create_trial("slot0") for one in (oracle, restored_one)]
        assert following[0].hyperparameters.values == following[1].hyperparameters.values
    assert found[0] == found[1]
    later = found[0][2:]
    assert all("found" in values for values in later)
    if name == "grid":
        assert {values["found"] for values in later} == {0.25}
    declared = [{n: v for n, v in values.items() if n != "found"} for values in found[0]]
    assert declared.count(declared[0]) == 1  # the default, in all but the grid, came once


def test_a_reader_gives_what_keras_tuner_restores() -> None:
    reader = SpaceReader()
    other = kt.HyperParameters()
    other.Int("units", 1, 9)
    for hp in (space(), space(), other, space()):
        hp.values["units"] = 5
        config = json.loads(json.dumps(hp.get_config()))
        read = reader.read(config)
        assert read.get_config() == restored(config).get_config()
        assert read.get("units") == 5


def test_what_a_model_adds_to_one_trial_the_next_one_has_not() -> None:
    declared = space()
    values = default_values(declared.space) | {"optimizer": "adam"}
    reader, config = SpaceReader(), declared.get_config() | {"values": values}
    first = reader.read(config)
    with first.conditional_scope("optimizer", ["adam"]):
        first.Float("found", 0.0, 1.0)
    first.values["units"] = 21
    second = reader.read(config)
    assert "found" in first
    assert "found" not in second
    assert len(second.space) == len(config["space"])
    assert second.get("units") == values["units"] != 21
    assert not second.active_scopes
