"""What a HyperModel must know of the data."""

from dataclasses import dataclass
from typing import Literal

Task = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Problem:
    """The learning problem of a HyperModel."""

    task: Task
    features: int  # columns of the float32 inputs
    classes: int  # labels are 0 … classes − 1; 2 for binary, 0 for regression
    # Regression trains on (target − target_mean) / target_scale.
    target_mean: float = 0.0
    target_scale: float = 1.0
    embedded: int = 0  # how many columns, the last ones, hold indices of categories to embed
    embedded_categories: int = 0  # the indices of all these columns are 0 … this − 1

    @property
    def outputs(self) -> int:
        """Width of the output layer: one probability per class, one for binary, one value."""
        return self.classes if self.task == "multiclass" else 1
