"""The winner of a search: its model is exported, and evaluated once on the test rows."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from src.data.loading import Data
from src.data.splits import Rows
from src.errors import UserError
from src.evaluation import export, networks
from src.evaluation.baselines import Baseline, score_baselines
from src.evaluation.metrics import Interval, Metrics, evaluate, intervals
from src.evaluation.outputs import Array, predict, prediction_columns
from src.evaluation.threshold import Threshold, tune_threshold
from src.execution.executor import RunContext
from src.execution.failures import TrialFailedError
from src.files import remove, sync, write_atomically
from src.records import TrialRecord
from src.signals import TrialInterruptedError
from src.store.run_directory import RunDirectory


@dataclass(frozen=True)
class Winner:
    """The best trial's exported model; the fields but the first are the keys of metrics.json."""

    record: TrialRecord
    validation: Metrics  # with folds, by fits that had not seen the rows
    test: Metrics  # empty without test rows
    refit_epochs: int | None = None  # of a refit after cross-validation
    test_interval: Mapping[str, Interval | None] = field(default_factory=dict)  # 95 % bootstrap
    baselines: tuple[Baseline, ...] = ()  # untuned models on the same rows
    threshold: Threshold | None = None  # None for 0.5


def export_winner(
    context: RunContext, record: TrialRecord, stopping: Callable[[], bool] = lambda: False
) -> Winner:
    """Writes the winner's `best/` folder, whole or not at all, in place of an earlier winner's.

    Without cross-validation, the weights of the trial's best fit are exported. After it, the trial
    is refitted on all development rows. A threshold is tuned on the validation rows, by the outputs
    that `Winner.validation` is computed from.

    Raises `TrialInterruptedError` if `stopping` says so; `UserError` if the refit fails, weights
    cannot be read, or the network cannot be exported; `DiskError` if a file cannot be written.
    """
    with export.staged(context.run.export) as path:
        staged = RunDirectory(path)
        try:
            winner = _export(context, record, staged, stopping)
        except TrialFailedError as error:
            raise UserError(str(error)) from error
        sync(staged.best)
        if stopping():
            raise TrialInterruptedError
        remove(context.run.best)
        staged.best.rename(context.run.best)
    return winner


def read_winner(run: RunDirectory, record: TrialRecord) -> Winner | None:
    """Reads back the winner that `best/` holds; None if the folder is missing or not readable."""
    try:
        run.model.stat()
        scores = json.loads(run.metrics.read_text())
        return TypeAdapter(Winner).validate_python({**scores, "record": record})
    except (OSError, ValueError, TypeError):  # pydantic's errors are ValueErrors
        return None


def _export(
    context: RunContext, record: TrialRecord, run: RunDirectory, stopping: Callable[[], bool]
) -> Winner:
    """Exports into the folder `run.best`, which is not there yet."""
    data, folds, epochs = context.data, record.spec.folds, None
    owner, path = f"hypermodel.name={context.config.hypermodel.name}", run.model
    run.best.mkdir()
    if folds == 1:
        rows, network, arrays = next(networks.fit_networks(context, record))
        model = export.export_network(path, network, arrays, data, owner)
        outputs = predict(model, data.raw_rows(rows), len(rows))
    else:
        rows, outputs = networks.held_out_predictions(context, record)
        epochs, seed = record.result.best_epoch, networks.refit_seed(context, record)
        arrays = networks.development_arrays(context)
        network = networks.refit(context, record, arrays, seed, stopping)
        model = export.export_network(path, network, arrays, data, owner)
    tuned = (data.y[rows], outputs, context.plan.monitor)
    tunes = context.config.objective.threshold == "tuned"
    threshold = tune_threshold(*tuned) if tunes else None
    value = None if threshold is None else threshold.value
    validation = evaluate(data.task, data.y[rows], outputs, value)
    test, test_outputs = export.judge(path, model, data, threshold, owner)
    found = intervals(data.task, data.y[data.test], test_outputs, value) if test else {}
    baselines = score_baselines(data, folds, context.class_weight, stopping)

    tables = [_table(data, "validation", rows, outputs, value)]
    tables += [_table(data, "test", data.test, test_outputs, value)] if test else []
    write_atomically(run.predictions, pd.concat(tables).to_csv(index=False))
    winner = Winner(record, validation, test, epochs, found, baselines, threshold)
    facts = TypeAdapter(Winner).dump_python(winner, exclude={"record"})
    export.write_facts(run.exported, data, record.spec, facts)
    return winner


def _table(
    data: Data, split: str, rows: Rows, outputs: Array, threshold: float | None
) -> pd.DataFrame:
    """A row each: split, row (its number in the source, from 0), target, prediction columns."""
    names = np.asarray(data.class_names, dtype=object)
    target = names[data.y[rows]] if data.class_names else data.y[rows]
    columns = {"split": split, "row": data.row_numbers(rows), "target": target}
    columns |= prediction_columns(data.task, data.class_names, outputs, threshold)
    return pd.DataFrame(columns)
