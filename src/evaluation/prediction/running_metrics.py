"""The metrics of predictions that come in pieces, of more rows than fit into memory."""

from typing import Any

import numpy as np

from hypermodels.problem import Task
from src.evaluation.bootstrap import of_confusion
from src.evaluation.metrics import areas, class_probabilities, predicted_labels

Array = np.ndarray[Any, Any]


class RunningMetrics:
    """The metrics of `src.evaluation.metrics.evaluate`, of all rows that were added.

    They are computed from sums; roc_auc and pr_auc from the predictions, four bytes each, which are
    kept.

    Args:
        task: which metrics.
        classes: how many; 0 for regression.
        threshold: as for `evaluate`.

    Attributes:
        rows: how many were added.
    """

    def __init__(self, task: Task, classes: int, threshold: float | None = None) -> None:
        self.rows = 0
        self._task, self._threshold = task, threshold
        self._confusion = np.zeros((classes, classes))
        self._log_loss = 0.0
        self._truth: list[Array] = []
        self._scores: list[Array] = []
        self._squares = self._absolutes = 0.0  # of errors
        self._mean = self._spread = 0.0  # of targets: the sum of squares around their mean

    def add(self, truth: Array, prediction: Array) -> None:
        """Takes the predictions of some more rows; both arguments as for `evaluate`."""
        if not len(truth):
            return
        if self._task == "regression":
            self._add_values(truth, prediction.reshape(-1))
        else:
            self._add_classes(truth, prediction)
        self.rows += len(truth)

    def result(self) -> dict[str, float | None]:
        """The metrics, as `evaluate` gives them for all rows at once; there must be some."""
        if self._task == "regression":
            has_spread = self.rows > 1 and self._spread > 0
            return {
                "rmse": float(np.sqrt(self._squares / self.rows)),
                "mae": self._absolutes / self.rows,
                "r2": 1 - self._squares / self._spread if has_spread else None,
            }
        with np.errstate(divide="ignore", invalid="ignore"):
            of_labels = of_confusion(self._confusion[None])
        return {
            **{name: float(value[0]) for name, value in of_labels.items()},
            **areas(np.concatenate(self._truth), np.concatenate(self._scores)),
            "log_loss": self._log_loss / self.rows,
        }

    def _add_values(self, truth: Array, value: Array) -> None:
        error = truth - value
        self._squares += float(error @ error)
        self._absolutes += float(np.abs(error).sum())
        # Chan, Golub and LeVeque (1983): sums of squares of parts around means of their own.
        count, mean = len(truth), float(truth.mean())
        shift = mean - self._mean
        share = self.rows * count / (self.rows + count)
        self._spread += float(np.square(truth - mean).sum()) + shift**2 * share
        self._mean += shift * count / (self.rows + count)

    def _add_classes(self, truth: Array, prediction: Array) -> None:
        probability = class_probabilities(self._task, prediction)
        label = predicted_labels(self._task, prediction, self._threshold)
        np.add.at(self._confusion, (truth, label), 1)
        tiny = np.finfo(np.float64).eps  # as scikit-learn clips
        own = np.clip(probability[np.arange(len(truth)), truth], tiny, 1 - tiny)
        self._log_loss -= float(np.log(own).sum())
        self._truth.append(truth.astype(np.int32))
        self._scores.append(prediction.astype(np.float32))
