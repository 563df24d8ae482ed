"""The tuner `bayesian`: Keras Tuner's Bayesian optimisation, kept within the space."""

import warnings
from typing import Any, Self

import keras_tuner as kt
import numpy as np
from keras_tuner.engine.hyperparameters import Float, Int
from sklearn.exceptions import ConvergenceWarning

from src.config.schema import Config
from src.tuners import space as spaces
from src.tuners.oracle import SearchOracle


class BayesianOracle(SearchOracle, kt.oracles.BayesianOptimizationOracle):
    """Bayesian optimisation with a Gaussian process and an upper confidence bound."""

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        """Starts with random points: three a searched hyperparameter, at most half the trials."""
        oracle = super().from_config(config, **common)
        points = 3 * len(spaces.searched_names(oracle.hyperparameters))
        if points and oracle.max_trials is not None:
            points = max(1, min(points, oracle.max_trials // 2))
        oracle.num_initial_points = points
        return oracle

    def propose(self, trial_id: str) -> dict[str, Any]:
        """Proposes within the ranges: Keras Tuner proposes integers one above the upper end."""
        with warnings.catch_warnings():
            # About the bounds of the kernel, which nobody here can change.
            warnings.simplefilter("ignore", ConvergenceWarning)
            response = super().propose(trial_id)
        values = response["values"] or {}
        for hp in self.hyperparameters.space:
            if isinstance(hp, (Int, Float)) and hp.name in values:
                value = min(max(values[hp.name], hp.min_value), hp.max_value)
                values[hp.name] = value.item() if isinstance(value, np.generic) else value
        return response

    # Private, because Keras Tuner leaves the generator of its start points out of its state.
    def get_state(self) -> dict[str, Any]:
        generator = self._random_state.get_state(legacy=False)
        generator["state"]["key"] = generator["state"]["key"].tolist()
        added = {"num_initial_points": self.num_initial_points, "random_state": generator}
        return super().get_state() | added

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.num_initial_points = state["num_initial_points"]
        self._random_state.set_state(state["random_state"])
