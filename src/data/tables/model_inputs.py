"""The encoding of a table as Keras layers and operations, for the exported model."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from src.data.tables.columns import Column
from src.data.tables.encoding import BOUND, FARTHEST, TableEncoding


def encoded_inputs(encoding: TableEncoding, columns: Sequence[Column]) -> tuple[Any, Any]:
    """Returns an input a column, by name, and the encoded rows that they lead to.

    The inputs have shape `(rows, 1)`, and take `(rows,)` too: texts, or float32. All that is added
    are Keras's own layers and operations, in a model of their own, whose names no column can clash
    with.

    Args:
        encoding: of rows whose columns are `columns`.
        columns: the columns of the raw rows.
    """
    inputs = {
        column.input: keras.Input((1,), name=column.input, dtype=_dtype(column))
        for column in columns
    }
    name = "preprocessing"
    while name in inputs:
        name += "_"
    return inputs, _preprocessing(encoding, columns, name)(list(inputs.values()))


def _dtype(column: Column) -> str:
    return "string" if column.is_text else "float32"


def _preprocessing(encoding: TableEncoding, columns: Sequence[Column], name: str) -> Any:
    inputs = [
        keras.Input((1,), name=f"input_{place}", dtype=_dtype(column))
        for place, column in enumerate(columns)
    ]
    parts = _numbers(encoding, inputs) if len(encoding.places) else []
    offset = 0
    for place, vocabulary in encoding.texts:
        count = len(vocabulary.texts)
        if not count:
            continue
        lookup = keras.layers.StringLookup(
            vocabulary=list(vocabulary.texts), mask_token=None, name=f"lookup_{place}"
        )
        index = lookup(inputs[place])
        if vocabulary.is_embedded:
            parts.append(ops.cast(index, "float32") + float(offset))
            offset += count + 1
        else:
            parts.append(ops.one_hot(index[:, 0], count + 1, dtype="float32")[:, 1:])
    return keras.Model(inputs, _joined(parts), name=name)


def _numbers(encoding: TableEncoding, inputs: Sequence[Any]) -> list[Any]:
    raw = _joined([inputs[place] for place in encoding.places])
    present = ops.isfinite(raw)
    raw = ops.where(present, raw, encoding.fill)
    z = (raw - encoding.center) / encoding.scale
    if encoding.is_bounded:
        z = ops.clip(z, -FARTHEST, FARTHEST)
        z = z / ops.sqrt(1 + ops.square(z / BOUND))
    parts = [z]
    if len(encoding.flags):
        flags = ops.cast(ops.logical_not(present), "float32")
        parts.append(ops.take(flags, encoding.flags, axis=1))
    for place, days, harmonic in encoding.cycles:
        angle = raw[:, place : place + 1] * float(np.float32(harmonic / days))
        angle = (angle - ops.floor(angle)) * float(np.float32(2 * np.pi))
        parts += [ops.sin(angle), ops.cos(angle)]
    for place, values in encoding.levels:
        parts.append(ops.cast(ops.equal(raw[:, place : place + 1], values), "float32"))
    for place, lows, widths in encoding.pieces:
        parts.append(ops.clip((raw[:, place : place + 1] - lows) / widths, 0.0, 1.0))
    return parts


def _joined(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else ops.concatenate(list(parts), axis=1)
