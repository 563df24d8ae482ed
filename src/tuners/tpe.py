"""The oracle `tpe`: Optuna's tree-structured Parzen estimator behind Keras Tuner's interface."""

import sys
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from keras_tuner.engine.hyperparameters import Boolean, Choice, Int
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from src.seeds import proposal_seed
from src.tuners import space as spaces
from src.tuners.oracle import SearchOracle

STATES = {"COMPLETED": TrialState.COMPLETE, "FAILED": TrialState.FAIL}
ATTEMPTS = 10  # seeds that are tried for a point that is new


class TPEOracle(SearchOracle):
    """Tree-structured Parzen estimators (Bergstra et al. 2011), as Optuna has them.

    Multivariate, with a group for each branch of a conditional space, and with running trials taken
    to be bad ("constant liar"). Failed trials are left out. A proposal depends on the seed and the
    trials alone: for each, Optuna is given a study in memory with all trials so far. A point that
    has been tried is not proposed again.
    """

    exhausted = "every point of the space has been tried"
    uses_knowledge = True

    def propose(self, trial_id: str) -> dict[str, Any]:
        """Proposes a point, or stops when all have been tried."""
        for attempt in range(ATTEMPTS):
            values = self._ask(proposal_seed(self.seed, len(self.trials), attempt))
            if not self.is_tried(values):
                return {"status": "RUNNING", "values": values}
        untried = self.untried_values()
        if untried is None:
            return {"status": "STOPPED", "values": None}
        return {"status": "RUNNING", "values": untried}

    def _ask(self, seed: int) -> dict[str, Any]:
        parameters = self._parameters()
        known = self._frozen_trials(parameters)
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every study
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                sampler = optuna.samplers.TPESampler(
                    multivariate=True, group=True, constant_liar=True, seed=seed
                )
            direction = "maximize" if self.objective.direction == "max" else "minimize"
            study = optuna.create_study(sampler=sampler, direction=direction)
            study.add_trials(known)
            asked = study.ask()
            values: dict[str, Any] = {}
            for hp in self.hyperparameters.space:
                if all(condition.is_active(values) for condition in hp.conditions):
                    parameter = parameters.get(id(hp))
                    values[hp.name] = (
                        spaces.finite_values(hp)[0]
                        if parameter is None
                        else parameter.suggest(asked)
                    )
        finally:
            optuna.logging.set_verbosity(before)
        return values

    def _frozen_trials(self, parameters: Mapping[int, "Parameter"]) -> list[Any]:
        """All trials in Optuna's form, those of an earlier run first."""
        earlier = [
            self._frozen(trial.values, TrialState.COMPLETE, trial.score, parameters)
            for trial in self.knowledge.trials
        ]
        return earlier + [
            self._frozen(
                trial.hyperparameters.values,
                STATES.get(trial.status, TrialState.RUNNING),
                trial.score,
                parameters,
            )
            for trial in self.trials.values()
        ]

    def _parameters(self) -> dict[int, "Parameter"]:
        """By the `id` of a hyperparameter, of those that are searched."""
        return {
            id(hp): Parameter(str(number), hp)
            for number, hp in enumerate(self.hyperparameters.space)
            if spaces.is_searched(hp)
        }

    def _frozen(
        self,
        values: Mapping[str, Any],
        state: TrialState,
        score: float | None,
        parameters: Mapping[int, "Parameter"],
    ) -> Any:
        """A trial in Optuna's form."""
        own = [
            (parameters[id(hp)], values[hp.name])
            for hp in self.hyperparameters.space
            if id(hp) in parameters
            and hp.name in values
            and all(condition.is_active(values) for condition in hp.conditions)
        ]
        return create_trial(
            state=state,
            value=score if state == TrialState.COMPLETE else None,
            params={parameter.name: parameter.to_optuna(value) for parameter, value in own},
            distributions={parameter.name: parameter.distribution for parameter, _ in own},
        )


class Parameter:
    """A hyperparameter with more than one value, in Optuna's form.

    Args:
        name: what Optuna calls it; hyperparameters of two scopes may share a name.
        hp: the hyperparameter.

    Attributes:
        distribution: Optuna's; of numbered values, where Optuna has no such scale.
    """

    def __init__(self, name: str, hp: Any) -> None:
        self.name, self._hp = name, hp
        self._numbered: tuple[Any, ...] | None = None
        self._probability = False  # Optuna is asked for the probability of a value in its place
        self.distribution: BaseDistribution
        if isinstance(hp, Boolean):
            self.distribution = CategoricalDistribution((True, False))
        elif isinstance(hp, Choice) and not hp.ordered:
            self.distribution = CategoricalDistribution(hp.values)
        elif isinstance(hp, Int) and hp.sampling == "linear":
            values = spaces.finite_values(hp)
            self.distribution = IntDistribution(values[0], values[-1], step=hp.step)
        elif isinstance(hp, Int) and hp.step is None and hp.sampling == "log":
            self.distribution = IntDistribution(hp.min_value, hp.max_value, log=True)
        elif spaces.is_continuous(hp) and hp.sampling != "reverse_log" and not _narrow(hp):
            log = hp.sampling == "log"
            self.distribution = FloatDistribution(hp.min_value, hp.max_value, log=log)
        elif isinstance(hp, Choice) or hp.step is not None:
            self._numbered = tuple(spaces.finite_values(hp))
            self.distribution = IntDistribution(0, len(self._numbered) - 1)
        else:
            self._probability = True
            self.distribution = FloatDistribution(0.0, 1.0)

    def to_optuna(self, value: Any) -> Any:
        """What a value of the hyperparameter is for Optuna."""
        if self._numbered is not None:
            return min(range(len(self._numbered)), key=lambda index: self._far(index, value))
        if self._probability:
            return min(max(float(self._hp.value_to_prob(value)), 0.0), 1.0)
        if isinstance(self.distribution, IntDistribution):
            low, step = self.distribution.low, self.distribution.step
            return low + round((value - low) / step) * step
        if isinstance(self.distribution, FloatDistribution):  # beside it only by rounding
            return min(max(value, self.distribution.low), self.distribution.high)
        return value

    def suggest(self, trial: Any) -> Any:
        """Asks Optuna for a value, and returns it as one of the hyperparameter."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return trial.suggest_categorical(self.name, distribution.choices)
        if isinstance(distribution, IntDistribution):
            low, high, step = distribution.low, distribution.high, distribution.step
            number = trial.suggest_int(self.name, low, high, step=step, log=distribution.log)
            return number if self._numbered is None else self._numbered[number]
        assert isinstance(distribution, FloatDistribution)
        number = trial.suggest_float(
            self.name, distribution.low, distribution.high, log=distribution.log
        )
        if self._probability:
            hp = self._hp
            value = min(hp.prob_to_value(number), hp.max_value)
            return int(value) if isinstance(hp, Int) else float(max(value, hp.min_value))
        return number

    def _far(self, index: int, value: Any) -> float:
        assert self._numbered is not None
        other = self._numbered[index]
        return 0.0 if other == value else abs(other - value)


def _narrow(hp: Any) -> bool:
    """Whether a range is so narrow that rounding is all that Optuna would see of it."""
    width = hp.max_value - hp.min_value
    return bool(width < max(1e-12 * max(abs(hp.min_value), abs(hp.max_value)), sys.float_info.min))
