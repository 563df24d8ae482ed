"""Where a graph takes its batches from: rows in memory, or rows that are read while it trains."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

BLOCK_BYTES = 2**22  # read at a time, but at least a batch: many small reads take much longer
LARGE_BYTES = 2**26  # of arrays that are too large to be copied
Arrays = tuple[Any, ...]  # (x, y) or (x, y, sample_weight), all rows of each


class MemoryRows(NamedTuple):
    """Rows in tensors, and the row numbers, int32, in the order of the batches."""

    arrays: Arrays
    order: Any = None

    @property
    def count(self) -> Any:
        return tf.size(self.order)

    def begin(self, order: Any, batch: int) -> "MemoryRows":
        """Returns the rows of an epoch in this order."""
        return self._replace(order=order)

    def batch(self, start: Any, end: Any) -> tuple[Arrays, Any]:
        """The tensors of the rows from `start` to `end` in the order, and how many they are."""
        chosen = self.order[start:end]
        return take(self.arrays, chosen), tf.size(chosen)


class StreamedRows(NamedTuple):
    """What a graph knows of streamed rows: other arrays of the same form need no new trace."""

    stream: "RowStream"
    count: Any
    like: Arrays  # without rows, of the shapes and dtypes of those that are read

    def begin(self, order: Any, batch: int) -> "StreamedRows":
        """Begins to read an epoch; the last batch holds what is left."""
        order = np.arange(self.count.numpy()) if order is None else order.numpy()
        self.stream.batches = self.stream.read(order, batch)
        return self

    def batch(self, start: Any, end: Any) -> tuple[Arrays, Any]:
        """As `MemoryRows.batch`; whatever reading raises is a `tf.errors.UnknownError`."""
        dtypes = [array.dtype for array in self.like]
        parts = tf.numpy_function(lambda _: next(self.stream.batches), [start], dtypes)
        for part, array in zip(parts, self.like, strict=True):
            part.set_shape((None, *array.shape[1:]))
        return tuple(parts), tf.shape(parts[0])[0]


class RowStream:
    """Arrays that a traced graph does not know, and the batches that it takes next.

    Memory holds two blocks of batches, one of them read meanwhile, and the order of the rows. A
    `tf.data` pipeline in the graph would take eight milliseconds to start in every epoch.
    """

    arrays: Arrays = ()
    batches: Iterator[list[Any]] = iter(())

    def open(self, arrays: Arrays) -> StreamedRows:
        """Takes what has `shape`, `dtype` and indexing by an array of row numbers."""
        self.arrays = arrays
        like = tuple(tf.zeros((0, *array.shape[1:]), array.dtype) for array in arrays)
        return StreamedRows(self, tf.constant(arrays[0].shape[0], tf.int32), like)

    def close(self) -> None:
        self.arrays, self.batches = (), iter(())

    def read(self, order: np.ndarray[Any, Any], batch: int) -> Iterator[list[Any]]:
        """Yields batches of rows in this order."""
        row_bytes = sum(math.prod(a.shape[1:]) * a.dtype.itemsize for a in self.arrays)
        rows = batch * max(1, BLOCK_BYTES // (batch * row_bytes))

        def block(start: int) -> list[Any]:
            return [array[order[start : start + rows]] for array in self.arrays]

        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(block, 0)
            for start in range(0, len(order), rows):
                arrays = ahead.result()
                if start + rows < len(order):
                    ahead = reader.submit(block, start + rows)
                for first in range(0, len(arrays[0]), batch):
                    yield [array[first : first + batch] for array in arrays]


def take(arrays: Arrays, numbers: Any) -> Arrays:
    """The rows with these numbers, as `tf.gather` gives them with one operation more."""
    return tuple(tf.raw_ops.Gather(params=array, indices=numbers) for array in arrays)


def tensors(arrays: Arrays) -> Arrays:
    """The arrays as tensors: copies of small ones, which is quick.

    A dataset takes large arrays without a copy where they lie at a multiple of 64 bytes.
    """
    if sum(getattr(array, "nbytes", 0) for array in arrays) < LARGE_BYTES:
        return tuple(tf.convert_to_tensor(array) for array in arrays)
    signature = tuple(tf.TensorSpec(array.shape, array.dtype) for array in arrays)
    return next(iter(tf.data.Dataset.from_generator(lambda: [arrays], output_signature=signature)))
