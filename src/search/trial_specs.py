"""From a Keras Tuner trial to the plain data that a worker is given."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from src.config import Config
from src.records import TrialSpec, structure_key
from src.tuners.oracle import SearchOracle


def trial_spec(
    trial: Any,
    earlier: Mapping[str, TrialSpec],
    config: Config,
    oracle: SearchOracle,
    hypermodel: Any,
) -> TrialSpec:
    """Returns what is to be trained for a trial.

    Args:
        trial: as the oracle proposed it.
        earlier: the specs of earlier trials, by id; one of them may be the trial's parent.
        config: the search's.
        oracle: the search's.
        hypermodel: the search's.
    """
    # Bayesian optimisation proposes NumPy numbers, which YAML and others cannot write.
    values = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in trial.hyperparameters.values.items()
    }
    parent_id = values.get("tuner/trial_id")
    bracket = values.get("tuner/bracket")
    if parent_id:  # Keras Tuner notes the newest bracket, though an older one may be running
        bracket = earlier[parent_id].bracket
    return TrialSpec(
        trial_id=trial.trial_id,
        root_id=earlier[parent_id].root_id if parent_id else trial.trial_id,
        parent_id=parent_id,
        hyperparameters={
            "space": oracle.describe_space(trial.hyperparameters),
            "values": values,
        },
        initial_epoch=values.get("tuner/initial_epoch", 0),
        epochs=values.get("tuner/epochs", config.training.epochs),
        executions=config.tuner.executions_per_trial,
        folds=config.tuner.folds,
        keep_state=oracle.has_rungs,
        attempt=earlier[parent_id].attempt if parent_id else 0,
        bracket=bracket,
        rung=values.get("tuner/round"),
        structure=structure_key(hypermodel.structure(trial.hyperparameters)),
    )
