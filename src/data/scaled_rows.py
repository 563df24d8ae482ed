"""Chosen rows of an array that is too large to copy, such as a mapped one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.preprocessing import Scaling
from src.data.splits import Rows
from src.data.tables.encoding import TableEncoding


class ScaledRows:
    """`scaling.apply(x[rows])`, computed for a part of the rows when that part is read.

    `x` is float32 `(all rows, features)` and stays where it is; without `scaling`, rows are raw.
    """

    def __init__(
        self,
        x: NDArray[np.float32],
        rows: Rows,
        scaling: Scaling | TableEncoding | None = None,
    ) -> None:
        self._x = x
        self._rows = rows
        self._scaling = scaling
        self.shape = (len(rows), x.shape[1] if scaling is None else scaling.features)
        self.dtype = x.dtype

    def __len__(self) -> int:
        """The number of chosen rows."""
        return len(self._rows)

    def __getitem__(self, key: slice | NDArray[Any]) -> NDArray[np.float32]:
        """The rows of a slice, or of an array of places among the chosen rows."""
        x = self._x[self._rows[key]]
        return x if self._scaling is None else self._scaling.apply(x)
