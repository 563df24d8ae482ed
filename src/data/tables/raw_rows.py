"""Loaded rows as an exported model takes them; without DuckDB, which workers do not need."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.splits import Rows
from src.data.tables.columns import Column


class RawTableRows:
    """Chosen rows of a table as an exported model takes them, made when they are asked for.

    `x` is float32 `(all rows, columns)`: raw numbers and codes, NaN for missing values.
    """

    def __init__(self, x: NDArray[np.float32], rows: Rows, columns: Sequence[Column]) -> None:
        self._x, self._rows, self._columns = x, rows, columns
        self._texts = {
            column.input: np.array([*column.categories, ""], dtype=object)
            for column in columns
            if column.is_text
        }

    def __len__(self) -> int:
        """The number of chosen rows."""
        return len(self._rows)

    def __getitem__(self, key: slice) -> dict[str, NDArray[Any]]:
        """Returns arrays `(rows,)` of a slice, by the names of the model's inputs."""
        x = self._x[self._rows[key]]
        arrays: dict[str, NDArray[Any]] = {}
        for place, column in enumerate(self._columns):
            values: NDArray[Any] = x[:, place]
            if column.is_text:
                texts = self._texts[column.input]
                values = texts[np.where(np.isnan(values), len(texts) - 1, values).astype(int)]
            arrays[column.input] = values
        return arrays
