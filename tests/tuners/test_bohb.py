"""Hyperband's rungs with proposals of a Gaussian process: promotions, several workers, learning."""

import math
import random
from typing import Any

import keras_tuner as kt
import numpy as np
import pytest

from src.tuners.bohb.brackets import Brackets, Place
from src.tuners.bohb.fidelity import expected_scores
from src.tuners.rungs import hyperband_brackets
from tests.tuners.driving import end, make, own, run


def space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1.0, sampling="log", default=1e-3)
    hp.Choice("kind", ["a", "b", "c"])
    return hp


def score(values: dict[str, Any]) -> float:
    """Best at a rate of 0.1 and kind b; more epochs help a little."""
    far = abs(values["rate"] - 0.1) + (0.3 if values["kind"] != "b" else 0.0)
    result: float = -far + 0.01 * values.get("tuner/epochs", 0)
    return result


def brackets_of(*rungs: tuple[int, int]) -> Brackets:
    """Brackets with these epochs and bracket numbers of Hyperband, by a factor of 3."""
    return Brackets([hyperband_brackets(n, 3)[-1 - number] for n, number in rungs], 3)


def enter(brackets: Brackets, trials: int, scores: dict[str, float | None]) -> list[Place]:
    """Lets so many trials begin, with ids that count on."""
    places = []
    for _ in range(trials):
        place = brackets.next_place(scores)
        assert place is not None
        number = sum(len(rung) for bracket in brackets.begun for rung in bracket.members)
        place.bracket.enter(place.number, f"{number:04d}", place.parent)
        places.append(place)
    return places


def test_while_a_rung_waits_the_best_third_of_what_ended_goes_on_then_the_next_bracket() -> None:
    brackets = brackets_of((9, 2), (9, 1))
    enter(brackets, 9, {})
    scores: dict[str, float | None] = {f"000{n}": float(n % 5) for n in range(6)}  # three still run
    first, second, third = enter(brackets, 3, scores)
    assert [(place.number, place.parent) for place in (first, second)] == [(1, "0004"), (1, "0003")]
    assert (third.number, third.parent, third.bracket.plan[0].epochs) == (0, None, 3)
    scores["0006"] = 9.0  # now the first of the best third
    assert [place.parent for place in enter(brackets, 2, scores)] == ["0006", None]


def test_a_rung_that_has_ended_sends_on_as_many_as_are_planned() -> None:
    brackets = brackets_of((8, 1), (8, 0))  # 5 trials, of which 2 go on: more than a third
    enter(brackets, 5, {})
    scores: dict[str, float | None] = {"0000": 0.1, "0001": 0.3, "0002": 0.2, "0003": 0.0}
    assert [place.parent for place in enter(brackets, 2, scores)] == ["0001", None]
    scores["0004"] = 0.05
    assert [place.parent for place in enter(brackets, 2, scores)] == ["0002", None]


def test_failed_trials_are_losers_and_where_too_few_completed_new_ones_fill_the_rung() -> None:
    brackets = brackets_of((9, 2))
    enter(brackets, 9, {})
    scores: dict[str, float | None] = {f"000{n}": None for n in range(9)} | {"0007": -5.0}
    places = enter(brackets, 3, scores)
    assert [(place.number, place.parent) for place in places] == [(1, "0007"), (1, None), (1, None)]
    scores |= {"0009": None, "0010": None, "0011": None}
    (last,) = enter(brackets, 1, scores)
    assert (last.number, last.parent) == (2, None)
    assert brackets.next_place(scores) is None


@pytest.mark.parametrize("slots", [2, 4])
def test_several_workers_are_never_idle_before_the_last_trials(slots: int) -> None:
    oracle = make("bohb", space(), hyperband_iterations=2)
    order = random.Random(1)
    running: list[Any] = []
    idle: list[Any] = []
    while True:
        while len(running) < slots and (trial := oracle.create_trial("")).status == "RUNNING":
            running.append(trial)
        if not running:
            break
        if len(running) < slots:
            idle.append(len(oracle.trials))
        trial = running.pop(order.randrange(len(running)))
        end(oracle, trial, score(trial.hyperparameters.values))
    # Nothing of the last bracket is promoted: an idle worker waits for the end of the search.
    assert min(idle) == len(oracle.trials) == oracle.total() == 32


def test_new_configurations_are_where_short_trainings_were_good() -> None:
    points = run(make("bohb", space(), seed=3), 1000, score)
    tried = [score(own(values)) for values in points if values["tuner/round"] == 0]
    even, proposed = tried[:8], tried[8:]
    assert len(proposed) == 9
    assert max(proposed) > max(-0.03, *even)
    # Of the points spread evenly two of three are of the wrong kind.
    assert np.median(even) < -0.3 < -0.15 < np.median(proposed)


def test_promotions_change_what_is_proposed_next() -> None:
    def proposed(better: str) -> dict[str, Any]:
        """After a rung in which all kinds were as good, one was better in longer trainings."""
        oracle = make("bohb", space())
        run(oracle, 13, lambda v: v["tuner/epochs"] * (1.0 if v["kind"] == better else 0.1))
        return own(run(oracle, 1)[0])

    assert proposed("a") != proposed("b")


def test_errors_are_proposed_for_as_scores_of_the_other_sign() -> None:
    def found(direction: str, sign: float) -> list[dict[str, Any]]:
        oracle = make("bohb", space(), direction=direction)
        # Some errors are far worse than all others, and none far better.
        return run(oracle, 1000, lambda values: sign * -math.exp(-6 * score(values)))

    assert found("min", -1.0) == found("max", 1.0)


def test_further_iterations_are_the_last_bracket_as_often_as_there_are_brackets() -> None:
    oracle = make("bohb", hyperband_iterations=2)
    assert oracle.plan() == [
        "bracket 2: 9 trials to epoch 1, then 3 trials to epoch 3, then 1 trial to epoch 9",
        "bracket 1: 5 trials to epoch 3, then 2 trials to epoch 9",
        "bracket 0: 3 trials to epoch 9",
        "each further iteration: 3 times bracket 0",
        "32 trials, 156 epochs in all in 2 iterations",
    ]


def test_longer_scores_are_expected_along_the_line_of_those_that_were_trained_on() -> None:
    results = [{1: n / 10} for n in range(11)]
    for value in (0.8, 0.9, 1.0):  # the promoted ones gain 0.1 and half of the difference
        results[round(10 * value)][3] = 0.9 + 0.5 * (value - 0.8)
    results[10][9] = 1.2
    scores, variances = expected_scores(results)
    assert (scores[10], variances[10]) == (1.2, 0.0)
    assert 0 < variances[9] < variances[0]  # of a longer training more is known
    assert scores[9] == pytest.approx(1.2 - 0.05)  # no line from 3 to 9 yet but one of slope 1
    slopes = np.diff(scores[:9]) / 0.1
    np.testing.assert_allclose(slopes[:7], slopes[0])
    assert 0.5 < slopes[0] < 1.0  # drawn from 1, which is expected, towards what was seen
