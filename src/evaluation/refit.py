"""Trains a trial's hyperparameters anew, on training and validation rows together."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from hypermodels import HYPERMODELS
from src import registry
from src.data.loading import FitArrays
from src.evaluation.export import first_line
from src.execution.context import RunContext
from src.execution.failures import TrialFailedError
from src.execution.progress import StopOnRequest as Stopper
from src.execution.trial_runner import hyperparameters_of
from src.records import TrialRecord
from src.seeds import trial_seed
from src.signals import TrialInterruptedError


def build(context: RunContext, record: TrialRecord, arrays: FitArrays, seed: int) -> Any:
    """Returns the HyperModel and the network of a trial, its weights as they begin."""
    keras.utils.set_random_seed(seed)
    hypermodel_class = registry.load(HYPERMODELS, context.hypermodel, "hypermodel.name")
    hypermodel = hypermodel_class(arrays.problem, seed=seed, plan=context.plan)
    return hypermodel, hypermodel.build(hyperparameters_of(record.spec))


def development_arrays(context: RunContext) -> FitArrays:
    """Returns training and validation rows as a refit takes them; there is nothing to validate."""
    return context.arrays(context.data.development, np.empty(0, dtype=np.int64))


def refit_seed(context: RunContext, record: TrialRecord, number: int = 0) -> int:
    """Returns a seed that no fit of the search has, unrelated to those of other numbers.

    Args:
        context: what the trials shared.
        record: the trial.
        number: of the refit; 0 is the search's own, after cross-validation.
    """
    spec = record.spec
    return trial_seed(context.seed, int(spec.root_id), number, spec.folds)


def refit(
    context: RunContext,
    record: TrialRecord,
    arrays: FitArrays,
    seed: int,
    stopping: Callable[[], bool],
) -> keras.Model:
    """Trains for the mean best epoch of the trial's fits; the plan, and so schedules, are theirs.

    Without validation rows, no callback can react to them: those with `needs_validation` are left
    out.

    Args:
        context: what the trials shared.
        record: the trial.
        arrays: `development_arrays(context)`.
        seed: of weights, batches and dropout.
        stopping: asked after each epoch whether to give the training up.

    Raises:
        TrialInterruptedError: if it was given up.
        TrialFailedError: if it raises, or diverges.
    """
    hypermodel, network = build(context, record, arrays, seed)
    trial, epochs = f"trial {record.spec.trial_id}", record.result.best_epoch or 1
    try:
        history = hypermodel.fit(
            hyperparameters_of(record.spec),
            network,
            arrays.x,
            arrays.y,
            epochs=epochs,
            callbacks=[Stopper(stopping)],
            class_weight=context.class_weight,
            stream=context.stream,
        )
    except TrialInterruptedError:
        raise
    except Exception as error:  # callbacks of any user's may raise anything
        if stopping():  # out of an extension module, a KeyboardInterrupt may come as any other
            raise TrialInterruptedError from error
        raise TrialFailedError(
            f"training {trial} again on all training and validation rows raised "
            f"{first_line(error)}. A callback that reads validation metrics sets "
            "`needs_validation = True`, and is then left out here"
        ) from error
    loss = float(history.history["loss"][-1])
    if not math.isfinite(loss):
        raise TrialFailedError(
            f"the training of {trial} on all {len(arrays.x)} training and validation rows ended "
            f"after {epochs} epochs with a loss of {loss}, so there is no model to export. Lower "
            "space.learning_rate, or search with tuner.folds=1, which exports weights as they were "
            "validated"
        )
    return network
