"""Hyperband's rungs with proposals of a Gaussian process: promotions, several workers, failures."""

import random
from collections.abc import Callable
from typing import Any

import keras_tuner as kt
import pytest

from src.config.schema import Config
from src.search.bohb.brackets import Brackets
from src.search.bohb.oracle import BOHBOracle
from src.search.oracle import SearchOracle
from src.search.rungs import hyperband_rungs
from src.search.seeds import oracle_seed

OBJECTIVE = kt.Objective("score", "max")
Score = Callable[[dict[str, Any]], float | None]


def small_space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1.0, sampling="log", default=1e-3)
    hp.Choice("kind", ["a", "b", "c"])
    return hp


def make(epochs: int = 9, space: kt.HyperParameters | None = None, **tuner: Any) -> BOHBOracle:
    config = Config.model_validate(
        {"tuner": {"name": "bohb"} | tuner, "training": {"epochs": epochs}}
    )
    return BOHBOracle.from_config(
        config, objective=OBJECTIVE, hyperparameters=space or small_space(), seed=oracle_seed(3)
    )


def score(values: dict[str, Any]) -> float:
    """Best at a rate of 0.1 and kind b; more epochs help a little."""
    far: float = abs(values["rate"] - 0.1) + (0.3 if values["kind"] != "b" else 0.0)
    return -far + 0.01 * float(values["tuner/epochs"])


def end(oracle: SearchOracle, trial: Any, result: float | None) -> None:
    if result is None:
        trial.status, trial.message = "FAILED", "why"
    else:
        oracle.update_trial(trial.trial_id, {"score": result})
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def run(oracle: SearchOracle, function: Score = score, trials: int = 10_000) -> list[Any]:
    """Runs trials one after the other."""
    done: list[Any] = []
    while len(done) < trials:
        trial = oracle.create_trial("slot0")
        if trial.status != "RUNNING":
            assert trial.status == "STOPPED"
            break
        end(oracle, trial, function(trial.hyperparameters.values))
        done.append(trial)
    return done


def own(trial: Any) -> dict[str, Any]:
    values = trial.hyperparameters.values
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def enter(brackets: Brackets, trials: int, scores: dict[str, float | None]) -> list[Any]:
    """Lets so many trials begin."""
    places = []
    for _ in range(trials):
        place = brackets.next_place(scores)
        assert place is not None
        number = sum(len(rung) for rungs in brackets.members for rung in rungs)
        brackets.enter(place, f"{number:04d}")
        places.append(place)
    return places


def test_while_a_rung_waits_the_best_third_of_what_ended_goes_on_then_the_next_bracket() -> None:
    brackets = Brackets(9, 3, 1)
    enter(brackets, 9, {})
    scores: dict[str, float | None] = {f"000{n}": float(n % 5) for n in range(6)}  # three still run
    first, second, third = enter(brackets, 3, scores)
    assert [(p.bracket, p.number, p.parent) for p in (first, second)] == [
        (0, 1, "0004"),
        (0, 1, "0003"),
    ]
    assert (third.bracket, third.number, third.parent) == (1, 0, None)
    assert (third.rung.bracket, third.rung.epochs) == (1, 3)
    scores["0006"] = 9.0  # now the first of the best third
    assert [place.parent for place in enter(brackets, 2, scores)] == ["0006", None]


def test_a_rung_that_has_ended_sends_on_as_many_as_are_planned() -> None:
    brackets = Brackets(8, 3, 1)  # 5 trials, of which 2 go on: more than a third
    enter(brackets, 5, {})
    scores: dict[str, float | None] = {"0000": 0.1, "0001": 0.3, "0002": 0.2, "0003": 0.0}
    assert [place.parent for place in enter(brackets, 2, scores)] == ["0001", None]
    scores["0004"] = 0.05
    assert [place.parent for place in enter(brackets, 2, scores)] == ["0002", None]


def test_failed_trials_are_losers_and_where_too_few_completed_new_ones_fill_the_rung() -> None:
    brackets = Brackets(9, 3, 1)
    enter(brackets, 9, {})
    scores: dict[str, float | None] = {f"000{n}": None for n in range(9)} | {"0007": -5.0}
    places = enter(brackets, 3, scores)
    assert [(place.number, place.parent) for place in places] == [(1, "0007"), (1, None), (1, None)]
    scores |= {"0009": None, "0010": None, "0011": None}
    place = brackets.next_place(scores)
    assert place is not None
    assert (place.bracket, place.number, place.parent) == (0, 2, None)


@pytest.mark.parametrize("slots", [2, 4])
def test_several_workers_are_never_idle_before_the_last_trials(slots: int) -> None:
    oracle = make(9, hyperband_iterations=2)
    order = random.Random(1)
    running: list[Any] = []
    idle, total = [], oracle.total(None)
    while True:
        while len(running) < slots:
            trial = oracle.create_trial(f"slot{len(oracle.trials)}")
            if trial.status != "RUNNING":
                break
            running.append(trial)
        if not running:
            break
        if len(running) < slots:
            idle.append(len(oracle.trials))
        trial = running.pop(order.randrange(len(running)))
        end(oracle, trial, score(trial.hyperparameters.values))
    assert total is not None
    assert len(oracle.trials) == total
    # Of the last bracket nothing is promoted: whoever is idle waits for the end.
    assert min(idle) == total
    assert oracle.create_trial("slot0").status == "STOPPED"


def test_promotions_are_the_best_of_their_rung_and_keep_their_values() -> None:
    oracle = make(9)
    trials = run(oracle)
    rungs: dict[tuple[int, int], list[Any]] = {}
    for trial in trials:
        values = trial.hyperparameters.values
        rungs.setdefault((values["tuner/bracket"], values["tuner/round"]), []).append(trial)
    plan = hyperband_rungs(9, 3)
    found = [
        (bracket, len(members), {m.hyperparameters.values["tuner/epochs"] for m in members})
        for (bracket, _), members in rungs.items()
    ]
    assert found == [(rung.bracket, rung.trials, {rung.epochs}) for rung in plan]
    for (bracket, number), members in rungs.items():
        if number == 0:
            assert all("tuner/trial_id" not in m.hyperparameters.values for m in members)
            continue
        below = sorted(rungs[bracket, number - 1], key=lambda t: -oracle.trials[t.trial_id].score)
        parents = [m.hyperparameters.values["tuner/trial_id"] for m in members]
        assert parents == [parent.trial_id for parent in below[: len(members)]]
        for member, parent in zip(members, below, strict=False):
            values = member.hyperparameters.values
            assert own(member) == own(parent)
            assert values["tuner/initial_epoch"] == parent.hyperparameters.values["tuner/epochs"]
    assert oracle.continuable() == set()
