"""Keras Tuner's own oracles, fitted to the loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log
from typing import Any, Self

import keras_tuner as kt
from keras_tuner.engine.hyperparameters import Float, Int

from src.config.schema import Config
from src.search import space as spaces
from src.search.oracle import SearchOracle


class RandomOracle(SearchOracle, kt.oracles.RandomSearchOracle):
    """Random search (Bergstra and Bengio 2012)."""

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

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Keeps to the ranges: at the upper end Keras Tuner proposes an integer too large."""
        response: dict[str, Any] = super().populate_space(trial_id)
        values = response["values"] or {}
        for hp in self.hyperparameters.space:
            if isinstance(hp, (Int, Float)) and hp.name in values:
                values[hp.name] = min(max(values[hp.name], hp.min_value), hp.max_value)
        return response

    def plan(self, cap: int | None) -> Sequence[str]:
        """Adds how the search starts."""
        return [*super().plan(cap), f"the first {self.num_initial_points} at random"]


def _initial_points(cap: int | None, searched: int) -> int:
    wanted = max(3, 3 * searched)
    return wanted if cap is None else max(1, min(wanted, cap // 2))


class HyperbandOracle(SearchOracle, kt.oracles.HyperbandOracle):
    """Hyperband (Li et al. 2018): many short trainings, the better ones continued."""

    exhausted = "every bracket is complete"
    continues_trials = True

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        """The longest rung trains for `training.epochs`."""
        return cls(
            max_epochs=config.training.epochs,
            factor=config.tuner.factor,
            hyperband_iterations=config.tuner.hyperband_iterations,
            **common,
        )

    def total(self, cap: int | None) -> int | None:
        """The trials of all rungs; a promotion is one."""
        rungs = hyperband_rungs(self.max_epochs, self.factor)
        trials: int = sum(rung.trials for rung in rungs) * self.hyperband_iterations
        return trials if cap is None else min(cap, trials)

    def plan(self, cap: int | None) -> Sequence[str]:
        """One line a bracket, then the totals."""
        rungs = hyperband_rungs(self.max_epochs, self.factor)
        brackets: dict[int, list[Rung]] = {}
        for rung in rungs:
            brackets.setdefault(rung.bracket, []).append(rung)
        lines = [
            f"bracket {bracket}: "
            + ", then ".join(f"{rung.trials} trials to epoch {rung.epochs}" for rung in members)
            for bracket, members in brackets.items()
        ]
        times = self.hyperband_iterations
        trials = times * sum(rung.trials for rung in rungs)
        epochs = times * sum(rung.trials * (rung.epochs - rung.initial_epoch) for rung in rungs)
        repeated = f" in {times} iterations" if times > 1 else ""
        capped = f", ended after {cap:,} trials" if cap and cap < trials else ""
        return [*lines, f"{trials:,} trials, {epochs:,} epochs in all{repeated}{capped}"]


@dataclass(frozen=True)
class Rung:
    """One rung of a Hyperband bracket.

    Attributes:
        bracket: the bracket's number; the highest, which halves most, comes first.
        trials: how many trials run in the rung.
        initial_epoch: where its trials continue from.
        epochs: the epoch up to which they train.
    """

    bracket: int
    trials: int
    initial_epoch: int
    epochs: int


def hyperband_rungs(max_epochs: int, factor: int) -> list[Rung]:
    """The rungs of one Hyperband iteration, as Keras Tuner sizes them, in order.

    Args:
        max_epochs: epochs of the longest rung.
        factor: how many times fewer trials, and more epochs, each rung has than the one before.
    """
    last_bracket, epochs = -1, float(max_epochs)
    while epochs >= 1:
        epochs /= factor
        last_bracket += 1
    finalists = ceil(1 + log(max_epochs, factor))
    rungs = []
    for bracket in range(last_bracket, -1, -1):
        reached = 0
        for rung in range(bracket + 1):
            left = bracket - rung
            until = ceil(max_epochs / factor**left)
            trials = ceil(finalists / (bracket + 1) * factor**left)
            rungs.append(Rung(bracket, trials, reached, until))
            reached = until
    return rungs
