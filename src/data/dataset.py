"""What a data source returns: raw rows and labels, before any split or preprocessing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypermodels.problem import Task
from src.data.tables.columns import Table


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows as a source delivers them."""

    name: str  # what the rows are called in messages and reports
    # Float32 `(rows, features)` in raw units, all finite; of a table, also the codes of texts, and
    # NaN for missing values.
    x: NDArray[np.float32]
    y: NDArray[Any]  # `(rows,)` labels as delivered: strings, booleans, integers or finite floats
    feature_names: tuple[str, ...]  # one a column of `x`
    # Separate test rows with the columns of `x`, or None: a part of `x` is held out.
    x_test: NDArray[np.float32] | None = None
    y_test: NDArray[Any] | None = None  # the labels of `x_test`
    # The task, where the source knows it; None to infer it from the labels.
    task: Task | None = None
    # Where rows are flattened images, the value of a full pixel, such as 255.
    image_maximum: float | None = None
    # Of a table, what its columns are; its inputs are the columns of `x`.
    table: Table | None = None
    # Int64 `(rows,)`: rows with the same number never part, and stand in one split; None where each
    # row stands alone.
    groups: NDArray[np.int64] | None = None


def pixel_names(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Returns the names of an image's values in C order: `pixel_0_0`, `pixel_0_1`, …"""
    return tuple("_".join(["pixel", *map(str, index)]) for index in np.ndindex(shape))
