"""A model's outputs: computed in batches, and turned into probabilities, labels and CSV columns.

Outputs are float32 `(rows, 1)` probabilities of class 1 for a binary task, `(rows, classes)`
probabilities for a multiclass task, and `(rows, 1)` values in the target's units for regression.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hypermodels.problem import Task

Array = np.ndarray[Any, Any]
BATCH_ROWS = 4096


def predict(model: Any, inputs: Any, rows: int) -> Array:
    """Returns a Keras model's outputs for all rows, computed in batches that fit into memory.

    `inputs` is an array, a dict of arrays, or anything that gives these for a slice of its rows.
    """
    outputs = []
    for part in (slice(start, start + BATCH_ROWS) for start in range(0, rows, BATCH_ROWS)):
        is_dict = isinstance(inputs, dict)
        batch = {name: v[part] for name, v in inputs.items()} if is_dict else inputs[part]
        outputs.append(np.asarray(model.predict_on_batch(batch)))
    return np.concatenate(outputs)


def class_probabilities(task: Task, outputs: Array) -> Array:
    """Probabilities `(rows, classes)` in float64, each row summing to 1."""
    probability = outputs.astype(np.float64)
    if task == "binary":
        probability = np.column_stack([1 - probability[:, 0], probability[:, 0]])
    return np.asarray(probability / probability.sum(axis=1, keepdims=True))


def predicted_labels(task: Task, outputs: Array, threshold: float | None = None) -> Array:
    """Classes `(rows,)` of the highest probability, the first of equal ones.

    With a threshold, class 1 of a binary task begins at this probability; without, above 0.5.
    """
    if threshold is not None:
        return (outputs[:, 0] >= np.float32(threshold)).astype(np.int64)
    return np.asarray(class_probabilities(task, outputs).argmax(axis=1))


def prediction_columns(
    task: Task, class_names: Sequence[str], outputs: Array, threshold: float | None
) -> dict[str, Any]:
    """Columns for people: `prediction`, a label or a value, and `probability_<label>` of each."""
    if task == "regression":
        return {"prediction": outputs.reshape(-1)}
    names = np.asarray(class_names, dtype=object)
    labels = names[predicted_labels(task, outputs, threshold)]
    columns = zip(class_names, class_probabilities(task, outputs).T, strict=True)
    return {"prediction": labels} | {f"probability_{name}": column for name, column in columns}
