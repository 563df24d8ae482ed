"""A trained network as a file that takes raw rows, and loads without this project."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import yaml

from hypermodels.export import plain_network
from src.config.fields import batch_word
from src.data.loading import Data, FitArrays, ScaledRows
from src.data.tables.columns import columns_yaml
from src.data.tables.encoding import TableEncoding
from src.data.tables.model_inputs import encoded_inputs
from src.errors import DiskError, UserError
from src.evaluation.metrics import Metrics, evaluate
from src.evaluation.outputs import Array, predict
from src.evaluation.threshold import Threshold, with_threshold
from src.files import disk_errors, remove, sync, write_atomically
from src.records import TrialSpec
from src.store.run_directory import ExportDirectory

CHECKED_ROWS = 1024  # of validation: on these, an exported model must predict what its network does
TOLERANCE = 1e-4  # of a probability or a standardised target: rounding stays far below
PROBLEM = """\
{owner}: its model cannot be exported to a file that loads with safe_mode=True:
  {reason}
Use Keras's own layers, but no Lambda; or a keras.layers.Layer of your own with a complete
get_config, decorated with @keras.saving.register_keras_serializable(), whose module is imported
wherever the exported model is loaded"""


def raw_model(network: keras.Model, arrays: FitArrays, data: Data) -> keras.Model:
    """Wraps a network that was trained on `arrays`, to take raw rows and give raw targets.

    Only Keras's own layers and operations are added, so that the result loads without this project
    if the network's layers do. Of a table it takes a dict of columns. The arithmetic is that of
    `Scaling.apply`, bit for bit, but that TensorFlow takes numbers below 1.2e-38 for 0. A
    `Normalization` layer would take a scale below 1e-7 for 1e-7, and above 1.8e19 for infinity.
    """
    inputs: Any
    problem, scaling = arrays.problem, arrays.scaling
    if isinstance(scaling, TableEncoding):
        inputs, x = encoded_inputs(scaling, data.table.inputs if data.table else ())
    else:
        inputs = keras.Input((problem.features,), name="features")
        x = (inputs - scaling.mean) / scaling.scale
    outputs = plain_network(network)(x)
    if problem.task == "regression":
        outputs = keras.layers.Rescaling(problem.target_scale, offset=problem.target_mean)(outputs)
    return keras.Model(inputs, outputs, name="model")


def average_models(models: Sequence[keras.Model]) -> keras.Model:
    """Returns a model of the same input that gives the mean of the outputs of plain networks."""
    inputs = keras.Input(models[0].input.shape[1:], name=models[0].input.name)
    outputs = [
        keras.Model(model.input, model.output, name=f"model_{number}")(inputs)
        for number, model in enumerate(models)
    ]
    return keras.Model(inputs, keras.layers.Average()(outputs), name="model")


def save_and_load(path: Path, model: keras.Model, owner: str) -> keras.Model:
    """Writes a model of raw rows, and returns it as users load it; `UserError` if Keras cannot."""
    try:
        model.save(path)
        sync(path)
        return keras.models.load_model(path, safe_mode=True, compile=False)
    except OSError:  # a full disk
        raise
    except Exception as error:  # layers of any user's may raise anything
        raise UserError(PROBLEM.format(owner=owner, reason=first_line(error))) from error


def export_network(
    path: Path, network: keras.Model, arrays: FitArrays, data: Data, owner: str
) -> keras.Model:
    """Writes the model of a network that was trained on `arrays`, and returns it as it loads.

    Raises `UserError`, naming its `owner`, if it cannot be saved or loaded in Keras's safe mode, or
    predicts something else than the network.
    """
    model = save_and_load(path, raw_model(network, arrays, data), owner)
    rows, problem = data.validation[:CHECKED_ROWS], arrays.problem
    own = predict(network, ScaledRows(data.x, rows, arrays.scaling), len(rows)).astype(np.float64)
    found = predict(model, data.raw_rows(rows), len(rows)).astype(np.float64)
    found = (found - problem.target_mean) / problem.target_scale
    # float32 rounds a mean far from 0. NaNs are for the trials to tell: huge data make weights so.
    margin = TOLERANCE + 1e-6 * abs(problem.target_mean / problem.target_scale)
    if not np.allclose(found, own, TOLERANCE, margin, equal_nan=True):
        reason = f"once loaded, it predicts other values, by up to {np.abs(found - own).max():.3g}"
        raise UserError(PROBLEM.format(owner=owner, reason=reason))
    return model


def check_export(network: keras.Model, arrays: FitArrays, data: Data, owner: str) -> None:
    """Exports a network to a temporary folder, so that a problem is told before the search."""
    with tempfile.TemporaryDirectory() as folder:
        export_network(Path(folder) / "model.keras", network, arrays, data, owner)


def judge(
    path: Path, model: keras.Model, data: Data, threshold: Threshold | None, owner: str
) -> tuple[Metrics, Array]:
    """Puts the threshold into a saved model; returns its metrics and outputs on the test rows.

    Both are empty where there are no test rows.
    """
    value = None
    if threshold is not None:
        value = threshold.value
        model = save_and_load(path, with_threshold(model, value), owner)
    if not len(data.test):
        return {}, np.empty((0, 1))
    outputs = predict(model, data.raw_rows(data.test), len(data.test))
    return evaluate(data.task, data.y[data.test], outputs, value), outputs


def write_facts(
    folder: ExportDirectory, data: Data, spec: TrialSpec, scores: Mapping[str, Any]
) -> None:
    """Writes metrics, columns and hyperparameters; raises `DiskError` if a file cannot be."""
    scores = {name: value for name, value in scores.items() if (name, value) != ("threshold", None)}
    write_atomically(folder.metrics, json.dumps(scores, indent=2) + "\n")
    if data.table is not None:
        text = columns_yaml(data.table, data.task, data.class_names)
        write_atomically(folder.columns, text)
    values = {name: batch_word(name, value) or value for name, value in spec.values.items()}
    write_atomically(folder.hyperparameters, yaml.safe_dump(values, sort_keys=False))


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A new folder that is deleted unless it is renamed; raises `DiskError` for an `OSError`."""
    remove(path)
    try:
        with disk_errors(path):
            path.mkdir(parents=True)
            yield path
    finally:
        with suppress(DiskError):
            remove(path)


def first_line(error: Exception) -> str:
    """Returns the first line of the innermost error; Keras quotes that at the end of its own."""
    innermost = str(error).rpartition("Exception encountered: ")[2].strip().partition("\n")[0]
    return f"{type(error).__name__}: {innermost.partition(' Full object config:')[0]}"
