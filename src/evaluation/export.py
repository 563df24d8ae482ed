"""A trained network as a file that takes raw rows, and loads without this project."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import yaml

from hypermodels.export import plain_network
from hypermodels.problem import Problem
from src.data.loading import Data, FitArrays
from src.data.preprocessing import Scaling
from src.data.scaled_rows import ScaledRows
from src.data.tables.columns import Column, columns_yaml
from src.data.tables.encoding import TableEncoding
from src.data.tables.model_inputs import encoded_inputs
from src.data.tables.raw_rows import RawTableRows
from src.errors import UserError
from src.files import sync, write_atomically
from src.records import TrialSpec
from src.store.run_directory import ExportDirectory
from src.tuners import space as spaces

Array = np.ndarray[Any, Any]
PREDICTION_ROWS = 4096  # rows of one forward pass
EXPORT_ROWS = 4  # on which the export is tried before the search
TOLERANCE = 1e-4  # of a probability or a standardised target: rounding stays far below
EXPORT_PROBLEM = """\
{owner}: its model cannot be exported to a file that loads with safe_mode=True:
  {reason}
Use Keras's own layers, but no Lambda; or a keras.layers.Layer of your own with a get_config,
decorated with @keras.saving.register_keras_serializable(), whose module is imported wherever the
exported model is loaded"""


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


def average_models(models: Sequence[keras.Model]) -> keras.Model:
    """Returns a model of raw rows that gives the mean of what several of them give."""
    inputs = keras.tree.map_structure(
        lambda own: keras.Input(own.shape[1:], dtype=own.dtype, name=own.name), models[0].input
    )
    outputs = [
        keras.Model(model.input, model.output, name=f"model_{number}")(inputs)
        for number, model in enumerate(models)
    ]
    return keras.Model(inputs, keras.layers.Average()(outputs), name="model")


def save_and_load(path: Path, model: keras.Model, owner: str) -> keras.Model:
    """Writes a model of raw rows, and returns it as it loads.

    Raises:
        UserError: if it cannot be saved or loaded in Keras's safe mode.
    """
    try:
        model.save(path)
        sync(path)
        return load_export(path)
    except (TypeError, ValueError) as error:  # Keras's, for layers that it cannot load safely
        problem = EXPORT_PROBLEM.format(owner=owner, reason=first_line(error))
        raise UserError(problem) from error


def export_network(
    path: Path, network: keras.Model, arrays: FitArrays, data: Data, owner: str
) -> keras.Model:
    """Writes the model of a trained network, and returns it as it loads.

    Args:
        path: the file.
        network: trained on `arrays`.
        arrays: what it was trained on.
        data: all rows; on its validation rows the file must predict what the network does.
        owner: how messages call the HyperModel.

    Raises:
        UserError: if the model cannot be saved or loaded in Keras's safe mode, or if it predicts
            something else than the network.
    """
    inputs = () if data.table is None else data.table.inputs
    whole = raw_model(network, arrays.scaling, arrays.problem, inputs)
    model = save_and_load(path, whole, owner)
    _check_predictions(model, network, arrays, data)
    return model


def write_facts(
    folder: ExportDirectory, data: Data, spec: TrialSpec, scores: Mapping[str, Any]
) -> None:
    """Writes what is to be known of an exported model: metrics, columns, hyperparameters.

    Raises:
        DiskError: if a file cannot be written.
    """
    write_atomically(folder.metrics, json.dumps(scores, indent=2) + "\n")
    if data.table is not None:
        text = columns_yaml(data.table, data.task, data.class_names)
        write_atomically(folder.columns, text)
    values = {name: spaces.exact_value(name, value) for name, value in spec.values.items()}
    write_atomically(folder.hyperparameters, yaml.safe_dump(values, sort_keys=False))


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
            loaded = load_export(path)
        # Huge values in the data may have made NaNs of the weights; that is for the trials to say.
        same = np.allclose(
            loaded.predict_on_batch(rows),
            model.predict_on_batch(rows),
            rtol=TOLERANCE,
            atol=TOLERANCE,
            equal_nan=True,
        )
    except Exception as error:  # layers of any user's may raise anything
        reason = first_line(error)
        raise UserError(EXPORT_PROBLEM.format(owner=owner, reason=reason)) from error
    if not same:
        reason = "the loaded model predicts something else; see the get_config of its own layers"
        raise UserError(EXPORT_PROBLEM.format(owner=owner, reason=reason))


def load_export(path: Path) -> keras.Model:
    """Loads an exported model as users will."""
    return keras.models.load_model(path, safe_mode=True, compile=False)


def predict(model: keras.Model, x: ScaledRows | RawTableRows) -> Array:
    """Returns what a model gives for all rows, in pieces that fit into memory."""
    parts = (x[start : start + PREDICTION_ROWS] for start in range(0, len(x), PREDICTION_ROWS))
    return np.concatenate([np.asarray(model.predict_on_batch(part)) for part in parts])


def first_line(error: Exception) -> str:
    """Returns the first line of the innermost error; Keras quotes that at the end of its own."""
    innermost = str(error).rpartition("Exception encountered: ")[2].strip().partition("\n")[0]
    return f"{type(error).__name__}: {innermost.partition(' Full object config:')[0]}"


def _check_predictions(
    model: keras.Model, network: keras.Model, arrays: FitArrays, data: Data
) -> None:
    """Raises `UserError` unless the exported model predicts what its network does."""
    problem = arrays.problem
    scaled = ScaledRows(data.x, data.validation, arrays.scaling)
    own = predict(network, scaled).astype(np.float64)
    expected = own * problem.target_scale + problem.target_mean
    allowed = np.full(own.shape, TOLERANCE)
    if problem.task == "regression":  # relative, and float32 rounds a mean far from 0
        allowed = TOLERANCE * problem.target_scale * (1 + np.abs(own)) + 1e-6 * np.abs(expected)
    difference = np.abs(predict(model, data.raw_rows(data.validation)) - expected)
    if not np.all(difference <= allowed):  # NaN is never at most something
        raise UserError(
            "the exported file is not the model that was trained: on the validation rows its "
            f"predictions differ by up to {difference.max():.3g}, so it is not kept. "
            "Either a layer of the HyperModel is restored with other settings than it was built "
            "with, or it is random in predictions, or columns of the data have a spread below "
            "1.2e-38, which float32 cannot scale"
        )
