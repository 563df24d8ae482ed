"""The networks that a trial's fits left, from the weights in the run's folder."""

from zipfile import BadZipFile

import keras

from src.data.loading import FitArrays
from src.errors import DiskError, UserError
from src.files import checksum
from src.search.export import first_line
from src.search.refit import build
from src.search.seeds import trial_seed
from src.search.trial import TrialRecord
from src.search.trial_runner import RunContext
from src.search.weights import load_weights


def best_execution(context: RunContext, record: TrialRecord) -> int:
    """The execution with the best score."""
    sign = -1.0 if context.plan.direction == "max" else 1.0
    return min(record.result.fits, key=lambda fit: sign * fit.score).execution


def trained_network(
    context: RunContext, record: TrialRecord, execution: int, fold: int, arrays: FitArrays
) -> tuple[keras.Model, FitArrays]:
    """The network of one fit at its best epoch.

    Raises:
        UserError: if its weights cannot be read.
    """
    seed = trial_seed(context.seed, int(record.spec.root_id), execution, fold)
    _, network = build(context, record, arrays, seed)
    path = context.run.weights(record.spec.trial_id, execution, fold)
    fits = record.result.fits
    written = next(f.weights for f in fits if (f.execution, f.fold) == (execution, fold))
    try:
        if written not in (None, checksum(path)):
            raise ValueError("they are not those that the trial left")
        network.set_weights(load_weights(path))
    except (DiskError, OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(
            f"{path}: the weights of trial {record.spec.trial_id} cannot be read: "
            f"{first_line(error)}. Resume the run: it trains a trial again whose weights are "
            "damaged"
        ) from error
    return network, arrays
