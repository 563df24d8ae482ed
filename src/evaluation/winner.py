"""The winner: its model takes raw rows, is judged once on the test rows, and is exported."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from src.errors import DiskError, UserError
from src.evaluation import metrics
from src.evaluation.baselines import Baseline, score_baselines
from src.evaluation.bootstrap import Interval, intervals
from src.evaluation.export import (
    average_models,
    export_network,
    load_export,
    predict,
    save_and_load,
    write_facts,
)
from src.evaluation.fitted import (
    best_execution,
    fit_models,
    held_out_predictions,
    trained_network,
)
from src.evaluation.refit import development_arrays, refit, refit_seed
from src.evaluation.threshold import Threshold, tune_threshold, with_threshold
from src.execution.context import RunContext
from src.execution.failures import TrialFailedError
from src.files import disk_errors, remove, sync, write_atomically
from src.records import TrialRecord
from src.signals import TrialInterruptedError
from src.store.run_directory import RunDirectory

Metrics = dict[str, float | None]


@dataclass(frozen=True)
class Winner:
    """The best trial's model, exported.

    Attributes:
        record: the trial.
        validation: metrics on the validation rows; after cross-validation on the rows that each
            fold's model had not seen.
        test: metrics on the test rows; empty where there are none.
        epochs: epochs of a refit after cross-validation; None without one.
        averaged: how many models of folds the exported one averages; 0 if it is a single one.
        threshold: what decides between two classes, in both metrics; None for 0.5.
        test_intervals: of each test metric its 95 % bootstrap interval, or None.
        baselines: what untuned models reach on the same rows.
    """

    record: TrialRecord
    validation: Metrics
    test: Metrics
    epochs: int | None
    averaged: int = 0
    threshold: Threshold | None = None
    test_intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    baselines: tuple[Baseline, ...] = ()


def export_winner(
    context: RunContext, record: TrialRecord, stopping: Callable[[], bool] = lambda: False
) -> Winner:
    """Writes the winner's `best/` folder, whole or not at all, and returns what stands in it.

    An earlier winner's, of a search that went on, is replaced.

    Without cross-validation, the exported weights are those of the trial's best fit at its best
    epoch. After it, the hyperparameters are trained anew on training and validation rows, for the
    mean best epoch of the folds.

    A threshold is chosen on the same predictions of validation rows that `Winner.validation`
    judges, and is used for the test rows.

    Args:
        context: what the trials shared.
        record: the best trial.
        stopping: asked whether to give the export up.

    Raises:
        TrialInterruptedError: if it was given up.
        UserError: if that refit diverges, if the exported file does not predict what the network
            does that was trained, or if the trial's weights cannot be read.
        DiskError: if a file cannot be written.
    """
    staged = RunDirectory(context.run.export)
    remove(staged.path)
    try:
        with disk_errors(context.run.best):
            winner = _export(context, record, staged, stopping)
            sync(staged.best)
            if stopping():
                raise TrialInterruptedError
            remove(context.run.best)
            staged.best.rename(context.run.best)
    finally:
        with suppress(DiskError):
            remove(staged.path)
    return winner


def read_winner(run: RunDirectory, record: TrialRecord) -> Winner | None:
    """Returns what `export_winner` left in `best/` for this trial; None if that is not whole.

    Args:
        run: the run's folder.
        record: the trial.
    """
    try:
        files = (run.model, run.predictions, run.hyperparameters)
        if not all(path.is_file() for path in files):
            return None
        scores = json.loads(run.metrics.read_text())
        validation, test = dict(scores["validation"]), dict(scores["test"])
        threshold = Threshold(**scores["threshold"]) if "threshold" in scores else None
        ends = {n: tuple(e) if e else None for n, e in dict(scores["test_interval"]).items()}
        baselines = tuple(Baseline(**baseline) for baseline in scores["baselines"])
        epochs, averaged = scores["refit_epochs"], scores["averaged_models"]
    except (DiskError, OSError, ValueError, KeyError, TypeError):
        return None
    return Winner(record, validation, test, epochs, averaged, threshold, ends, baselines)


def _export(
    context: RunContext, record: TrialRecord, run: RunDirectory, stopping: Callable[[], bool]
) -> Winner:
    """Exports into the folder `run.best`, which is not there yet."""
    data, spec = context.data, record.spec
    owner, epochs, averaged = f"hypermodel.name={context.hypermodel}", None, 0
    if spec.folds > 1 and context.average:
        models = fit_models(context, record)
        averaged = len(models)
        run.best.mkdir(parents=True)
        model = save_and_load(run.model, average_models(models), owner)
    else:
        if spec.folds == 1:
            execution = best_execution(context, record)
            arrays = context.arrays(data.train, data.validation)
            network = trained_network(context, record, execution, 0, arrays)
        else:
            epochs = record.result.best_epoch
            arrays = development_arrays(context)
            try:
                network = refit(context, record, arrays, refit_seed(context, record), stopping)
            except TrialFailedError as error:
                raise UserError(str(error)) from error
        run.best.mkdir(parents=True)
        model = export_network(run.model, network, arrays, data, owner)

    if spec.folds == 1:
        rows, prediction = data.validation, predict(model, data.raw_rows(data.validation))
    else:
        rows, prediction = held_out_predictions(context, record)
    threshold = value = None
    if context.tune_threshold:
        threshold = tune_threshold(data.y[rows], prediction, context.plan.monitor)
        value = threshold.value
        with_threshold(model, value).save(run.model)
        sync(run.model)
        model = load_export(run.model)
    validation_metrics = metrics.evaluate(data.task, data.y[rows], prediction, value)
    tables = [_prediction_table(context, "validation", rows, prediction, value)]
    test_metrics: Metrics = {}
    test_intervals: Mapping[str, Interval | None] = {}
    if len(data.test):
        prediction = predict(model, data.raw_rows(data.test))
        test_metrics = metrics.evaluate(data.task, data.y[data.test], prediction, value)
        test_intervals = intervals(data.task, data.y[data.test], prediction, value)
        tables.append(_prediction_table(context, "test", data.test, prediction, value))
    baselines = score_baselines(data, spec.folds, context.class_weight, stopping)

    scores: dict[str, Any] = {"validation": validation_metrics, "test": test_metrics}
    scores |= {"refit_epochs": epochs, "averaged_models": averaged}
    scores["test_interval"] = test_intervals
    scores["baselines"] = [asdict(baseline) for baseline in baselines]
    if threshold is not None:
        scores["threshold"] = asdict(threshold)
    write_atomically(run.predictions, pd.concat(tables).to_csv(index=False))
    write_facts(run.exported, data, record.spec, scores)
    judged = (validation_metrics, test_metrics)
    return Winner(record, *judged, epochs, averaged, threshold, test_intervals, baselines)


def _prediction_table(
    context: RunContext,
    split: str,
    rows: np.ndarray[Any, Any],
    prediction: np.ndarray[Any, Any],
    threshold: float | None,
) -> pd.DataFrame:
    """One row each: split, row (in the source, from 0), target, prediction, probabilities."""
    data = context.data
    table: dict[str, Any] = {"split": split, "row": data.row_numbers(rows)}
    if data.task == "regression":
        table |= {"target": data.y[rows], "prediction": prediction.reshape(-1)}
        return pd.DataFrame(table)
    probability = metrics.class_probabilities(data.task, prediction)
    names = np.asarray(data.class_names, dtype=object)
    label = metrics.predicted_labels(data.task, prediction, threshold)
    table |= {"target": names[data.y[rows]], "prediction": names[label]}
    for index, name in enumerate(data.class_names):
        table[f"probability_{name}"] = probability[:, index]
    return pd.DataFrame(table)
