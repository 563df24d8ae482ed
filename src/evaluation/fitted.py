"""The networks that a trial's fits left, from the weights in the run's folder."""

from zipfile import BadZipFile

import keras
import numpy as np

from src.data.loading import FitArrays
from src.data.splits import Rows
from src.errors import DiskError, UserError
from src.evaluation.export import Array, first_line, predict, raw_model
from src.evaluation.refit import build
from src.execution.context import RunContext
from src.records import TrialRecord
from src.seeds import trial_seed
from src.store.weights import load_weights
from src.text import retrain_command


def best_execution(context: RunContext, record: TrialRecord) -> int:
    """The execution with the best score, of those by which the trial ranks."""
    sign = -1.0 if context.plan.direction == "max" else 1.0
    return min(record.ranking_fits, key=lambda fit: sign * fit.score).execution


def trained_network(
    context: RunContext, record: TrialRecord, execution: int, fold: int, arrays: FitArrays
) -> keras.Model:
    """The network of one fit at its best epoch.

    Raises:
        UserError: if its weights cannot be read.
    """
    seed = trial_seed(context.seed, int(record.spec.root_id), execution, fold)
    _, network = build(context, record, arrays, seed)
    trial_id = record.spec.trial_id
    path = context.run.weights(trial_id, execution, fold)
    try:
        network.set_weights(load_weights(path))
    except (DiskError, OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(
            f"{path}: the weights of trial {record.spec.trial_id} cannot be read: "
            f"{first_line(error)}. Train it anew: {retrain_command(context.run.path, trial_id)}"
        ) from error
    return network


def fit_models(context: RunContext, record: TrialRecord) -> list[keras.Model]:
    """The models of raw rows of all fits that a trial has, each at its best epoch.

    Raises:
        UserError: if their weights cannot be read.
    """
    data, models, trained = context.data, [], _trained(record)
    inputs = () if data.table is None else data.table.inputs
    for fold, (train, validation) in enumerate(data.folds(record.spec.folds)):
        arrays = context.arrays(train, validation)
        for execution in sorted({fit.execution for fit in record.ranking_fits}):
            if (execution, fold) not in trained:
                continue
            network = trained_network(context, record, execution, fold, arrays)
            models.append(raw_model(network, arrays.scaling, arrays.problem, inputs))
    return models


def held_out_predictions(context: RunContext, record: TrialRecord) -> tuple[Rows, Array]:
    """Returns row numbers and what the fits of a trial predict for those that they have not seen.

    After cross-validation, each row is predicted by the fold that validated on it, of the first
    execution; without it, by the execution with the best score. Of a trial that was cut short, the
    rows of folds that it did not train on are left out.

    Raises:
        UserError: if their weights cannot be read.
    """
    data = context.data
    inputs = () if data.table is None else data.table.inputs
    folds = data.folds(record.spec.folds)
    first = min(fit.execution for fit in record.ranking_fits)
    execution = best_execution(context, record) if len(folds) == 1 else first
    pieces = []
    for fold, (train, validation) in enumerate(folds):
        if (execution, fold) not in _trained(record):
            continue
        arrays = context.arrays(train, validation)
        network = trained_network(context, record, execution, fold, arrays)
        model = raw_model(network, arrays.scaling, arrays.problem, inputs)
        pieces.append((validation, predict(model, data.raw_rows(validation))))
    rows, predictions = zip(*pieces, strict=True)
    return np.concatenate(rows), np.concatenate(predictions)


def _trained(record: TrialRecord) -> set[tuple[int, int]]:
    """Execution and fold of each fit by which the trial ranks."""
    return {(fit.execution, fit.fold) for fit in record.ranking_fits}
