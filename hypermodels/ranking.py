"""Areas under the curves of ranked predictions: exact, and quick enough for every epoch."""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def roc_auc(labels: Array, probabilities: Array) -> float:
    """The area under the ROC curve: how often a row of a class ranks above a row of another.

    Of several classes it is the mean over one class against the rest. Equal probabilities count
    half, as in scikit-learn's `roc_auc_score`.

    Args:
        labels: `(rows,)`: 0 … classes − 1.
        probabilities: float32 of at least 0: `(rows, 1)` of class 1, or `(rows, classes)`.

    Returns:
        From 0 to 1; NaN if a class has no row, or all.
    """
    return _mean_over_classes(_roc_auc, labels, probabilities)


def average_precision(labels: Array, probabilities: Array) -> float:
    """The area under the curve of precision over recall, as steps: their weighted mean.

    Of several classes it is the mean over one class against the rest. It is scikit-learn's
    `average_precision_score`; arguments and result are those of `roc_auc`.
    """
    return _mean_over_classes(_average_precision, labels, probabilities)


def _mean_over_classes(
    area: Callable[[Array, Array], float], labels: Array, probabilities: Array
) -> float:
    classes = range(probabilities.shape[1]) if probabilities.shape[1] > 1 else [1]
    totals = [
        area(*_counts(labels == label, column))
        for label, column in zip(classes, probabilities.T, strict=True)
    ]
    return float(np.mean(totals))


def _roc_auc(positives: Array, negatives: Array) -> float:
    pairs = float(positives.sum()) * float(negatives.sum())
    below = np.cumsum(negatives) - negatives
    # Not a dot product, for which NumPy starts threads that wait for those of other workers.
    return float((positives * (below + 0.5 * negatives)).sum()) / pairs if pairs else np.nan


def _average_precision(positives: Array, negatives: Array) -> float:
    positives, negatives = positives[::-1], negatives[::-1]
    if not positives.any() or not negatives.any():
        return np.nan
    found = np.cumsum(positives)
    precision = found / (found + np.cumsum(negatives))
    return float((positives * precision).sum()) / float(found[-1])


def _counts(positive: Array, score: Array) -> tuple[Array, Array]:
    """Positive and negative rows of each distinct score, from the lowest score to the highest."""
    # The bits of floats that are not negative sort as the floats do, and much faster: together
    # with the label they are one number, which NumPy sorts with vector instructions.
    keys = np.ascontiguousarray(score, np.float32).view(np.uint32) << np.uint32(1)
    keys |= positive
    keys.sort()
    bits = keys >> np.uint32(1)
    ends = np.append(np.flatnonzero(bits[1:] != bits[:-1]), len(keys) - 1)
    positives = np.diff(np.cumsum(keys & np.uint32(1), dtype=np.int64)[ends], prepend=0)
    return positives, np.diff(ends, prepend=-1) - positives
