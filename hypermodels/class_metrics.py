"""Metrics of classes that need the predictions of all rows: exact, and quick enough for an epoch.

Labels are 0 … classes − 1, of shape `(rows,)`. Probabilities are float32, `(rows, 1)` of class 1 or
`(rows, classes)`. All results are from 0 to 1.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def balanced_accuracy(labels: Array, probabilities: Array) -> float:
    """The mean, over the classes that have rows, of the share that is rightly predicted."""
    right, true, _ = _counts_of_classes(labels, probabilities)
    return _mean_share(right, true)


def macro_f1(labels: Array, probabilities: Array) -> float:
    """The mean of F1 over the classes that have rows or predictions."""
    right, true, predicted = _counts_of_classes(labels, probabilities)
    return _mean_share(2 * right, true + predicted)


def roc_auc(labels: Array, probabilities: Array) -> float:
    """The area under the ROC curve, as scikit-learn's `roc_auc_score`.

    Of several classes, the mean over each against the rest; NaN if a class has no row, or all.
    """
    areas = []
    for positives, negatives in _counts_of_scores(labels, probabilities):
        pairs = float(positives.sum()) * float(negatives.sum())
        below = np.cumsum(negatives) - negatives
        # Not a dot product, for which NumPy starts threads that wait for those of other workers.
        area = float((positives * (below + 0.5 * negatives)).sum())
        areas.append(area / pairs if pairs else np.nan)
    return float(np.mean(areas))


def average_precision(labels: Array, probabilities: Array) -> float:
    """As scikit-learn's `average_precision_score`; classes are treated as in `roc_auc`."""
    areas = []
    for positives, negatives in _counts_of_scores(labels, probabilities):
        found = np.cumsum(positives[::-1])
        precision = found / (found + np.cumsum(negatives[::-1]))
        area = float((positives[::-1] * precision).sum())
        areas.append(area / float(found[-1]) if found[-1] and negatives.any() else np.nan)
    return float(np.mean(areas))


def _counts_of_classes(labels: Array, probabilities: Array) -> tuple[Array, Array, Array]:
    """For each class, its rows that are rightly predicted, its rows, and its predictions."""
    binary = probabilities.shape[1] == 1
    found = (probabilities[:, 0] > 0.5).astype(int) if binary else probabilities.argmax(axis=1)
    classes = max(2, probabilities.shape[1])
    chosen = (labels[labels == found], labels, found)
    right, true, predicted = (np.bincount(rows, minlength=classes) for rows in chosen)
    return right, true, predicted


def _mean_share(parts: Array, wholes: Array) -> float:
    counted = wholes > 0
    return float((parts[counted] / wholes[counted]).sum() / counted.sum())


def _counts_of_scores(labels: Array, probabilities: Array) -> list[tuple[Array, Array]]:
    """For each class, the positive and negative rows of each distinct score, lowest score first."""
    counts = []
    first = int(probabilities.shape[1] == 1)
    for label, column in enumerate(probabilities.T, start=first):
        # The bits of floats that are not negative sort as the floats do, and much faster: together
        # with the label they are one number, which NumPy sorts with vector instructions.
        keys = np.ascontiguousarray(column, np.float32).view(np.uint32) << np.uint32(1)
        keys |= labels == label
        keys.sort()
        bits = keys >> np.uint32(1)
        ends = np.append(np.flatnonzero(bits[1:] != bits[:-1]), len(keys) - 1)
        positives = np.diff(np.cumsum(keys & np.uint32(1), dtype=np.int64)[ends], prepend=0)
        counts.append((positives, np.diff(ends, prepend=-1) - positives))
    return counts
