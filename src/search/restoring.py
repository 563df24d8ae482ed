"""Gives an oracle back the state that a snapshot holds."""

from typing import Any

from src.config import Config
from src.errors import UserError
from src.records import TrialSpec
from src.search.trial_specs import trial_spec
from src.store.run_directory import RunDirectory
from src.store.snapshot import SavedSearch
from src.tuners.oracle import SearchOracle


def restore_oracle(
    oracle: SearchOracle, saved: SavedSearch, run: RunDirectory, config: Config, hypermodel: Any
) -> tuple[dict[str, TrialSpec], set[str]]:
    """Restores an oracle, and makes the specs of its trials anew.

    Args:
        oracle: of the search, as yet without a trial.
        saved: the state to go on from.
        run: the run's folder.
        config: the search's.
        hypermodel: the search's.

    Returns:
        The specs by trial, and the ids of the trials that another one may continue.

    Raises:
        UserError: if it is not a state that this oracle could have come to.
    """
    specs: dict[str, TrialSpec] = {}
    try:
        rows = [row | {"values": row["hyperparameters"]["values"]} for row in saved.trials]
        oracle.restore(saved.oracle, rows)
        for trial_id, trial in oracle.trials.items():
            specs[trial_id] = trial_spec(trial, specs, config, oracle, hypermodel)
        return specs, oracle.continuable()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UserError(  # Keras Tuner meets nonsense with any of these
            f"{run.snapshot}: its state is not one of tuner.name={config.tuner.name} "
            f"({type(error).__name__}: {error}); put back a copy of the file, or start a new run "
            "without --resume"
        ) from error
