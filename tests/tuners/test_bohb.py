"""Hyperband's rungs with proposals of a Gaussian process: promotions, several workers, failures."""

import math
import random
from collections.abc import Callable
from typing import Any

import keras_tuner as kt
import numpy as np
import pandas as pd
import pytest

from src.config.schema import Config
from src.search import run as search
from src.seeds import oracle_seed
from src.tuners.bohb.brackets import Brackets
from src.tuners.bohb.fidelity import expected_scores
from src.tuners.bohb.oracle import BOHBOracle
from src.tuners.oracle import SearchOracle
from src.tuners.rungs import hyperband_rungs
from tests.conftest import MakeConfig

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
    far = abs(values["rate"] - 0.1) + (0.3 if values["kind"] != "b" else 0.0)
    result: float = -far + 0.01 * values["tuner/epochs"]
    return result


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


def test_new_configurations_are_where_short_trainings_were_good() -> None:
    oracle = make(9)
    tried = [
        score(own(trial) | {"tuner/epochs": 0})
        for trial in run(oracle)
        if trial.hyperparameters.values["tuner/round"] == 0
    ]
    even, proposed = tried[:8], tried[8:]
    assert len(proposed) == 9
    assert max(proposed) > -0.03
    assert max(proposed) > max(even)
    assert np.median(proposed) > -0.15  # of those spread evenly two of three are of the wrong kind
    assert np.median(even) < -0.3


def test_promotions_change_what_is_proposed_next() -> None:
    def proposed(better: str) -> dict[str, Any]:
        """After a rung in which all kinds were as good, one was better in longer trainings."""
        oracle = make(9)
        run(oracle, lambda v: v["tuner/epochs"] * (1.0 if v["kind"] == better else 0.1), 13)
        return own(run(oracle, lambda _: 0.0, 1)[0])

    assert proposed("a") != proposed("b")


@pytest.mark.parametrize("every", [2, 3])
def test_failed_trials_cost_no_promotions(every: int) -> None:
    oracle = make(9)
    done: list[Any] = []

    def failing(values: dict[str, Any]) -> float | None:
        done.append(values)
        return None if len(done) % every == 0 else score(values)

    trials = run(oracle, failing)
    assert len(trials) == oracle.total(None) == sum(rung.trials for rung in hyperband_rungs(9, 3))
    for trial in trials:
        parent = trial.hyperparameters.values.get("tuner/trial_id")
        assert parent is None or oracle.trials[parent].status == "COMPLETED"
        assert (parent is None) == (trial.hyperparameters.values["tuner/initial_epoch"] == 0)


def test_a_space_with_fewer_points_than_trials_is_tried_whole_before_any_again() -> None:
    space = kt.HyperParameters()
    space.Choice("rate", [0.01, 0.1])
    space.Choice("kind", ["a", "b"])
    oracle = make(9, space)
    trials = run(oracle)
    new = [
        tuple(own(t).values()) for t in trials if "tuner/trial_id" not in t.hyperparameters.values
    ]
    assert len(new) == 17
    assert len(set(new[:4])) == len(set(new)) == 4
    assert len(trials) == oracle.total(None)


def test_the_plan_shows_brackets_further_iterations_and_the_cap() -> None:
    assert make(9, hyperband_iterations=2).plan(10) == [
        "bracket 2: 9 trials to epoch 1, then 3 trials to epoch 3, then 1 trial to epoch 9",
        "bracket 1: 5 trials to epoch 3, then 2 trials to epoch 9",
        "bracket 0: 3 trials to epoch 9",
        "each further iteration: 3 times bracket 0, as the model knows more by then",
        "32 trials, 156 epochs in all in 2 iterations, ended after 10 trials",
    ]
    assert make(9).plan(None)[-1] == "23 trials, 75 epochs in all"
    assert make(9, hyperband_iterations=2).total(None) == 32
    assert make(9).total(10) == 10


def test_with_fewer_iterations_after_a_restart_what_has_begun_ends() -> None:
    whole = make(9, hyperband_iterations=3)
    run(whole, trials=24)  # the first of the second iteration
    lower = make(9, hyperband_iterations=1)
    lower.restore(whole.get_state(), [trial.get_state() for trial in whole.trials.values()])
    run(lower)
    assert len(lower.trials) == 23 + 3


def test_a_state_of_other_brackets_is_refused() -> None:
    oracle = make(9)
    run(oracle, trials=3)
    trials = [trial.get_state() for trial in oracle.trials.values()]
    with pytest.raises(ValueError, match="bracket 0 of the search is another one"):
        make(27).restore(oracle.get_state(), trials)


def test_errors_are_proposed_for_as_scores_of_the_other_sign() -> None:
    def found(direction: str, sign: float) -> list[dict[str, Any]]:
        config = Config.model_validate({"tuner": {"name": "bohb"}, "training": {"epochs": 9}})
        oracle = BOHBOracle.from_config(
            config,
            objective=kt.Objective("score", direction),
            hyperparameters=small_space(),
            seed=oracle_seed(3),
        )
        # Some errors are far worse than all others, and none far better.
        return [own(trial) for trial in run(oracle, lambda v: sign * -math.exp(-6 * score(v)))]

    scores = found("max", 1.0)
    assert len({repr(values) for values in scores}) > 12
    assert found("min", -1.0) == scores


def test_longer_scores_are_expected_along_the_line_of_those_that_were_trained_on() -> None:
    short = {f"{n}": n / 10 for n in range(11)}
    results = [{1: value} for value in short.values()]
    for value in (0.8, 0.9, 1.0):  # the promoted ones gain 0.1 and half of the difference
        results[round(10 * value)][3] = 0.9 + 0.5 * (value - 0.8)
    results[10][9] = 1.2
    scores, variances = expected_scores(results)
    assert scores[10] == 1.2
    assert variances[10] == 0.0
    assert 0 < variances[9] < variances[0]  # of a longer training more is known
    assert scores[9] == pytest.approx(1.2 - 0.05)  # no line from 3 to 9 yet but one of slope 1
    slopes = np.diff(scores[:9]) / 0.1
    np.testing.assert_allclose(slopes[:7], slopes[0])
    assert 0.5 < slopes[0] < 1.0  # drawn from 1, which is expected, towards what was seen


def test_promotions_of_a_real_search_truly_continue(tiny: MakeConfig) -> None:
    settings = ("tuner.name=bohb", "tuner.max_trials=8", "training.epochs=4", "tuner.factor=2")
    outcome = search(tiny(*settings))
    assert outcome.end.reason == "all 8 trials are done (tuner.max_trials)"
    history = pd.read_csv(outcome.run.history_table, dtype={"trial_id": str})
    epochs = {name: list(rows["epoch"]) for name, rows in history.groupby("trial_id")}
    scores = {r.spec.trial_id: r.result.score or 0.0 for r in outcome.progress.records}
    promoted = [record.spec for record in outcome.progress.records if record.spec.parent_id]
    assert [(spec.bracket, spec.rung, epochs[spec.trial_id]) for spec in promoted] == [
        *((2, 1, [2]), (2, 1, [2]), (2, 2, [3, 4])),
    ]
    best = sorted(("0000", "0001", "0002", "0003"), key=lambda name: -scores[name])
    assert [spec.root_id for spec in promoted[:2]] == best[:2]
    assert promoted[2].root_id in best[:2]
    for spec in promoted:
        assert spec.parent_id is not None
        assert scores[spec.trial_id] >= scores[spec.parent_id]  # the best of the whole training
    # Who has not been promoted in the bracket that the cap cut off, might be if it is raised.
    states = outcome.run.path.rglob("*.state.npz")
    assert {path.parent.name for path in states} == {"0007"}


def test_the_plan_counts_epochs_beginnings_and_states() -> None:
    oracle = make(epochs=9)
    # 9 to 1, 3 to 3, 1 to 9; 5 to 3, 2 to 9; 3 to 9
    assert oracle.epochs(None, 9) == 9 + 3 * 2 + 6 + 5 * 3 + 2 * 6 + 3 * 9
    assert oracle.epochs(10, 9) == 9 + 2
    assert oracle.beginnings(None) == 17
    # Up to so many trials, in the order in which the rungs are filled.
    begun = {9: 9, 12: 9, 13: 9, 14: 10, 18: 14, 20: 14, 21: 15, 40: 17}
    assert {cap: oracle.beginnings(cap) for cap in begun} == begun
    assert oracle.total(None) == 23
