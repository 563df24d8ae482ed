"""Oracles in random spaces, with failures and restarts at random moments: the same trials, always.

The normal run takes a few examples of each. The long form, minutes each, or an hour for bayesian:

    SEARCH_EXAMPLES=500 python -m pytest tests/tuners/test_restore.py -k 'not bayesian'
    SEARCH_EXAMPLES=20 python -m pytest tests/tuners/test_restore.py -k bayesian
"""

import json
import os
import random
from dataclasses import dataclass
from typing import Any

import keras_tuner as kt
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from src.tuners.enumeration import Enumeration
from src.tuners.space import is_continuous, is_searched, searched_names
from tests.tuners.driving import WITH_RUNGS, distinct, end, make, mixed_space, restored, rows, run
from tests.tuners.random_spaces import check_point, spaces

EXAMPLES = int(os.environ.get("SEARCH_EXAMPLES", "0"))
TRIALS = 24
LARGEST_STATE = 2500  # bytes; bayesian keeps a generator of 624 words


def few(examples: int) -> settings:
    return settings(
        max_examples=EXAMPLES or examples,
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@dataclass(frozen=True)
class Script:
    """What happens in a search, beside what the oracle does."""

    scores: list[float | None]  # of each trial; None for a failure
    slots: int  # trials at once
    restarts: frozenset[int]  # after which events, a proposal or an end, the process is killed
    order: int  # a seed that decides which of the running trials ends next


@st.composite
def scripts(draw: st.DrawFn, most_slots: int = 4, trials: int = TRIALS) -> Script:
    ties = st.sampled_from([0.5, 0.5, 0.25, -0.0, 0.0, 1e50, -1e50, 5e-324])
    score = st.one_of(st.none(), ties, st.floats(-1e3, 1e3))
    return Script(
        scores=draw(st.lists(score, min_size=trials, max_size=trials)),
        slots=draw(st.integers(1, most_slots)),
        restarts=draw(st.frozensets(st.integers(0, 2 * trials), min_size=1, max_size=5)),
        order=draw(st.integers(0, 2**32)),
    )


def drive(
    script: Script, name: str, space: Any, *, killed: bool, trials: int = TRIALS, **how: Any
) -> Any:
    """Plays a script as the loop would; returns the oracle."""
    oracle = make(name, space, **how)
    order, event = random.Random(script.order), 0
    while True:
        running = list(oracle.ongoing_trials.values())
        trial = None
        if len(running) < script.slots and len(oracle.trials) < trials:
            continuable = oracle.continuable()
            trial = oracle.create_trial("")
        if trial is not None and trial.status == "RUNNING":
            values = trial.hyperparameters.values
            check_point(oracle.hyperparameters, values)
            parent = values.get("tuner/trial_id")
            assert parent is None or parent in continuable
            assert parent is None or oracle.trials[parent].status == "COMPLETED"
        elif running:
            ending = order.choice(running)
            end(oracle, ending, script.scores[int(ending.trial_id) % len(script.scores)])
        else:
            assert trial is None or trial.status == "STOPPED"
            break
        if killed and event in script.restarts:
            oracle = restored(oracle, make(name, space, **how))
        event += 1
    if len(oracle.trials) < trials:  # an oracle that has ended stays so
        assert restored(oracle, make(name, space, **how)).create_trial("").status == "STOPPED"
    assert len(json.dumps(oracle.get_state())) < (9000 if name == "bayesian" else LARGEST_STATE)
    return oracle


def check_same(script: Script, name: str, space: Any, **how: Any) -> Any:
    """Plays a script with and without the kills, which must make no difference."""
    oracle = drive(script, name, space, killed=False, **how)
    other = drive(script, name, space, killed=True, **how)
    assert json.dumps(rows(oracle)) == json.dumps(rows(other))
    assert oracle.get_state() == json.loads(json.dumps(other.get_state()))
    return oracle


def points(oracle: Any) -> list[dict[str, Any]]:
    values = [trial.hyperparameters.values for trial in oracle.trials.values()]
    return [one for one in values if "tuner/trial_id" not in one]


def is_finite(space: kt.HyperParameters) -> bool:
    return not any(is_continuous(hp) and is_searched(hp) for hp in space.space)


@pytest.mark.parametrize(
    ("name", "examples"), [("random", 15), ("grid", 15), ("gp", 3), ("tpe", 3)]
)
def test_no_point_twice_and_the_same_trials_whatever_the_kills(name: str, examples: int) -> None:
    @few(examples)
    @given(
        space=spaces() | spaces(2, finite=True), script=scripts(), seed=st.integers(1, 2**32 - 1)
    )
    def check(space: kt.HyperParameters, script: Script, seed: int) -> None:
        oracle = check_same(script, name, space, seed=seed, max_trials=TRIALS)
        assert distinct(points(oracle)) == len(oracle.trials)
        if name == "grid":
            assert len(oracle.trials) == oracle.total()
        elif name != "random" and is_finite(space):
            assert len(oracle.trials) == min(TRIALS, Enumeration(space.space).size)

    check()


@pytest.mark.parametrize(("name", "examples"), [("hyperband", 12), ("bohb", 3)])
def test_rungs_are_filled_and_the_same_whatever_the_kills(name: str, examples: int) -> None:
    budgets = [(9, 3, 1), (9, 3, 2), (4, 2, 2), (16, 4, 1), (1, 3, 2)]

    @few(examples)
    @given(
        space=spaces() | spaces(2, finite=True),
        script=scripts(),
        seed=st.integers(1, 2**32 - 1),
        budget=st.sampled_from(budgets),
    )
    def check(space: Any, script: Script, seed: int, budget: tuple[int, int, int]) -> None:
        epochs, factor, iterations = budget
        how = {"epochs": epochs, "factor": factor, "hyperband_iterations": iterations}
        oracle = check_same(script, name, space, seed=seed, **how)
        if name == "bohb" and is_finite(space):  # no repeats until the space is exhausted
            tried = points(oracle)
            assert distinct(tried) == min(Enumeration(space.space).size, len(tried))
        if len(oracle.trials) < TRIALS:
            assert len(oracle.trials) == oracle.total()
            assert oracle.continuable() == set()

    check()


@few(1)
@given(space=spaces(2), script=scripts(1, 6), seed=st.integers(1, 2**32 - 1))
def test_bayesian_goes_on_with_one_worker(
    space: kt.HyperParameters, script: Script, seed: int
) -> None:
    assume(1 <= len(searched_names(space)) <= 2)
    trials = TRIALS if EXAMPLES else 6  # seconds a trial
    check_same(script, "bayesian", space, seed=seed, trials=trials, max_trials=6)


@pytest.mark.parametrize("name", ["random", "grid", "gp", "tpe", *WITH_RUNGS])
def test_a_budget_that_is_raised_later_is_as_one_that_was_large_from_the_start(name: str) -> None:
    def score(values: dict[str, Any]) -> float | None:
        return None if values["units"] % 5 == 0 else values["units"]

    small: dict[str, Any] = {"max_trials": 10}
    large: dict[str, Any] = {"max_trials": 30}
    if name in WITH_RUNGS:
        small, large = {"hyperband_iterations": 1}, {"hyperband_iterations": 3}
    before = make(name, **small)
    found = run(before, 100, score)
    assert len(found) == (23 if name in WITH_RUNGS else 10)
    after = restored(before, make(name, **large))
    found += run(after, 4, score)
    assert found == run(make(name, **large), len(found), score)


def test_with_fewer_iterations_after_a_restart_what_has_begun_ends() -> None:
    oracle = make("bohb", hyperband_iterations=3)
    run(oracle, 24)  # the first of the second iteration
    lower = restored(oracle, make("bohb"))
    run(lower, 100)
    assert len(lower.trials) == 23 + 3


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("random", {"values": {"units": 5000}}, "units cannot be 5000"),
        ("random", {"trial_id": "../../0"}, r"'../../0' comes where 0000 should"),
        ("hyperband", {"values": {"tuner/trial_id": "../x"}}, "trial_id cannot be '../x'"),
        ("bohb", {"values": {"tuner/bracket": 5, "tuner/round": 0}}, "bracket 5 of the search"),
    ],
)
def test_a_strangers_trials_are_refused(name: str, change: dict[str, Any], message: str) -> None:
    oracle = make(name)
    run(oracle, 1)
    with pytest.raises(ValueError, match=message):
        make(name).restore(oracle.get_state(), [rows(oracle)[0] | change])


@pytest.mark.parametrize("name", ["random", "gp"])
def test_enqueued_configurations_go_on_where_they_were(name: str) -> None:
    first = [{"units": 20 + number} for number in range(3)]
    whole, killed, fresh = (make(name, mixed_space()) for _ in range(3))
    for oracle in (whole, killed, fresh):
        oracle.points_to_evaluate = first
    expected = run(whole, 6)
    assert run(killed, 2) + run(restored(killed, fresh), 4) == expected
    assert [values["units"] for values in expected[:4]] == [20, 21, 22, 64]
