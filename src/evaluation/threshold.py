"""The probability from which a row counts as class 1: tuned on validation rows, kept in the model.

The exported model still gives probabilities. It has the threshold in a layer of Keras's own.
"""

from dataclasses import dataclass

import keras
import numpy as np

from src.evaluation.metrics import label_metrics
from src.evaluation.outputs import Array

LAYER = "decision_threshold"
METRICS = ("accuracy", "balanced_accuracy", "f1")  # they depend on a threshold


@dataclass(frozen=True)
class Threshold:
    """A tuned threshold: class 1 begins at the probability `value`, a float32 number.

    It maximises `metric` on validation rows, where that is `score`, and `default_score` at 0.5.
    """

    value: float
    metric: str
    score: float
    default_score: float


def tune_threshold(truth: Array, prediction: Array, objective: str) -> Threshold:
    """Returns the best threshold for float32 probabilities `(rows, 1)` of validation rows.

    Every threshold that parts two probabilities is tried, in the middle of the two. Of equally good
    ones, the nearest to 0.5 is taken. An objective of `val_accuracy`, `val_balanced_accuracy` or
    `val_f1` is maximised itself, balanced accuracy for any other objective. Both classes occur.
    """
    name = objective.removeprefix("val_")
    metric = name if name in METRICS else "balanced_accuracy"
    probability = np.unique(prediction[:, 0].astype(np.float32))
    # Rows from `upper` on are class 1 for any threshold above `lower` and up to `upper`.
    lower = np.append(np.float32(0), probability)
    upper = np.append(probability, np.float32(1))
    lower, upper = lower[lower < upper], upper[lower < upper]
    middle = ((lower.astype(np.float64) + upper) / 2).astype(np.float32)
    middle = np.where(middle > lower, middle, upper)  # neighbours have no middle
    above_half = np.nextafter(np.float32(0.5), np.float32(1))  # 0.5 itself is class 0 by default
    values = np.append(middle, [np.float32(0.5), above_half])
    confusion = []
    for label in (0, 1):
        own = np.sort(prediction[truth == label, 0])
        below = np.searchsorted(own, values)
        confusion.append([below, len(own) - below])
    scores = label_metrics(np.moveaxis(np.array(confusion), -1, 0))[metric]
    best = np.flatnonzero(scores == scores.max())
    chosen = best[np.argmin(np.abs(values[best] - 0.5))]
    return Threshold(float(values[chosen]), metric, float(scores[chosen]), float(scores[-1]))


def with_threshold(model: keras.Model, threshold: float) -> keras.Model:
    """Returns a functional model that predicts the same, and has the threshold in a layer `LAYER`.

    The layer is Keras's `Discretization`, with the threshold in `bin_boundaries`, and makes labels
    0 and 1 of the probabilities `(rows, 1)`.
    """
    label = keras.layers.Discretization([threshold], name=LAYER)(model.output)
    # Keras keeps only layers that an output depends on. Nothing is computed from the label.
    keep = keras.layers.Identity(name=f"{LAYER}_and_probability")
    probability, _ = keep([model.output, label])
    return keras.Model(model.input, probability, name=model.name)
