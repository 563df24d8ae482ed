"""The tuner `tpe`: Optuna's tree-structured Parzen estimator behind Keras Tuner's interface."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from keras_tuner.engine.hyperparameters import Boolean, Choice, Int
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from src.seeds import proposal_seed
from src.tuners import space as spaces
from src.tuners.oracle import SearchOracle

STATES = {"COMPLETED": TrialState.COMPLETE, "FAILED": TrialState.FAIL}  # or else RUNNING
ATTEMPTS = 10  # seeds that are tried for a new point


class TPEOracle(SearchOracle):
    """Tree-structured Parzen estimators (Bergstra et al. 2011), as Optuna has them.

    Multivariate, with a group for each branch of a conditional space, and with running trials taken
    to be bad ("constant liar"). A proposal depends on the seed and the trials alone: each time,
    Optuna is given a study in memory with all trials so far. No point is proposed twice.
    """

    exhausted = "every point of the space has been tried"
    uses_warm_start = True

    def propose(self, trial_id: str) -> dict[str, Any]:
        for attempt in range(ATTEMPTS):
            values = self._ask(proposal_seed(self.seed, len(self.trials), attempt))
            if not self.is_tried(values):
                return {"status": "RUNNING", "values": values}
        untried = self.untried_values()
        return {"status": "STOPPED" if untried is None else "RUNNING", "values": untried}

    def _ask(self, seed: int) -> dict[str, Any]:
        parameters = [Parameter(str(n), hp) for n, hp in enumerate(self.hyperparameters.space)]
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it logs every study
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                multivariate=True, group=True, constant_liar=True, seed=seed
            )
        direction = "maximize" if self.objective.direction == "max" else "minimize"
        study = optuna.create_study(sampler=sampler, direction=direction)
        self._add_trials(study, parameters)
        asked = study.ask()
        values: dict[str, Any] = {}
        for parameter in parameters:
            if spaces.is_active(parameter.hp, values):
                values[parameter.hp.name] = parameter.suggest(asked)
        return values

    def _add_trials(self, study: Any, parameters: Sequence["Parameter"]) -> None:
        earlier, now = self.warm_start.trials, self.trials.values()
        known: list[tuple[Mapping[str, Any], str, float | None]] = [
            *((trial.values, "COMPLETED", trial.score) for trial in earlier),
            *((trial.hyperparameters.values, trial.status, trial.score) for trial in now),
        ]
        searched = [parameter for parameter in parameters if spaces.is_searched(parameter.hp)]
        for values, status, score in known:
            own = [p for p in searched if p.hp.name in values and spaces.is_active(p.hp, values)]
            trial = create_trial(
                state=STATES.get(status, TrialState.RUNNING),
                value=score,
                params={p.name: p.to_optuna(values[p.hp.name]) for p in own},
                distributions={p.name: p.distribution for p in own},
            )
            study.add_trial(trial)


class Parameter:
    """A hyperparameter in Optuna's form, under a name for Optuna: two scopes may share a name.

    The distribution is of the values, of their numbers where Optuna has no such scale, or of the
    probabilities that Keras Tuner maps to the values.
    """

    def __init__(self, name: str, hp: Any) -> None:
        self.name, self.hp = name, hp
        self._numbered: Sequence[Any] = ()
        self.distribution: CategoricalDistribution | FloatDistribution | IntDistribution
        sampling, step = getattr(hp, "sampling", ""), getattr(hp, "step", None)
        is_log = sampling == "log"
        self._is_probability = sampling == "reverse_log" and step is None
        if isinstance(hp, Boolean) or (isinstance(hp, Choice) and not hp.ordered):
            self.distribution = CategoricalDistribution(hp.values)
        elif isinstance(hp, Int) and step is None and is_log:
            self.distribution = IntDistribution(hp.min_value, hp.max_value, log=True)
        elif spaces.is_continuous(hp) and sampling != "reverse_log":
            self.distribution = FloatDistribution(hp.min_value, hp.max_value, log=is_log)
        elif self._is_probability:
            self.distribution = FloatDistribution(0.0, 1.0)
        else:
            self._numbered = spaces.finite_values(hp)
            self.distribution = IntDistribution(0, len(self._numbered) - 1)

    def to_optuna(self, value: Any) -> Any:
        """What a value of the hyperparameter is for Optuna."""
        if self._numbered:
            return spaces.nearest_index(self._numbered, value)
        if self._is_probability:
            value = float(self.hp.value_to_prob(value))
        if isinstance(self.distribution, FloatDistribution):  # rounding may leave the range
            return min(max(value, self.distribution.low), self.distribution.high)
        return value

    def suggest(self, trial: Any) -> Any:
        """Asks Optuna for a value, and returns it as a value of the hyperparameter."""
        own, name = self.distribution, self.name
        if not spaces.is_searched(self.hp):
            return spaces.finite_values(self.hp)[0]
        if isinstance(own, CategoricalDistribution):
            return trial.suggest_categorical(name, own.choices)
        if isinstance(own, IntDistribution):
            number = trial.suggest_int(name, own.low, own.high, log=own.log)
            return self._numbered[number] if self._numbered else number
        number = trial.suggest_float(name, own.low, own.high, log=own.log)
        if not self._is_probability:
            return number
        value = min(self.hp.prob_to_value(number), self.hp.max_value)
        return int(value) if isinstance(self.hp, Int) else float(max(value, self.hp.min_value))
