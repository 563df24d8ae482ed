"""Searches whose budget is counted in epochs: full trainings beside rungs of short ones."""

from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import Any

import keras_tuner as kt

from src.config.schema import Config
from src.registry import TUNERS, load
from src.seeds import oracle_seed
from src.tuners.rungs import hyperband_brackets
from tests.benchmarks.searching.curves import CurveProblem, curves
from tests.benchmarks.searching.oracles import OBJECTIVE

WITH_RUNGS = ("hyperband", "bohb")
TUNED = ("random", "gp", *WITH_RUNGS)
PROBLEMS = ("letter", "phoneme", "letter-noisy", "phoneme-noisy")


@dataclass(frozen=True)
class Spent:
    """What a search had found after so many epochs, for each time that it found something better.

    Attributes:
        epochs: trained until then by all trials together.
        regrets: of the incumbent, the trial with the best score, were it trained to the end.
        exported: of its score as it is, that of the model which the search would export.
    """

    epochs: list[int]
    regrets: list[float]
    exported: list[float]


def search(tuner: str, problem: str, seed: int, trainings: int) -> Spent:
    """Runs one search, a trial after the other.

    Args:
        tuner: its name.
        problem: its name.
        seed: a user's seed, from which the oracle's is made; different ones are unrelated.
        trainings: the budget, in full trainings.
    """
    function = curves(problem)
    oracle = _oracle(tuner, function, seed, trainings)
    spent, best = 0, float("-inf")
    result = Spent([], [], [])
    while True:
        trial = oracle.create_trial("slot0")
        assert trial.status == "RUNNING"
        values = trial.hyperparameters.values
        epochs = values.get("tuner/epochs", function.epochs)
        spent += epochs - values.get("tuner/initial_epoch", 0)
        if spent > trainings * function.epochs:
            return result
        score = float(function.seen(values)[epochs - 1])
        oracle.update_trial(trial.trial_id, {OBJECTIVE: score})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        if score > best:
            best = score
            result.epochs.append(spent)
            curve = function.curve(values)
            result.regrets.append(function.regret(float(curve[-1])))
            result.exported.append(function.regret(float(curve[epochs - 1])))


def _oracle(tuner: str, function: CurveProblem, seed: int, trainings: int) -> Any:
    settings: dict[str, Any] = {"name": tuner}
    if tuner in WITH_RUNGS:
        rungs = chain.from_iterable(hyperband_brackets(function.epochs, 3))
        once = sum(rung.trials * (rung.epochs - rung.initial_epoch) for rung in rungs)
        # One more, as a search must not end before its budget does.
        settings["hyperband_iterations"] = ceil(trainings * function.epochs / once) + 1
    config = Config.model_validate({"tuner": settings, "training": {"epochs": function.epochs}})
    return load(TUNERS, tuner, "tuner.name").from_config(
        config,
        objective=kt.Objective(OBJECTIVE, "max"),
        hyperparameters=function.space.copy(),
        seed=oracle_seed(seed),
    )
