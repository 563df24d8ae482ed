"""Hyperband: its plan is what it does, failures cost no promotions, small spaces do not end it."""

from collections import Counter

import keras_tuner as kt
import pytest

from src.tuners.rungs import Rung, hyperband_brackets
from tests.tuners.driving import WITH_RUNGS, make, own, run


@pytest.mark.parametrize(
    ("factor", "epochs", "trials", "total_epochs"),
    [(3, 9, 23, 75), (3, 27, 70, 375), (2, 10, 46, 170), (3, 1, 1, 1), (4, 50, 44, 594)],
)
def test_the_plan_is_what_the_oracle_does(
    factor: int, epochs: int, trials: int, total_epochs: int
) -> None:
    oracle = make("hyperband", epochs=epochs, factor=factor)
    names = ("tuner/bracket", "tuner/initial_epoch", "tuner/epochs")
    found = Counter(tuple(values[name] for name in names) for values in run(oracle, 1000))
    counted = [Rung(bracket, trials, *span) for (bracket, *span), trials in found.items()]
    assert counted == [rung for rungs in hyperband_brackets(epochs, factor) for rung in rungs]
    assert oracle.total() == trials
    assert oracle.epochs(epochs) == total_epochs
    assert oracle.plan()[-1] == f"{trials:,} trials, {total_epochs:,} epochs in all"


def test_the_plan_counts_iterations_and_stops_at_max_trials() -> None:
    twice = make("hyperband", hyperband_iterations=2)
    assert twice.plan() == [
        "bracket 2: 9 trials to epoch 1, then 3 trials to epoch 3, then 1 trial to epoch 9",
        "bracket 1: 5 trials to epoch 3, then 2 trials to epoch 9",
        "bracket 0: 3 trials to epoch 9",
        "46 trials, 150 epochs in all in 2 iterations",
    ]
    capped = make("hyperband", hyperband_iterations=2, max_trials=10)
    assert capped.plan()[-1] == (
        "10 trials, 11 epochs in all in 2 iterations, ended by tuner.max_trials"
    )


@pytest.mark.parametrize("name", WITH_RUNGS)
def test_the_best_are_promoted_with_the_values_of_their_parents(name: str) -> None:
    oracle = make(name)
    run(oracle, 1000, lambda values: values["units"] % 17 + values["tuner/epochs"] / 100)
    trials = {name: trial.hyperparameters.values for name, trial in oracle.trials.items()}
    for number in (1, 2):
        for bracket in (1, 2):
            below, rung = (
                [n for n, v in trials.items() if (v["tuner/bracket"], v["tuner/round"]) == at]
                for at in ((bracket, number - 1), (bracket, number))
            )
            parents = [trials[name]["tuner/trial_id"] for name in rung]
            best = sorted(below, key=lambda name: -oracle.trials[name].score)
            assert sorted(parents) == sorted(best[: len(rung)])
            for trial_id, parent in zip(rung, parents, strict=True):
                assert own(trials[trial_id]) == own(trials[parent])
                assert trials[trial_id]["tuner/initial_epoch"] == trials[parent]["tuner/epochs"]


def test_trap_a_space_with_fewer_points_than_trials_is_searched_to_the_end() -> None:
    # Keras Tuner stops where random points collide, before the first promotion.
    space = kt.HyperParameters()
    space.Choice("rate", [0.1, 0.01])
    points = run(make("hyperband", space), 1000)
    assert len(points) == 23
    assert sum("tuner/trial_id" in values for values in points) == 6


@pytest.mark.parametrize("every", [2, 3, 4])
@pytest.mark.parametrize("name", WITH_RUNGS)
def test_trap_failed_trials_cost_no_promotions(name: str, every: int) -> None:
    # Keras Tuner counts completed trials alone, so that a few failures in a rung cost all.
    oracle = make(name)
    points = run(oracle, 1000, lambda _: None if len(oracle.trials) % every == 0 else 0.5)
    assert len(points) == oracle.total() == 23
    for values in points:
        parent = values.get("tuner/trial_id")
        assert parent is None or oracle.trials[parent].status == "COMPLETED"
        assert (parent is None) == (values["tuner/initial_epoch"] == 0)
    assert all(t.score is None for t in oracle.trials.values() if t.status == "FAILED")


def test_where_all_of_a_rung_failed_new_configurations_fill_the_next() -> None:
    oracle = make("hyperband")
    filled = run(oracle, 13, lambda _: None if len(oracle.trials) <= 9 else 0.5)[9:]
    assert [values["tuner/epochs"] for values in filled] == [3, 3, 3, 9]
    assert [values["tuner/initial_epoch"] for values in filled] == [0, 0, 0, 3]


def test_training_states_become_fewer_as_a_bracket_goes_on() -> None:
    oracle = make("hyperband", hyperband_iterations=2)
    kept = []
    for _ in range(46):
        run(oracle, 1)
        kept.append(len(oracle.continuable()))
    # 9 begin, 3 go on, of which 1 goes on; 5 begin, 2 go on; 3 begin.
    assert kept[:23] == [*range(1, 10), 9, 9, 3, 0, *range(1, 6), 4, 0, 0, 0, 0]
    assert kept[23:] == kept[:23]
