"""The winner: its model takes raw rows, is judged once on the test rows, and is exported."""

import json
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd
import yaml

from hypermodels import HYPERMODELS
from hypermodels.problem import Problem
from src import metrics, registry
from src.data.loading import FitArrays
from src.data.preprocessing import Scaling
from src.run_directory import write_atomically
from src.search import space as spaces
from src.search.seeds import trial_seed
from src.search.trial import TrialRecord
from src.search.trial_runner import RunContext, hyperparameters_of

PREDICTION_ROWS = 4096  # rows of one forward pass
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


def export_winner(context: RunContext, record: TrialRecord) -> Winner:
    """Writes the winner's `best/` folder and returns what stands in it.

    Without cross-validation, the exported weights are those of the trial's best fit at its best
    epoch. After it, the hyperparameters are trained anew on training and validation rows, for the
    mean best epoch of the folds.
    """
    data, run, spec = context.data, context.run, record.spec
    folds = data.folds(spec.folds)
    if spec.folds == 1:
        epochs = None
        execution = _best_execution(context, record)
        model = _trained_model(context, record, execution, 0, data.arrays(*folds[0]))
    else:
        epochs = record.result.best_epoch or 1
        model = _refit(context, record, epochs)
    run.best.mkdir()
    model.save(run.model)
    model = keras.models.load_model(run.model, safe_mode=True, compile=False)

    pieces = []
    for fold, (train, validation) in enumerate(folds):
        judge = model
        if spec.folds > 1:
            judge = _trained_model(context, record, 0, fold, data.arrays(train, validation))
        pieces.append((validation, _predict(judge, data.x[validation])))
    rows = np.concatenate([rows for rows, _ in pieces])
    prediction = np.concatenate([predicted for _, predicted in pieces])
    validation_metrics = metrics.evaluate(data.task, data.y[rows], prediction)
    tables = [_prediction_table(context, "validation", rows, prediction)]
    test_metrics: Metrics = {}
    if len(data.test):
        prediction = _predict(model, data.x[data.test])
        test_metrics = metrics.evaluate(data.task, data.y[data.test], prediction)
        tables.append(_prediction_table(context, "test", data.test, prediction))

    scores = {"validation": validation_metrics, "test": test_metrics}
    write_atomically(run.metrics, json.dumps(scores, indent=2) + "\n")
    write_atomically(run.predictions, pd.concat(tables).to_csv(index=False))
    values = {name: spaces.exact_value(name, value) for name, value in spec.values.items()}
    write_atomically(run.hyperparameters, yaml.safe_dump(values, sort_keys=False))
    return Winner(record, validation_metrics, test_metrics, epochs)


def raw_model(network: keras.Model, scaling: Scaling, problem: Problem) -> keras.Model:
    """Wraps a trained network so that it takes raw rows and gives the target's own units.

    The result consists of Keras's own layers alone, so that it loads without this project.

    Args:
        network: trained on scaled rows and, for regression, on a standardised target.
        scaling: of the rows it was trained on.
        problem: of the same.
    """
    inputs = keras.Input((problem.features,), name="features")
    x = keras.layers.Normalization(
        mean=scaling.mean.tolist(), variance=np.square(scaling.scale.astype(float)).tolist()
    )(inputs)
    outputs = keras.Model(network.inputs, network.outputs)(x)
    if isinstance(outputs, list):
        outputs = outputs[0]
    if problem.task == "regression":
        outputs = keras.layers.Rescaling(problem.target_scale, offset=problem.target_mean)(outputs)
    return keras.Model(inputs, outputs, name="model")


def _best_execution(context: RunContext, record: TrialRecord) -> int:
    """The execution with the best score."""
    sign = -1.0 if context.plan.direction == "max" else 1.0
    return min(record.result.fits, key=lambda fit: sign * fit.score).execution


def _build(context: RunContext, record: TrialRecord, arrays: FitArrays, seed: int) -> Any:
    keras.utils.set_random_seed(seed)
    hypermodel_class = registry.load(HYPERMODELS, context.hypermodel, "hypermodel.name")
    hypermodel = hypermodel_class(arrays.problem, seed=seed, plan=context.plan)
    return hypermodel, hypermodel.build(hyperparameters_of(record.spec))


def _trained_model(
    context: RunContext, record: TrialRecord, execution: int, fold: int, arrays: FitArrays
) -> keras.Model:
    seed = trial_seed(context.seed, int(record.spec.root_id), execution, fold)
    _, network = _build(context, record, arrays, seed)
    network.load_weights(context.run.weights(record.spec.trial_id, execution, fold))
    return raw_model(network, arrays.scaling, arrays.problem)


def _refit(context: RunContext, record: TrialRecord, epochs: int) -> keras.Model:
    """Trains on the development rows; without validation rows, no callback can react to them."""
    data, spec = context.data, record.spec
    arrays = data.arrays(data.development, np.empty(0, dtype=np.int64))
    seed = trial_seed(context.seed, int(spec.root_id), 0, spec.folds)
    hypermodel, network = _build(context, record, arrays, seed)
    hypermodel.fit(hyperparameters_of(spec), network, arrays.x, arrays.y, epochs=epochs)
    return raw_model(network, arrays.scaling, arrays.problem)


def _predict(model: keras.Model, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(model.predict(x, batch_size=PREDICTION_ROWS, verbose=0))


def _prediction_table(
    context: RunContext, split: str, rows: np.ndarray[Any, Any], prediction: np.ndarray[Any, Any]
) -> pd.DataFrame:
    """One row each: split, row (in the source, from 0), target, prediction, probabilities."""
    data = context.data
    table: dict[str, Any] = {"split": split, "row": rows}
    if data.task == "regression":
        table |= {"target": data.y[rows], "prediction": prediction.reshape(-1)}
        return pd.DataFrame(table)
    probability = metrics.class_probabilities(data.task, prediction)
    names = np.asarray(data.class_names, dtype=object)
    table |= {"target": names[data.y[rows]], "prediction": names[probability.argmax(axis=1)]}
    for index, name in enumerate(data.class_names):
        table[f"probability_{name}"] = probability[:, index]
    return pd.DataFrame(table)
