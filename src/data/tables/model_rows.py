"""Rows of a table as an exported model takes them: an array a column, by the inputs' names."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.data.tables.columns import Column, lacking
from src.data.tables.database import OpenTable, connect
from src.data.tables.formats import MISSING
from src.errors import UserError


def model_inputs(
    table: OpenTable, columns: Sequence[Column], target: Column | None = None
) -> Iterator[tuple[int, dict[str, NDArray[Any]], NDArray[Any] | None]]:
    """Gives the rows of a table in pieces: how many, the model's inputs, and the target.

    For each input an array `(rows,)`: float32 with NaN for missing values, or texts with empty
    ones. The target is float64 or texts, None for missing ones.
    """
    sqls = {}
    for place, column in enumerate(columns):
        if column.is_text:
            sqls[f"input {place}"] = f"coalesce({table.cell(table.text(column.name))}, '')"
        else:
            number = f"{table.number(column.name, column.format)} - {column.origin!r}"
            sqls[f"input {place}"] = f"TRY_CAST({number} AS FLOAT)"
    if target is not None:
        cell = table.cell(table.text(target.name), is_label=True)
        sqls["target"] = cell if target.is_text else table.number(target.name, target.format)
    for frame in table.chunks(sqls):
        arrays: dict[str, NDArray[Any]] = {}
        for place, column in enumerate(columns):
            values = frame[f"input {place}"]
            if column.is_text:
                arrays[column.input] = values.to_numpy(dtype=object)
            else:
                numbers = values.to_numpy(dtype=np.float32, na_value=np.nan)
                arrays[column.input] = np.where(np.isfinite(numbers), numbers, np.float32(np.nan))
        yield len(frame), arrays, None if target is None else frame["target"].to_numpy()


def raw_inputs(
    frame: pd.DataFrame, columns: Sequence[Column], missing: Sequence[str] = MISSING
) -> dict[str, NDArray[Any]]:
    """Returns what an exported model takes, from a table that pandas holds.

    `frame` has all `columns` by name, as text or as numbers, booleans and timestamps; NaN, None and
    the texts `missing`, in lower case, are missing values. Returns an array `(rows,)` an input:
    float32 with NaN (dates by `DATE_RULE`), or texts with empty ones. Raises `UserError` naming the
    columns that the table lacks.
    """
    if absent := lacking(columns, list(frame.columns)):
        raise UserError(
            f"the table lacks {len(absent)} of the {len(columns)} columns that the model takes: "
            + ", ".join(absent[:20])
        )
    names = tuple(column.name for column in columns)
    connection = connect()
    chosen = frame[list(names)].set_axis([f"c{place}" for place in range(len(names))], axis=1)
    connection.register("frame", chosen)
    types = tuple(str(row[1]) for row in connection.execute("DESCRIBE frame").fetchall())
    table = OpenTable(connection, "frame", names, types, "the table", missing=tuple(missing))
    pieces = [inputs for _, inputs, _ in model_inputs(table, columns)]
    return {c.input: np.concatenate([piece[c.input] for piece in pieces]) for c in columns}
