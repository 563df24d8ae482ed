"""Scaling of the input columns, fitted on training rows alone."""

import math
import mmap
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from src.data.dataset import Dataset
from src.errors import UserError

ScalingKind = Literal["standard", "robust", "none"]
_CHUNK_ROWS = 1024  # float64 copies are made of this many rows at a time


@dataclass(frozen=True, eq=False)
class Scaling:
    """Inputs become `(x − mean) / scale`; an exported model computes the same, bit for bit.

    Both are float32 `(features,)`, in the units of the raw columns; the scale is never 0.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    @property
    def features(self) -> int:
        """Columns of what `apply` returns."""
        return len(self.mean)

    def apply(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns float32 `(x − mean) / scale` in new memory, C-contiguous."""
        scaled = aligned_empty(x.shape)
        np.subtract(x, self.mean, out=scaled)
        np.divide(scaled, self.scale, out=scaled)
        return scaled


def aligned_empty(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Returns a float32 array of zeros whose memory TensorFlow can use without a copy.

    Its memory comes from the system: NumPy asks for huge pages, which take up to 3 s for 200 MB on
    virtual machines.
    """
    count = math.prod(shape)
    memory = mmap.mmap(-1, max(1, 4 * count))  # begins with a page, so it is aligned
    return np.frombuffer(memory, np.float32, count).reshape(shape)


def resolve_scaling(kind: ScalingKind | Literal["auto"], dataset: Dataset) -> ScalingKind:
    """Resolves `auto`: `none` for images, `robust` for tables (and nothing else), or `standard`."""
    if kind == "robust" and dataset.table is None:
        raise UserError("data.scaling: 'robust' is for tables. Valid here: auto, standard, none")
    if kind != "auto":
        return kind
    by_kind: ScalingKind = "standard" if dataset.image_maximum is None else "none"
    return by_kind if dataset.table is None else "robust"


def fit_scaling(x_train: Any, kind: ScalingKind, image_maximum: float | None = None) -> Scaling:
    """Fits the scaling of float32 training rows `(rows, features)`, which are read in pieces.

    `standard` takes each column's mean and standard deviation, computed in float64; a constant
    column keeps scale 1 and becomes 0. `none` only divides images by `image_maximum`, the value of
    a full pixel.
    """
    features = x_train.shape[1]
    if kind == "none":
        divisor = np.full(features, image_maximum or 1.0, np.float32)
        return Scaling(np.zeros(features, np.float32), divisor)
    rows = len(x_train)
    sums, squares = np.zeros(features), np.zeros(features)
    is_constant = np.ones(features, bool)
    for start in range(0, rows, _CHUNK_ROWS):
        chunk = x_train[start : start + _CHUNK_ROWS]
        sums += chunk.sum(axis=0, dtype=np.float64)
        is_constant &= (chunk == x_train[:1]).all(axis=0)
    mean = sums / rows
    for start in range(0, rows, _CHUNK_ROWS):
        deviations = x_train[start : start + _CHUNK_ROWS] - mean
        squares += np.einsum("ij,ij->j", deviations, deviations)
    scale = np.sqrt(squares / rows).astype(np.float32)
    # Not scale == 0 alone: rounding leaves a constant column of 0.1 a deviation of some 1e-17.
    scale[is_constant | (scale == 0)] = 1
    return Scaling(mean.astype(np.float32), scale)
