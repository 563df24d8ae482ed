"""The winner: its model takes raw rows, is judged once on the test rows, and is exported."""

import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
import pandas as pd
import yaml

from hypermodels import HYPERMODELS
from hypermodels.export import plain_network
from hypermodels.problem import Problem
from src import metrics, registry
from src.data.loading import FitArrays
from src.data.preprocessing import Scaling
from src.data.scaled_rows import ScaledRows
from src.data.tables.columns import Column, columns_yaml
from src.data.tables.encoding import TableEncoding
from src.data.tables.model_inputs import encoded_inputs
from src.data.tables.raw_rows import RawTableRows
from src.errors import DiskError, UserError
from src.files import checksum, disk_errors, remove, sync, write_atomically
from src.run_directory import RunDirectory
from src.search import space as spaces
from src.search.seeds import trial_seed
from src.search.stopping import TrialInterruptedError
from src.search.trial import TrialRecord
from src.search.trial_runner import RunContext, Stopper, hyperparameters_of
from src.search.weights import load_weights

PREDICTION_ROWS = 4096  # rows of one forward pass
EXPORT_ROWS = 4  # on which the export is tried before the search
TOLERANCE = 1e-4  # of a probability or a standardised target: rounding stays far below
EXPORT_PROBLEM = """\
{owner}: its model cannot be exported to a file that loads with safe_mode=True:
  {reason}
Use Keras's own layers, but no Lambda; or a keras.layers.Layer of your own with a get_config,
decorated with @keras.saving.register_keras_serializable(), whose module is imported wherever the
exported model is loaded"""
Metrics = dict[str, float | None]


@dataclass(frozen=True)
class Winner:
    """The best trial's model, exported.

    Attributes:
        record: the trial.
        validation: metrics on the validation rows; after cross-validation on the rows that each
            fold's model had not seen.
        test: metrics on the test rows; empty where there are none.
        epochs: epochs of a refit after cross-validation; None where the trial's own weights stand.
    """

    record: TrialRecord
    validation: Metrics
    test: Metrics
    epochs: int | None


def export_winner(
    context: RunContext, record: TrialRecord, stopping: Callable[[], bool] = lambda: False
) -> Winner:
    """Writes the winner's `best/` folder, whole or not at all, and returns what stands in it.

    An earlier winner's, of a search that went on, is replaced.

    Without cross-validation, the exported weights are those of the trial's best fit at its best
    epoch. After it, the hyperparameters are trained anew on training and validation rows, for the
    mean best epoch of the folds.

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


def export_checksums(run: RunDirectory) -> dict[str, int]:
    """The checksum of each file that `export_winner` left in `best/`, by name.

    Raises:
        DiskError: if one cannot be read.
    """
    files = [run.model, run.metrics, run.predictions, run.hyperparameters]
    files += [run.columns] if run.columns.exists() else []
    return {path.name: checksum(path) for path in files}


def read_winner(
    run: RunDirectory, record: TrialRecord, checksums: Mapping[str, int]
) -> Winner | None:
    """Returns what `export_winner` left in `best/` for this trial; None if that is not whole.

    Args:
        run: the run's folder.
        record: the trial.
        checksums: those of `export_checksums` when it was exported.
    """
    try:
        if export_checksums(run) != checksums:
            return None
        scores = json.loads(run.metrics.read_text())
        validation, test = dict(scores["validation"]), dict(scores["test"])
    except (DiskError, OSError, ValueError, KeyError, TypeError):
        return None
    epochs = None if record.spec.folds == 1 else record.result.best_epoch
    return Winner(record, validation, test, epochs)


def _export(
    context: RunContext, record: TrialRecord, run: RunDirectory, stopping: Callable[[], bool]
) -> Winner:
    """Exports into the folder `run.best`, which is not there yet."""
    data, spec = context.data, record.spec
    folds = data.folds(spec.folds)
    if spec.folds == 1:
        epochs = None
        execution = _best_execution(context, record)
        network, arrays = _trained(context, record, execution, 0, context.arrays(*folds[0]))
    else:
        epochs = record.result.best_epoch or 1
        network, arrays = _refit(context, record, epochs, stopping)
    inputs = () if data.table is None else data.table.inputs
    run.best.mkdir(parents=True)
    try:
        raw_model(network, arrays.scaling, arrays.problem, inputs).save(run.model)
        sync(run.model)
        model = _load(run.model)
    except (TypeError, ValueError) as error:  # Keras's, for layers that it cannot load safely
        owner = f"hypermodel.name={context.hypermodel}"
        problem = EXPORT_PROBLEM.format(owner=owner, reason=_reason(error))
        raise UserError(problem) from error
    _check_predictions(context, model, network, arrays)

    pieces = []
    for fold, (train, validation) in enumerate(folds):
        judge = model
        if spec.folds > 1:
            own, arrays = _trained(context, record, 0, fold, context.arrays(train, validation))
            judge = raw_model(own, arrays.scaling, arrays.problem, inputs)
        pieces.append((validation, _predict(judge, data.raw_rows(validation))))
    rows = np.concatenate([rows for rows, _ in pieces])
    prediction = np.concatenate([predicted for _, predicted in pieces])
    validation_metrics = metrics.evaluate(data.task, data.y[rows], prediction)
    tables = [_prediction_table(context, "validation", rows, prediction)]
    test_metrics: Metrics = {}
    if len(data.test):
        prediction = _predict(model, data.raw_rows(data.test))
        test_metrics = metrics.evaluate(data.task, data.y[data.test], prediction)
        tables.append(_prediction_table(context, "test", data.test, prediction))

    scores = {"validation": validation_metrics, "test": test_metrics}
    write_atomically(run.metrics, json.dumps(scores, indent=2) + "\n")
    write_atomically(run.predictions, pd.concat(tables).to_csv(index=False))
    values = {name: spaces.exact_value(name, value) for name, value in spec.values.items()}
    if data.table is not None:
        write_atomically(run.columns, columns_yaml(data.table, data.task, data.class_names))
    write_atomically(run.hyperparameters, yaml.safe_dump(values, sort_keys=False))
    return Winner(record, validation_metrics, test_metrics, epochs)


def raw_model(
    network: keras.Model,
    scaling: Scaling | TableEncoding,
    problem: Problem,
    columns: Sequence[Column] = (),
) -> keras.Model:
    """Wraps a trained network so that it takes raw rows and gives the target's own units.

    What is added are Keras's own layers and operations, so that the result loads without this
    project if the network's layers do. The arithmetic is that of `Scaling.apply`, bit for bit, but
    that TensorFlow takes numbers below 1.2e-38 for 0; a `Normalization` layer would take a scale
    below 1e-7 for 1e-7, and one above 1.8e19 for infinity.

    Args:
        network: trained on scaled rows and, for regression, on a standardised target.
        scaling: of the rows it was trained on.
        problem: of the same.
        columns: of a table, the columns of the raw rows; the model takes a dict of them.
    """
    inputs: Any
    if isinstance(scaling, TableEncoding):
        inputs, x = encoded_inputs(scaling, columns)
    else:
        inputs = keras.Input((problem.features,), name="features")
        x = (inputs - scaling.mean) / scaling.scale
    outputs = plain_network(network)(x)
    if isinstance(outputs, list):
        outputs = outputs[0]
    if problem.task == "regression":
        outputs = keras.layers.Rescaling(problem.target_scale, offset=problem.target_mean)(outputs)
    return keras.Model(inputs, outputs, name="model")


def check_export(
    network: Any,
    problem: Problem,
    owner: str = "the HyperModel",
    encoding: TableEncoding | None = None,
    columns: Sequence[Column] = (),
) -> None:
    """Exports a model to a temporary folder and loads it as users will.

    Otherwise layers that cannot be loaded would come to light after the whole search.

    Args:
        network: a HyperModel's.
        problem: that it was built for.
        owner: how messages call the HyperModel.
        encoding: of a table, that of the rows that it was built for.
        columns: of a table, those of its raw rows.

    Raises:
        UserError: if the model cannot be saved or loaded in Keras's safe mode, or if it predicts
            something else once loaded.
    """
    scaling: Scaling | TableEncoding
    rows: Any
    if encoding is None:
        ones = np.ones(problem.features, np.float32)
        scaling = Scaling(ones, ones)
        shape = (EXPORT_ROWS, problem.features)
        rows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    else:
        scaling = encoding
        nothing = np.full((EXPORT_ROWS, len(columns)), np.nan, np.float32)
        rows = RawTableRows(nothing, np.arange(EXPORT_ROWS), columns)[:]
    try:
        model = raw_model(network, scaling, problem, columns)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            loaded = _load(path)
        # Huge values in the data may have made NaNs of the weights; that is for the trials to say.
        same = np.allclose(
            loaded.predict_on_batch(rows),
            model.predict_on_batch(rows),
            rtol=TOLERANCE,
            atol=TOLERANCE,
            equal_nan=True,
        )
    except Exception as error:  # layers of any user's may raise anything
        reason = _reason(error)
        raise UserError(EXPORT_PROBLEM.format(owner=owner, reason=reason)) from error
    if not same:
        reason = "the loaded model predicts something else; see the get_config of its own layers"
        raise UserError(EXPORT_PROBLEM.format(owner=owner, reason=reason))


def _reason(error: Exception) -> str:
    """The first line of the innermost error: Keras quotes the error below at the end of its own."""
    innermost = str(error).rpartition("Exception encountered: ")[2].strip().partition("\n")[0]
    return f"{type(error).__name__}: {innermost.partition(' Full object config:')[0]}"


def _best_execution(context: RunContext, record: TrialRecord) -> int:
    """The execution with the best score."""
    sign = -1.0 if context.plan.direction == "max" else 1.0
    return min(record.result.fits, key=lambda fit: sign * fit.score).execution


def _build(context: RunContext, record: TrialRecord, arrays: FitArrays, seed: int) -> Any:
    keras.utils.set_random_seed(seed)
    hypermodel_class = registry.load(HYPERMODELS, context.hypermodel, "hypermodel.name")
    hypermodel = hypermodel_class(arrays.problem, seed=seed, plan=context.plan)
    return hypermodel, hypermodel.build(hyperparameters_of(record.spec))


def _trained(
    context: RunContext, record: TrialRecord, execution: int, fold: int, arrays: FitArrays
) -> tuple[keras.Model, FitArrays]:
    """The network of one fit at its best epoch."""
    seed = trial_seed(context.seed, int(record.spec.root_id), execution, fold)
    _, network = _build(context, record, arrays, seed)
    path = context.run.weights(record.spec.trial_id, execution, fold)
    fits = record.result.fits
    written = next(f.weights for f in fits if (f.execution, f.fold) == (execution, fold))
    try:
        if written not in (None, checksum(path)):
            raise ValueError("they are not those that the trial left")
        network.set_weights(load_weights(path))
    except (DiskError, OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(
            f"{path}: the weights of the best trial, {record.spec.trial_id}, cannot be read: "
            f"{_reason(error)}. Resume the run: it trains a trial again whose weights are damaged"
        ) from error
    return network, arrays


def _refit(
    context: RunContext, record: TrialRecord, epochs: int, stopping: Callable[[], bool]
) -> tuple[keras.Model, FitArrays]:
    """Trains on the development rows; without validation rows, no callback can react to them."""
    data, spec = context.data, record.spec
    arrays = context.arrays(data.development, np.empty(0, dtype=np.int64))
    seed = trial_seed(context.seed, int(spec.root_id), 0, spec.folds)
    hypermodel, network = _build(context, record, arrays, seed)
    hp = hyperparameters_of(spec)
    try:
        history = hypermodel.fit(
            hp,
            network,
            arrays.x,
            arrays.y,
            epochs=epochs,
            callbacks=[Stopper(stopping)],
            stream=context.stream,
        )
    except TrialInterruptedError:
        raise
    except Exception as error:  # callbacks of any user's may raise anything
        raise UserError(
            f"trial {spec.trial_id} is the best, but training it again on all training and "
            f"validation rows raised {_reason(error)}. A callback that reads validation metrics "
            "sets `needs_validation = True`, and is then left out here"
        ) from error
    loss = float(history.history["loss"][-1])
    if not math.isfinite(loss):
        raise UserError(
            f"trial {spec.trial_id} is the best, but its training on all {len(arrays.x)} training "
            f"and validation rows ended after {epochs} epochs with a loss of {loss}, so there is "
            "no model to export. Lower space.learning_rate, or search with tuner.folds=1, which "
            "exports weights as they were validated"
        )
    return network, arrays


def _load(path: Path) -> keras.Model:
    return keras.models.load_model(path, safe_mode=True, compile=False)


def _check_predictions(
    context: RunContext, model: keras.Model, network: keras.Model, arrays: FitArrays
) -> None:
    """Raises `UserError` unless the exported model predicts what its network does."""
    data, problem = context.data, arrays.problem
    scaled = ScaledRows(data.x, data.validation, arrays.scaling)
    own = _predict(network, scaled).astype(np.float64)
    expected = own * problem.target_scale + problem.target_mean
    allowed = np.full(own.shape, TOLERANCE)
    if problem.task == "regression":  # relative, and float32 rounds a mean far from 0
        allowed = TOLERANCE * problem.target_scale * (1 + np.abs(own)) + 1e-6 * np.abs(expected)
    difference = np.abs(_predict(model, data.raw_rows(data.validation)) - expected)
    if not np.all(difference <= allowed):  # NaN is never at most something
        raise UserError(
            "the exported file is not the model that was trained: on the validation rows its "
            f"predictions differ by up to {difference.max():.3g}, so it is not kept. "
            "Either a layer of the HyperModel is restored with other settings than it was built "
            "with, or it is random in predictions, or columns of the data have a spread below "
            "1.2e-38, which float32 cannot scale"
        )


def _predict(model: keras.Model, x: ScaledRows | RawTableRows) -> np.ndarray[Any, Any]:
    parts = (x[start : start + PREDICTION_ROWS] for start in range(0, len(x), PREDICTION_ROWS))
    return np.concatenate([np.asarray(model.predict_on_batch(part)) for part in parts])


def _prediction_table(
    context: RunContext, split: str, rows: np.ndarray[Any, Any], prediction: np.ndarray[Any, Any]
) -> pd.DataFrame:
    """One row each: split, row (in the source, from 0), target, prediction, probabilities."""
    data = context.data
    table: dict[str, Any] = {"split": split, "row": data.row_numbers(rows)}
    if data.task == "regression":
        table |= {"target": data.y[rows], "prediction": prediction.reshape(-1)}
        return pd.DataFrame(table)
    probability = metrics.class_probabilities(data.task, prediction)
    names = np.asarray(data.class_names, dtype=object)
    table |= {"target": names[data.y[rows]], "prediction": names[probability.argmax(axis=1)]}
    for index, name in enumerate(data.class_names):
        table[f"probability_{name}"] = probability[:, index]
    return pd.DataFrame(table)
