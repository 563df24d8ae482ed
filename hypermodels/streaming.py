"""Rows that stay where they are, such as in a mapped file, and are read while a graph trains."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

BLOCK_BYTES = 2**22  # read at a time, but at least a batch: many small reads take much longer


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

    In memory are a block of batches and the next one, which is read meanwhile, whatever the number
    of rows; beside them the order of the rows, a few bytes each. A `tf.data` pipeline in the graph
    does the same, but takes eight milliseconds to start in every epoch.
    """

    def __init__(self) -> None:
        self._arrays: Sequence[Any] = ()
        self._reader: ThreadPoolExecutor | None = None
        self._batches: Iterator[list[Any]] = iter(())

    def open(self, arrays: Sequence[Any]) -> Streamed:
        """Takes what to read from; `close` lets go of it.

        Args:
            arrays: NumPy arrays, mapped ones too, or anything else with their `shape`, `dtype` and
                indexing by an array of row numbers.
        """
        self._arrays = arrays
        self._reader = ThreadPoolExecutor(1)
        like = tuple(tf.zeros((0, *array.shape[1:]), array.dtype) for array in arrays)
        return Streamed(tf.constant(arrays[0].shape[0], tf.int32), like)

    def close(self) -> None:
        """Forgets the arrays."""
        self._arrays, self._batches = (), iter(())
        if self._reader is not None:
            self._reader.shutdown()
            self._reader = None

    def begin(self, order: Any, batch: Any) -> Any:
        """Starts to read; an operation of the graph, as `next_batch` is. Returns row 0, int32.

        Args:
            order: int32 `(rows,)`: row numbers.
            batch: int32: rows of a batch; the last one holds what is left.
        """
        start = tf.numpy_function(self._begin, [order, batch], tf.int32)
        start.set_shape(())
        return start

    def next_batch(self, start: Any, like: Sequence[Any]) -> tuple[Any, ...]:
        """Returns the tensors of the next batch, one an array.

        Whatever reading raises ends the graph's call with a `tf.errors.UnknownError`.

        Args:
            start: the row that it begins with, from what `begin` returned on: the graph would else
                be free to run the operations in another order.
            like: of the `Streamed` that `open` returned.
        """
        parts = tf.numpy_function(self._next, [start], [array.dtype for array in like])
        for part, array in zip(parts, like, strict=True):
            part.set_shape((None, *array.shape[1:]))
        return tuple(parts)

    def _begin(self, order: np.ndarray[Any, Any], batch: np.int32) -> np.int32:
        self._batches = self._read_ahead(order, int(batch))
        return np.int32(0)

    def _next(self, _: np.int32) -> list[Any]:
        return next(self._batches)

    def _read_ahead(self, order: np.ndarray[Any, Any], batch: int) -> Iterator[list[Any]]:
        assert self._reader is not None
        row_bytes = sum(math.prod(a.shape[1:]) * a.dtype.itemsize for a in self._arrays)
        rows = batch * max(1, BLOCK_BYTES // (batch * row_bytes))
        ahead = self._reader.submit(self._read, order[:rows])
        for start in range(rows, len(order) + rows, rows):
            block = ahead.result()
            if start < len(order):
                ahead = self._reader.submit(self._read, order[start : start + rows])
            for first in range(0, len(block[0]), batch):
                yield [array[first : first + batch] for array in block]

    def _read(self, chosen: np.ndarray[Any, Any]) -> list[Any]:
        return [array[chosen] for array in self._arrays]
