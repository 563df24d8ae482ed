"""From a Keras Tuner trial to the specification that a worker is given."""

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
        trial: Keras Tuner's trial, as the oracle proposed it.
        earlier: earlier trials by id, the trial's parent among them.
        config: the search's.
        oracle: the search's.
        hypermodel: the search's.
    """
    # Bayesian optimisation proposes NumPy numbers, which YAML and JSON cannot write.
    values = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in trial.hyperparameters.values.items()
    }
    parent = earlier[values["tuner/trial_id"]] if values.get("tuner/trial_id") else None
    return TrialSpec(
        trial_id=trial.trial_id,
        root_id=parent.root_id if parent else trial.trial_id,
        parent_id=parent.trial_id if parent else None,
        hyperparameters={
            "space": oracle.describe_space(trial.hyperparameters),
            "values": values,
        },
        initial_epoch=values.get("tuner/initial_epoch", 0),
        epochs=values.get("tuner/epochs", config.training.epochs),
        executions=config.tuner.executions_per_trial,
        folds=config.tuner.folds,
        keep_state=oracle.has_rungs,
        attempt=parent.attempt if parent else 0,
        # Keras Tuner notes the newest bracket, though an older one may be running.
        bracket=parent.bracket if parent else values.get("tuner/bracket"),
        rung=values.get("tuner/round"),
        structure=structure_key(hypermodel.structure(trial.hyperparameters)),
    )
