"""Trains a completed trial anew from several seeds, judges each model on the test rows, exports."""

import json
import os
import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import keras

from hypermodels.base import build_controls
from hypermodels.export import plain_network
from src.data.loading import FitArrays
from src.errors import DiskError, UserError
from src.evaluation import metrics
from src.evaluation.export import average_models, export_network, load_export, predict, write_facts
from src.evaluation.fitted import held_out_predictions
from src.evaluation.refit import development_arrays, refit, refit_seed
from src.evaluation.threshold import Threshold, tune_threshold, with_threshold
from src.evaluation.winner import Metrics
from src.execution.failures import TrialFailedError
from src.execution.trial_runner import hyperparameters_of
from src.files import disk_errors, remove, sync, write_atomically
from src.search.finished import FinishedTrial
from src.signals import TrialInterruptedError
from src.store.run_directory import ExportDirectory, Retrained


@dataclass(frozen=True)
class Refit:
    """One training.

    Attributes:
        number: from 1.
        seed: of weights, batches and dropout.
        test: metrics on the test rows; empty where there are none, or it failed.
        reason: why it failed; empty otherwise.
    """

    number: int
    seed: int
    test: Metrics
    reason: str = ""


@dataclass(frozen=True)
class Retraining:
    """What came of it.

    Attributes:
        refits: one a seed.
        ensemble: test metrics of the average of the models; None without one.
        folder: where the models are.
    """

    refits: tuple[Refit, ...]
    ensemble: Metrics | None
    folder: Retrained

    def spread(self, name: str) -> tuple[float | None, float | None]:
        """Mean and sample standard deviation of a test metric over the seeds, where defined."""
        values = [refit.test.get(name) for refit in self.refits if not refit.reason]
        found = [value for value in values if value is not None]
        if not found or len(found) < len(values):
            return None, None
        return statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else None


def threshold_of(trial: FinishedTrial) -> Threshold | None:
    """Returns the decision threshold that the search's settings give a trial; None for 0.5.

    It is chosen on rows that the trial's own fits have not seen: a refit leaves none of those.

    Raises:
        UserError: if the weights of those fits are gone or cannot be read.
    """
    context, record = trial.context, trial.record
    if not context.tune_threshold:
        return None
    if trial.winner is not None and trial.winner.record.spec.trial_id == record.spec.trial_id:
        return trial.winner.threshold
    if not context.run.trial(record.spec.trial_id).is_dir():
        raise UserError(
            f"--trial: the weights of trial {record.spec.trial_id} were deleted (run.keep_top), "
            "and its decision threshold can only be tuned with them (objective.threshold=tuned). "
            f"Valid: a trial with a folder in {context.run.trials}"
        )
    rows, prediction = held_out_predictions(context, record)
    return tune_threshold(context.data.y[rows], prediction, context.plan.monitor)


def left_out(trial: FinishedTrial) -> list[str]:
    """Names of the callbacks that took part in the trial and need validation rows."""
    hp = hyperparameters_of(trial.record.spec)
    controls = build_controls(hp, trial.context.plan).items()
    return [name for name, control in controls if getattr(control, "needs_validation", False)]


def retrain(
    trial: FinishedTrial,
    seeds: int,
    threshold: Threshold | None,
    *,
    ensemble: bool = False,
    on_refit: Callable[[Refit], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Retraining:
    """Trains a trial's hyperparameters on training and validation rows, once for each seed.

    What is exported is in a new folder, whole or not at all.

    Args:
        trial: the trial.
        seeds: how many, at least 1. The first is that of the search's own refit.
        threshold: the decision threshold that the models get.
        ensemble: also exports one model that averages those of all seeds.
        on_refit: told of each training that has ended.
        stopping: asked whether to give up.

    Raises:
        TrialInterruptedError: if it was given up.
        TrialFailedError: if the training failed from every seed.
        UserError: if an exported file does not predict what its network does.
        DiskError: if a file cannot be written.
    """
    run, trial_id = trial.context.run, trial.record.spec.trial_id
    staged = Retrained(run.retrained / f".{trial_id}.{os.getpid()}.tmp")
    try:
        with disk_errors(run.retrained):
            staged.path.mkdir(parents=True)
            refits, average = _fill(staged, trial, seeds, threshold, ensemble, on_refit, stopping)
            result = Retraining(tuple(refits), average, staged)
            write_atomically(staged.summary, json.dumps(_summary(trial, result), indent=2) + "\n")
            if stopping():
                raise TrialInterruptedError
            return Retraining(result.refits, average, run.new_retrained(trial_id, staged.path))
    finally:
        with suppress(DiskError):
            remove(staged.path)
        with suppress(OSError):  # nothing was there before, and nothing came
            run.retrained.rmdir()


def average_network(networks: Sequence[keras.Model]) -> keras.Model:
    """Returns a network of Keras's own layers that gives the mean of what all networks give.

    Args:
        networks: at least two, of the same inputs and outputs.
    """
    plain = [plain_network(network) for network in networks]
    return average_models([keras.Model(own.inputs[0], own.outputs[0]) for own in plain])


def _fill(
    staged: Retrained,
    trial: FinishedTrial,
    seeds: int,
    threshold: Threshold | None,
    ensemble: bool,
    on_refit: Callable[[Refit], None],
    stopping: Callable[[], bool],
) -> tuple[list[Refit], Metrics | None]:
    """Trains and exports into the folder `staged`."""
    arrays = development_arrays(trial.context)
    networks: list[keras.Model] = []
    refits: list[Refit] = []
    for number in range(1, seeds + 1):
        seed = refit_seed(trial.context, trial.record, number - 1)
        try:
            network = refit(trial.context, trial.record, arrays, seed, stopping)
        except TrialFailedError as error:
            refits.append(Refit(number, seed, {}, str(error)))
        else:
            test = _export(trial, staged.seed(number), network, arrays, threshold)
            refits.append(Refit(number, seed, test))
            networks += [network] if ensemble else []
        on_refit(refits[-1])
    failed = [refit.reason for refit in refits if refit.reason]
    if len(failed) == seeds:
        raise TrialFailedError(failed[0])
    if not ensemble:
        return refits, None
    if len(networks) < 2:
        raise TrialFailedError(f"--ensemble: {len(networks)} model is left to average: {failed[0]}")
    return refits, _export(trial, staged.ensemble, average_network(networks), arrays, threshold)


def _export(
    trial: FinishedTrial,
    folder: ExportDirectory,
    network: keras.Model,
    arrays: FitArrays,
    threshold: Threshold | None,
) -> Metrics:
    """Writes a model and what is to be known of it; returns its metrics on the test rows."""
    context, data = trial.context, trial.context.data
    folder.path.mkdir()
    owner = f"hypermodel.name={context.hypermodel}"
    model = export_network(folder.model, network, arrays, data, owner)
    value = None if threshold is None else threshold.value
    if value is not None:
        with_threshold(model, value).save(folder.model)
        sync(folder.model)
        model = load_export(folder.model)
    test: Metrics = {}
    if len(data.test):
        prediction = predict(model, data.raw_rows(data.test))
        test = metrics.evaluate(data.task, data.y[data.test], prediction, value)
    scores: dict[str, Any] = {"validation": {}, "test": test}
    if threshold is not None:
        scores["threshold"] = asdict(threshold)
    write_facts(folder, data, trial.record.spec, scores)
    sync(folder.path)
    return test


def _summary(trial: FinishedTrial, result: Retraining) -> dict[str, Any]:
    names = next((list(refit.test) for refit in result.refits if refit.test), [])
    spreads = {name: result.spread(name) for name in names}
    summary: dict[str, Any] = {
        "trial_id": trial.record.spec.trial_id,
        "epochs": trial.record.result.best_epoch,
        "seeds": [asdict(refit) for refit in result.refits],
        "mean": {name: mean for name, (mean, _) in spreads.items()},
        "standard_deviation": {name: deviation for name, (_, deviation) in spreads.items()},
    }
    if result.ensemble is not None:
        summary["ensemble"] = result.ensemble
    if trial.winner is not None:
        winner = trial.winner
        summary["search"] = {"trial_id": winner.record.spec.trial_id, "test": winner.test}
    return summary
