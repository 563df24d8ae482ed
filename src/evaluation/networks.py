"""A trial's networks: those that its fits left in the run's folder, and refits on more rows."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from hypermodels import HYPERMODELS
from src import registry
from src.data.archives import UNREADABLE
from src.data.loading import FitArrays
from src.data.splits import Rows
from src.errors import UserError
from src.evaluation.export import first_line, raw_model
from src.evaluation.outputs import Array, predict
from src.execution.executor import RunContext
from src.execution.failures import TrialFailedError
from src.execution.progress import StopOnRequest
from src.records import TrialRecord
from src.seeds import trial_seed
from src.signals import TrialInterruptedError
from src.store.training_state import load_weights
from src.text import command
from src.tuners.space import restored


def chosen_execution(context: RunContext, record: TrialRecord) -> int:
    """The best execution, of the fits by which the trial ranks; with folds, the first one."""
    if record.spec.folds > 1:
        return min(fit.execution for fit in record.ranking_fits)
    best = min if context.plan.direction == "min" else max
    return best(record.ranking_fits, key=lambda fit: fit.score).execution


def fit_networks(
    context: RunContext, record: TrialRecord
) -> Iterator[tuple[Rows, keras.Model, FitArrays]]:
    """Yields validation rows, network at its best epoch, and arrays of the chosen execution's fits.

    Raises `UserError` if weights cannot be read.
    """
    trial_id, run, execution = record.spec.trial_id, context.run, chosen_execution(context, record)
    trained = {(fit.execution, fit.fold) for fit in record.ranking_fits}
    for fold, (train, validation) in enumerate(context.data.folds(record.spec.folds)):
        if (execution, fold) not in trained:  # the trial was stopped before this fold
            continue
        arrays = context.arrays(train, validation)
        seed = trial_seed(context.config.seed, int(record.spec.root_id), execution, fold)
        _, network = _build(context, record, arrays, seed)
        path = run.weights(trial_id, execution, fold)
        try:
            network.set_weights(load_weights(path))
        except UNREADABLE as error:
            raise UserError(
                f"{path}: the weights of trial {trial_id} cannot be read: {first_line(error)}. Put "
                "back a copy of the file, or train a trial anew: "
                f"{command('retrain', run.path)} --trial ID"
            ) from error
        yield validation, network, arrays


def held_out_predictions(context: RunContext, record: TrialRecord) -> tuple[Rows, Array]:
    """Returns row numbers, and the outputs of a trial's fits that have not seen these rows."""
    data, pieces = context.data, []
    for rows, network, arrays in fit_networks(context, record):
        model = raw_model(network, arrays, data)
        pieces.append((rows, predict(model, data.raw_rows(rows), len(rows))))
    rows, outputs = map(np.concatenate, zip(*pieces, strict=True))
    return rows, outputs


def development_arrays(context: RunContext) -> FitArrays:
    """Training and validation rows together to train on, and none to validate on."""
    return context.arrays(context.data.development, np.empty(0, dtype=np.int64))


def refit_seed(context: RunContext, record: TrialRecord, number: int = 0) -> int:
    """The seed of a trial's refit, which no fit of the search has; number 0 is the search's own."""
    return trial_seed(context.config.seed, int(record.spec.root_id), number, record.spec.folds)


def refit(
    context: RunContext,
    record: TrialRecord,
    arrays: FitArrays,
    seed: int,
    stopping: Callable[[], bool],
) -> keras.Model:
    """Trains a trial on all development rows for the mean best epoch of its fits.

    Plan and schedules are the search's. Without validation rows, callbacks with `needs_validation`
    are left out. Raises `TrialInterruptedError` if `stopping`, asked after each epoch, says so, and
    `TrialFailedError` if the training raises or diverges.
    """
    hypermodel, network = _build(context, record, arrays, seed)
    trial, epochs = f"trial {record.spec.trial_id}", record.result.best_epoch or 1
    try:
        history = hypermodel.fit(
            restored(record.spec.hyperparameters),
            network,
            arrays.x,
            arrays.y,
            epochs=epochs,
            callbacks=[StopOnRequest(stopping)],
            class_weight=context.class_weight,
            stream=context.streams,
        )
    except TrialInterruptedError:
        raise
    except Exception as error:  # callbacks of any user's may raise anything
        if stopping():  # out of an extension module, a KeyboardInterrupt may come as any other
            raise TrialInterruptedError from error
        raise TrialFailedError(
            f"the refit of {trial} raised {first_line(error)}. A callback that reads validation "
            "metrics sets `needs_validation = True`, and is then left out here"
        ) from error
    loss = float(history.history["loss"][-1])
    if not math.isfinite(loss):
        raise TrialFailedError(
            f"the refit of {trial} on all {len(arrays.x)} training and validation rows ended after "
            f"{epochs} epochs with a loss of {loss}. Lower space.learning_rate, or search with "
            "tuner.folds=1, which exports the weights of the search"
        )
    return network


def _build(context: RunContext, record: TrialRecord, arrays: FitArrays, seed: int) -> Any:
    """The HyperModel and the network of a trial, with new weights."""
    keras.utils.set_random_seed(seed)
    hypermodel_class = registry.load(HYPERMODELS, context.config.hypermodel.name, "hypermodel.name")
    hypermodel = hypermodel_class(arrays.problem, seed=seed, plan=context.plan)
    return hypermodel, hypermodel.build(restored(record.spec.hyperparameters))
