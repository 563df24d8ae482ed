"""Keras Tuner's own oracles, fitted to the loop."""

import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import keras_tuner as kt
import numpy as np
from keras_tuner.engine.hyperparameters import Float, Int
from sklearn.exceptions import ConvergenceWarning

from src.config.schema import Config
from src.tuners import space as spaces
from src.tuners.oracle import SearchOracle
from src.tuners.rungs import (
    Rung,
    beginnings_of,
    by_bracket,
    describe_brackets,
    describe_total,
    epochs_of,
    hyperband_rungs,
)

LARGEST_SCORE = 1e100


class RandomOracle(SearchOracle, kt.oracles.RandomSearchOracle):
    """Random search (Bergstra and Bengio 2012)."""

    learns = False

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        """The loop counts trials, so that a budget can change."""
        return cls(max_trials=None, **common)


class BayesianOracle(SearchOracle, kt.oracles.BayesianOptimizationOracle):
    """Bayesian optimisation with a Gaussian process and an upper confidence bound."""

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        """Starts with random points: three a searched hyperparameter, at most half the budget."""
        searched = len(spaces.searched_names(common["hyperparameters"]))
        return cls(
            max_trials=None,
            num_initial_points=_initial_points(config.tuner.trial_cap, searched),
            **common,
        )

    def propose(self, trial_id: str) -> dict[str, Any]:
        """Keeps to the ranges: at the upper end Keras Tuner proposes an integer too large.

        Values are Python's own numbers, as they are after a resume.
        """
        with warnings.catch_warnings():
            # About the bounds of the Gaussian process's kernel, which nobody here can change.
            warnings.simplefilter("ignore", ConvergenceWarning)
            response: dict[str, Any] = super().propose(trial_id)
        values = response["values"] or {}
        for hp in self.hyperparameters.space:
            if isinstance(hp, (Int, Float)) and hp.name in values:
                value = min(max(values[hp.name], hp.min_value), hp.max_value)
                values[hp.name] = value.item() if isinstance(value, np.generic) else value
        return response

    # Private, because Keras Tuner has no public step between the trials and its Gaussian process.
    def _vectorize_trials(self) -> tuple[Any, Any]:
        """Scores beyond any that means something are cut: their squares would overflow."""
        points, scores = super()._vectorize_trials()
        return points, np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE)

    # Private, because Keras Tuner leaves the generator that starts its maximisation out of its
    # state: after a resume it would propose other points.
    def get_state(self) -> dict[str, Any]:
        """Keras Tuner's state and that of the random generator."""
        generator = self._random_state.get_state(legacy=False)
        generator["state"]["key"] = generator["state"]["key"].tolist()
        return {**super().get_state(), "random_state": generator}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from a state that `get_state` gave."""
        super().set_state(state)
        self._random_state.set_state(state["random_state"])

    def plan(self, cap: int | None) -> Sequence[str]:
        """Adds how the search starts."""
        first = self.num_initial_points
        start = [f"the first {first} at random"] if first < sys.maxsize else []
        return [*super().plan(cap), *start]

    def notices(self, cap: int | None) -> Sequence[str]:
        """Says where the budget is too small for a start that the model can learn from."""
        searched = len(spaces.searched_names(self.hyperparameters))
        wanted = _wanted_points(searched)
        said = super().notices(cap)
        if cap is None or cap >= wanted or not searched:
            return said
        return [
            *said,
            f"tuner.max_trials: {cap} is below the {wanted} random trials, three for each of the "
            f"{searched} hyperparameters searched, with which Bayesian optimisation should start; "
            f"it starts with {self.num_initial_points} and learns from little. Set "
            f"tuner.max_trials={2 * wanted}, pin hyperparameters, or take tuner.name=gp, which "
            "needs fewer",
        ]


def _wanted_points(searched: int) -> int:
    """How many random points Keras Tuner wants before it models them."""
    return max(3, 3 * searched)


def _initial_points(cap: int | None, searched: int) -> int:
    if searched == 0:
        return sys.maxsize  # nothing to model; the single point is found at random
    wanted = _wanted_points(searched)
    return wanted if cap is None else max(1, min(wanted, cap // 2))


class HyperbandOracle(SearchOracle, kt.oracles.HyperbandOracle):
    """Hyperband (Li et al. 2018): many short trainings, the better ones continued."""

    exhausted = "every bracket is complete"
    has_rungs = True
    default_first = False  # it is a member of the first rung

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        """The longest rung trains for `training.epochs`."""
        return cls(
            max_epochs=config.training.epochs,
            factor=config.tuner.factor,
            hyperband_iterations=config.tuner.hyperband_iterations,
            **common,
        )

    def propose(self, trial_id: str) -> dict[str, Any]:
        """Keras Tuner's proposal, with failed trials counted as the losers of their rung.

        Keras Tuner waits for completed trials alone, so that each failure in a rung costs a
        promotion, and a few of them cost all. Where too few completed for the next rung, a new
        configuration fills the place, trained from its first epoch.
        """
        failed = [trial for trial in self.trials.values() if trial.status == "FAILED"]
        worst = float("-inf") if self.objective.direction == "max" else float("inf")
        for trial in failed:
            trial.status, trial.score = "COMPLETED", worst
        try:
            response: dict[str, Any] = super().propose(trial_id)
        finally:
            for trial in failed:
                trial.status, trial.score = "FAILED", None
        values = response.get("values") or {}
        parent = values.get("tuner/trial_id")
        if parent is not None and self.trials[parent].status == "FAILED":
            kept = ("tuner/epochs", "tuner/bracket", "tuner/round")
            fresh = {name: values[name] for name in kept} | {"tuner/initial_epoch": 0}
            response["values"] = self._random_values() | fresh
        return response

    # Private, because Keras Tuner has no public way to sample a point.
    def _random_values(self) -> dict[str, Any]:
        """What comes first, then points not tried yet or, if they are too few, any again.

        Keras Tuner ends the search there, before the first promotion. A repeat is trained with a
        seed of its own.
        """
        values = self.first_due()
        if values is None:
            values = super()._random_values()
        if values is None:
            hps = self.get_space()
            hps.values = {}
            for hp in hps.space:
                if hps.is_active(hp):
                    hps.values[hp.name] = hp.random_sample(self._seed_state)
                    self._seed_state += 1
            values = dict(hps.values)
        return values

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from a state that `get_state` gave; what is configured stays as it is here."""
        names = ("hyperband_iterations", "max_epochs", "min_epochs", "factor")
        super().set_state(state | {name: getattr(self, name) for name in names})

    # Private, because Keras Tuner has no public way to see its brackets.
    def continuable(self) -> set[str]:
        """Parents of running trials, and whoever may be promoted from a rung yet."""
        running = (trial.hyperparameters.values for trial in self.ongoing_trials.values())
        parents = {values["tuner/trial_id"] for values in running if "tuner/trial_id" in values}
        for bracket in self._brackets:
            for number, (rung, following) in enumerate(pairwise(bracket["rounds"])):
                if len(following) < self._get_size(bracket["bracket_num"], number + 1):
                    promoted = {member["past_id"] for member in following}
                    parents |= {member["id"] for member in rung} - promoted
        return parents

    def total(self, cap: int | None) -> int | None:
        """The trials of all rungs; a promotion is one."""
        rungs = hyperband_rungs(self.max_epochs, self.factor)
        trials: int = sum(rung.trials for rung in rungs) * self.hyperband_iterations
        return trials if cap is None else min(cap, trials)

    def epochs(self, cap: int | None, longest: int) -> int | None:
        """Those of the rungs, in the order in which they are filled."""
        return epochs_of(self._rungs * self.hyperband_iterations, cap)

    def beginnings(self, cap: int | None) -> int | None:
        """The trials of the first rungs."""
        return beginnings_of(self._rungs * self.hyperband_iterations, cap)

    @property
    def _rungs(self) -> list[Rung]:
        return hyperband_rungs(self.max_epochs, self.factor)

    def plan(self, cap: int | None) -> Sequence[str]:
        """One line a bracket, then the totals."""
        brackets = by_bracket(hyperband_rungs(self.max_epochs, self.factor))
        times = self.hyperband_iterations
        return [*describe_brackets(brackets), describe_total(brackets * times, times, cap)]
