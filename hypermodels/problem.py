"""The learning problem, as far as it shapes a model: the task, the shapes, the target's units."""

from dataclasses import dataclass
from typing import Literal

Task = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Problem:
    """The learning problem of a HyperModel.

    Attributes:
        task: `binary` (labels 0 and 1), `multiclass` (labels 0 … classes − 1) or `regression`.
        features: number of input columns; inputs are float32 arrays of shape `(rows, features)`.
        classes: number of classes; 2 for binary, 0 for regression.
        target_mean: mean of the training target in its own units; 0 for classes.
        target_scale: standard deviation of the training target in its own units; 1 for classes.
            Regression trains on `(target − target_mean) / target_scale`.
        embedded: how many input columns, the last ones, hold indices of categories to embed.
        embedded_categories: the indices of all of them together are 0 … this − 1.
    """

    task: Task
    features: int
    classes: int
    target_mean: float = 0.0
    target_scale: float = 1.0
    embedded: int = 0
    embedded_categories: int = 0

    @property
    def outputs(self) -> int:
        """Width of the output layer: one probability per class, one for binary, one value."""
        return self.classes if self.task == "multiclass" else 1
