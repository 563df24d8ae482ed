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

    name: str  # in messages and reports
    # float32 `(rows, features)` in raw units, all finite. Of a table, also the codes of texts, and
    # NaN for missing values.
    x: NDArray[np.float32]
    y: NDArray[Any]  # `(rows,)`: strings, booleans, integers or finite floats
    feature_names: tuple[str, ...]  # one a column of `x`
    x_test: NDArray[np.float32] | None = None  # separate test rows; None: some of `x` are held out
    y_test: NDArray[Any] | None = None
    task: Task | None = None  # None to infer it from the labels
    image_maximum: float | None = None  # of flattened images, the value of a full pixel, as 255
    table: Table | None = None  # of a table, what its columns are; its inputs are those of `x`
    # int64 `(rows,)`: rows with the same number stand in one split; None where each stands alone.
    groups: NDArray[np.int64] | None = None


def pixel_names(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Returns the names of an image's values in C order: `pixel_0_0`, `pixel_0_1`, …"""
    return tuple("_".join(["pixel", *map(str, index)]) for index in np.ndindex(shape))
