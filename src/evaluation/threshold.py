"""The probability from which a row counts as class 1: chosen on validation rows, kept in the model.

The exported model gives probabilities as before. Beside them it computes, in a layer of Keras's own
that is called `decision_threshold`, whether they reach the threshold.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

Array = np.ndarray[Any, Any]

LAYER = "decision_threshold"
MAXIMISED = ("accuracy", "balanced_accuracy", "f1")
"""Metrics that depend on a threshold."""

OTHERWISE = "balanced_accuracy"
"""What is maximised where the objective is none of them."""


@dataclass(frozen=True)
class Threshold:
    """A tuned threshold.

    Attributes:
        value: class 1 begins at this probability; a float32 number from 0 to 1.
        metric: what it maximises.
        score: the metric on the validation rows.
        default_score: the same at 0.5.
    """

    value: float
    metric: str
    score: float
    default_score: float


def tune_threshold(truth: Array, prediction: Array, objective: str) -> Threshold:
    """Returns the threshold that is best for validation rows.

    There are as many different ones as distinct probabilities, and all are tried. Of equally good
    ones, that nearest to 0.5 is taken; between two probabilities, the middle.

    Args:
        truth: `(rows,)` labels 0 and 1, both of which occur.
        prediction: float32 `(rows, 1)` probabilities of class 1.
        objective: the search's; where it is `val_accuracy`, `val_balanced_accuracy` or `val_f1`,
            that is maximised, else balanced accuracy.
    """
    name = objective.removeprefix("val_")
    metric = name if name in MAXIMISED else OTHERWISE
    probability = np.unique(prediction[:, 0].astype(np.float32))
    # Rows from `upper` on are class 1 for any threshold above `lower` and up to `upper`.
    lower = np.append(np.float32(0), probability)
    upper = np.append(probability, np.float32(1))
    lower, upper = lower[lower < upper], upper[lower < upper]
    middle = ((lower.astype(np.float64) + upper) / 2).astype(np.float32)
    values = np.where(middle > lower, middle, upper)  # neighbours have no middle
    above_half = np.nextafter(np.float32(0.5), np.float32(1))  # 0.5 itself is class 0 by default
    own = (lower <= 0.5) & (upper > 0.5)
    values[own] = np.where(lower[own] < 0.5, np.float32(0.5), above_half)
    scores = _scores(metric, truth, prediction[:, 0], values)
    best = np.flatnonzero(scores == scores.max())
    chosen = best[np.argmin(np.abs(values[best] - 0.5))]
    default = _scores(metric, truth, prediction[:, 0], np.array([above_half]))
    return Threshold(float(values[chosen]), metric, float(scores[chosen]), float(default[0]))


def with_threshold(model: keras.Model, threshold: float) -> keras.Model:
    """Returns a model that predicts the same, and has the threshold in its layer `LAYER`.

    The layer is Keras's `Discretization`, with the threshold in `bin_boundaries`; of probabilities
    it makes labels 0 and 1.

    Args:
        model: a functional model that gives `(rows, 1)` probabilities of class 1.
        threshold: class 1 begins here.
    """
    label = keras.layers.Discretization([threshold], name=LAYER)(model.output)
    # Keras keeps only layers that an output depends on. Nothing is computed from the label.
    keep = keras.layers.Identity(name=f"{LAYER}_and_probability")
    probability, _ = keep([model.output, label])
    return keras.Model(model.input, probability, name=model.name)


def _scores(metric: str, truth: Array, probability: Array, thresholds: Array) -> Array:
    """The metric for each of the thresholds, float64."""
    positive, negative = np.sort(probability[truth == 1]), np.sort(probability[truth == 0])
    missed = np.searchsorted(positive, thresholds)
    cleared = np.searchsorted(negative, thresholds)
    found, raised = len(positive) - missed, len(negative) - cleared
    if metric == "accuracy":
        return np.asarray((found + cleared) / len(probability))
    if metric == "balanced_accuracy":
        return np.asarray((found / len(positive) + cleared / len(negative)) / 2)
    f1 = 2 * found / (len(positive) + found + raised)
    f1_of_0 = 2 * cleared / (len(negative) + cleared + missed)
    return np.asarray((f1 + f1_of_0) / 2)
