"""Makes oracles and drives them as the loop does, without trainings and without files."""

import json
from collections.abc import Callable
from typing import Any

import keras_tuner as kt
import pytest

from src.config.schema import Config
from src.registry import TUNERS, load
from src.seeds import oracle_seed

Score = Callable[[dict[str, Any]], float | None]
WITH_RUNGS = ("hyperband", "bohb")
OBJECTIVE = "score"


def mixed_space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Int("units", 16, 512, sampling="log", default=64)
    hp.Choice("optimizer", ["sgd", "momentum", "adam"], default="momentum")
    with hp.conditional_scope("optimizer", ["momentum"]):
        hp.Float("momentum", 0.5, 0.99, default=0.9)
    with hp.conditional_scope("optimizer", ["adam"]):
        hp.Float("epsilon", 1e-8, 1e-3, sampling="log", default=1e-7)
    hp.Boolean("bias", default=True)
    hp.Fixed("layers", 2)
    return hp


DEFAULT: dict[str, Any] = {
    **{"rate": 1e-3, "units": 64, "optimizer": "momentum", "momentum": 0.9},
    **{"bias": True, "layers": 2},
}


def make(
    name: str,
    space: kt.HyperParameters | None = None,
    *,
    seed: int = 7,
    direction: str = "max",
    epochs: int = 9,
    **tuner: Any,
) -> Any:
    """An oracle from a configuration; `tuner` holds settings of its section."""
    if name == "tpe":
        pytest.importorskip("optuna", reason="tuner.name=tpe needs the package optuna")
    sections = {"tuner": {"name": name} | tuner, "training": {"epochs": epochs}}
    return load(TUNERS, name, "tuner.name").from_config(
        Config.model_validate(sections),
        objective=kt.Objective(OBJECTIVE, direction),
        hyperparameters=(space or mixed_space()).copy(),
        seed=oracle_seed(seed),
    )


def end(oracle: Any, trial: Any, score: float | None) -> None:
    """Ends a trial; a score of None is a failure."""
    if score is None:
        trial.status, trial.message = "FAILED", "why"
    else:
        oracle.update_trial(trial.trial_id, {OBJECTIVE: score}, step=3)
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def run(oracle: Any, trials: int, score: Score = lambda _: 0.5) -> list[dict[str, Any]]:
    """Runs trials one after the other; returns the values of the new ones."""
    found: list[dict[str, Any]] = []
    while len(found) < trials:
        trial = oracle.create_trial("")
        if trial.status != "RUNNING":
            assert trial.status == "STOPPED"
            break
        found.append(dict(trial.hyperparameters.values))
        end(oracle, trial, score(found[-1]))
    return found


def rows(oracle: Any) -> list[dict[str, Any]]:
    """The trials as they are stored."""
    return [
        {
            **{"trial_id": trial.trial_id, "values": trial.hyperparameters.values},
            **{"status": trial.status, "score": trial.score},
            **{"best_step": trial.best_step, "message": trial.message},
        }
        for trial in oracle.trials.values()
    ]


def restored(oracle: Any, fresh: Any) -> Any:
    """A fresh oracle that goes on from what is stored of another one."""
    state, trials = json.loads(json.dumps([oracle.get_state(), rows(oracle)], allow_nan=False))
    fresh.restore(state, trials)
    assert json.loads(json.dumps(fresh.get_state())) == state
    return fresh


def own(values: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters alone, without the places in Hyperband's rungs."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def distinct(points: list[dict[str, Any]]) -> int:
    return len({repr(sorted(own(point).items())) for point in points})
