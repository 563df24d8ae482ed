"""Rows that stay where they are, such as in a mapped file, and are read while a graph trains."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

BATCHES_AHEAD = 1  # read while the batch before is trained on; each one more costs its memory


class Streamed(NamedTuple):
    """What a graph is given in place of the rows.

    Attributes:
        rows: how many there are.
        like: arrays without rows, of the shapes and dtypes of those that the batches come from.
    """

    rows: Any
    like: tuple[Any, ...]


class RowStream:
    """Reads batches from arrays that a traced graph does not know: another fit opens others.

    In memory are the batch in use, the one after it and one that is being read, whatever the number
    of rows; and the order of the rows, 4 bytes each.
    """

    def __init__(self) -> None:
        self._arrays: Sequence[Any] = ()

    def open(self, arrays: Sequence[Any]) -> Streamed:
        """Takes what to read from; `close` lets go of it.

        Args:
            arrays: NumPy arrays, mapped ones too, or anything else with their `shape`, `dtype` and
                indexing by an array of row numbers.
        """
        self._arrays = arrays
        like = tuple(np.empty((0, *array.shape[1:]), array.dtype) for array in arrays)
        return Streamed(np.int32(arrays[0].shape[0]), like)

    def close(self) -> None:
        """Forgets the arrays."""
        self._arrays = ()

    def batches(self, like: Sequence[Any], order: Any, batch: Any) -> Any:
        """Returns an iterator over batches, in a graph: tuples of tensors, one an array.

        Args:
            like: of the `Streamed` that `open` returned.
            order: int32 `(rows,)`: row numbers.
            batch: int32: rows of a batch; the last one holds what is left.
        """

        def read(number: Any) -> tuple[Any, ...]:
            start = tf.cast(number, tf.int32) * batch
            dtypes = [array.dtype for array in like]
            parts = tf.numpy_function(self._read, [order[start : start + batch]], dtypes)
            for part, array in zip(parts, like, strict=True):
                part.set_shape((None, *array.shape[1:]))
            return tuple(parts)

        numbers = tf.data.Dataset.range(tf.cast(-(-tf.size(order) // batch), tf.int64))
        return iter(numbers.map(read).prefetch(BATCHES_AHEAD))

    def _read(self, chosen: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        return [np.ascontiguousarray(array[chosen]) for array in self._arrays]
