"""The oracles that the benchmark compares, by name."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import keras_tuner as kt

from tests.benchmarks.searching.driving import Driven, drive
from tests.benchmarks.searching.oracles import OBJECTIVE, make_oracle, oracle_seed
from tests.benchmarks.searching.problems import Problem, branin, hart6, mixed
from tests.benchmarks.searching.surrogates import surrogate

PROBLEMS: dict[str, Callable[[], Problem]] = {
    "branin": branin,
    "hart6": hart6,
    "mixed": mixed,
    "letter": lambda: surrogate("letter"),
    "phoneme": lambda: surrogate("phoneme"),
}


@dataclass(frozen=True)
class Contender:
    """An oracle, and how it is driven.

    Attributes:
        tuner: its name in `TUNERS`; empty for Keras Tuner's own Bayesian optimisation.
        pending: how many other trials always run while it proposes one.
        seeds: the most seeds; None for all that are asked for.
    """

    tuner: str
    pending: int = 0
    seeds: int | None = None


CONTENDERS = {
    "random": Contender("random"),
    "stock bayesian": Contender("", seeds=6),
    "tpe": Contender("tpe"),
    "gp": Contender("gp"),
    "gp, 4 pending": Contender("gp", pending=4),
}


def search(contender: str, problem: str, seed: int, trials: int) -> Driven:
    """Runs one search.

    Args:
        contender: its name.
        problem: its name.
        seed: a user's seed, from which the oracle's is made; different ones are unrelated.
        trials: how many.
    """
    chosen, function = CONTENDERS[contender], PROBLEMS[problem]()
    space, direction = function.space, function.direction
    if chosen.tuner:
        settings = {"name": chosen.tuner, "max_trials": trials}
        oracle = make_oracle(settings, space=space, direction=direction, seed=seed)
        return drive(oracle, function, trials, chosen.pending)
    with tempfile.TemporaryDirectory() as folder:
        stock = kt.oracles.BayesianOptimizationOracle(
            objective=kt.Objective(OBJECTIVE, direction),
            max_trials=trials,
            hyperparameters=space.copy(),
            seed=oracle_seed(seed),
        )
        stock.verbose = 0
        stock._set_project_dir(folder, "stock")  # as its tuner does; it writes a file a trial
        return drive(stock, function, trials, chosen.pending)
