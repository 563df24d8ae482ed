"""The rows of a CSV, Parquet or npz file, as an exported model takes them; npz is read at once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.data.archives import UNREADABLE
from src.data.tables.columns import (
    Column,
    ModelColumns,
    cell_numbers,
    cell_texts,
    lacking,
    raw_inputs,
    to_finite_float32,
)
from src.data.tables.formats import PLAIN, TEXT
from src.data.tables.missing_values import blank_out
from src.data.tables.open_table import OpenTable
from src.data.tables.parquet_files import open_parquet
from src.data.tables.text_encoding import encoding_like
from src.data.tables.text_files import open_text
from src.errors import UserError, listed


class TakesRows(Protocol):
    """What is known of a model: the columns of a table that it takes, or its array's columns."""

    @property
    def table(self) -> ModelColumns | None: ...
    @property
    def feature_names(self) -> tuple[str, ...]: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...


NPZ_TARGETS = {"x": "y", "x_test": "y_test"}  # by the array of rows; the first that is there

Rows = tuple[int, Any, NDArray[Any] | None]
"""How many rows, what the model takes of them, and where the file has the target `(rows,)`: int64
classes, −1 for one that the model does not know, or float64 values, NaN for a missing one."""


def open_rows(path: Path, model: TakesRows) -> tuple[Iterator[Rows], tuple[str, ...]]:
    """Returns the rows of a file in pieces, and notices on its form; its first bytes tell which.

    Raises `UserError` if it cannot be read, or lacks columns that the model takes, naming them.
    """
    where = f"FILE: {path}"
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        valid = "a CSV, Parquet or npz file"
        raise UserError(f"{where}: cannot be read ({error.strerror}); valid: {valid}") from error
    if start == b"PK\x03\x04":
        return iter([_npz_rows(path, where, model)]), ()
    columns: Sequence[Column] = [Column(name, "numeric") for name in model.feature_names]
    if model.table is not None:
        columns = model.table.columns
    is_parquet = start == b"PAR1"
    table = open_parquet(path, where) if is_parquet else _open_csv(path, where, model, columns)
    missing = lacking(columns, table.names)
    if missing:
        raise UserError(
            f"{where}: lacks {len(missing)} of the {len(columns)} columns that the model takes: "
            f"{', '.join(missing)}. It has: {listed(table.names)}"
        )
    return _table_chunks(table, columns, where, model), table.notices


def _table_chunks(
    table: OpenTable, columns: Sequence[Column], where: str, model: TakesRows
) -> Iterator[Rows]:
    names, first = [column.name for column in columns], 1
    target = None if model.table is None else model.table.target
    if target is not None and target.name not in table.names:
        target = None
    for frame in table.chunks(names if target is None else [*names, target.name]):
        if model.table is not None:
            inputs: Any = raw_inputs(frame, columns)
        else:
            arrays = [to_finite_float32(cell_numbers(frame[name], PLAIN)) for name in names]
            inputs = _finite(np.column_stack(arrays), names, where, first)
        truth = None
        if target is not None:
            cells = blank_out(frame[target.name], target.also_missing)
            truth = _truth(cells, target.format, model.class_names)
        yield len(frame), inputs, truth
        first += len(frame)


def _npz_rows(path: Path, where: str, model: TakesRows) -> Rows:
    if model.table is not None:
        raise UserError(
            f"{where}: is an npz file, and the model takes columns by name: "
            f"{listed(c.name for c in model.table.columns)}. Valid: a CSV or Parquet file"
        )
    names = model.feature_names
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            name = next((name for name in NPZ_TARGETS if name in arrays), "")
            if not name:
                raise UserError(
                    f"{where}: has no array x or x_test; it has {listed(arrays) or 'none'}. Valid: "
                    "x, and y where the labels are known"
                )
            x, y = arrays[name], arrays.get(NPZ_TARGETS[name])
    except UNREADABLE as error:
        raise UserError(
            f"{where}: is not a complete npz file ({error or type(error).__name__}). Valid: a file "
            "of numbers and texts, written by numpy.savez or numpy.savez_compressed"
        ) from error
    if x.dtype.kind not in "biuf" or x.ndim < 2 or x[:1].size != len(names):
        raise UserError(
            f"{where}: {name} has shape {x.shape} of type {x.dtype}; valid: numbers, "
            f"(rows, {len(names)}) or images of as many values"
        )
    truth = None
    if y is not None:
        if y.dtype.kind not in "biufUS" or y.size != len(x):
            raise UserError(
                f"{where}: {NPZ_TARGETS[name]} has shape {y.shape} of type {y.dtype}, and {name} "
                f"has {len(x)} rows; valid: a number or a text a row"
            )
        y = np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y
        labels = pd.Series((y.astype(object) if y.dtype.kind in "Ub" else y).reshape(-1))
        truth = _truth(labels, TEXT if model.class_names else PLAIN, model.class_names)
    with np.errstate(over="ignore"):
        rows = x.reshape(len(x), -1).astype(np.float32)
    return len(x), _finite(rows, names, where, 1), truth


def _open_csv(path: Path, where: str, model: TakesRows, columns: Sequence[Column]) -> OpenTable:
    """Opens a CSV file, whose form should be that of the file that the model was trained on."""
    trained = model.table
    form = None if trained is None else trained.form
    encoding = None if form is None else encoding_like(path, where, form.encoding)
    if trained is None or form is None or form.has_header:
        found = open_text(path, where, header=True, encoding=encoding)
        if form is not None and form.separator != found.form.separator:
            same = open_text(path, where, header=True, separator=form.separator, encoding=encoding)
            found = min(found, same, key=lambda text: len(lacking(columns, text.names)))
        return OpenTable(found.names, found.chunks, found.notices)
    # As many empty ends as then: else a feature that no row has would be taken for one.
    ends = form.empty_ends
    found = open_text(path, where, False, form.separator, encoding, empty_ends=ends)
    names = [f"column_{number}" for number in range(1, trained.file_columns + 1)]
    if len(found.names) == len(names) - 1:
        names.remove(trained.target.name)  # which is to be predicted
    if len(found.names) != len(names):
        raise UserError(
            f"{where}: has {len(found.names)} columns. The model was trained on a file without a "
            f"header and with {trained.file_columns} columns; valid: the same columns in the same "
            f"order, with or without the target {trained.target.name}, separated by "
            f"{form.separator!r}"
        )
    notice = (
        "the first line is taken for a row, as in the file that the model was trained on, though "
        "it looks like a header; if it is one, take it out"
    )
    notices = (*found.notices, *([notice] if found.looks_headed else []))
    return OpenTable(tuple(names), replace(found, names=tuple(names)).chunks, notices)


def _finite(
    x: NDArray[np.float32], names: Sequence[str], where: str, first: int
) -> NDArray[np.float32]:
    """Refuses what a model that takes arrays would make NaNs of."""
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        row, place = bad[0]
        raise UserError(
            f"{where}: row {first + row} has no finite number in '{names[place]}'. Valid: numbers "
            "everywhere, as only a model that was trained on a table takes missing values"
        )
    return x


def _truth(series: "pd.Series[Any]", format_name: str, class_names: Sequence[str]) -> NDArray[Any]:
    """The target as `Rows` has it."""
    if not class_names:
        numbers = cell_numbers(series, format_name)
        return np.where(np.isfinite(numbers), numbers, np.nan)
    if format_name != TEXT and not pd.api.types.is_numeric_dtype(series.dtype):
        series = pd.Series(cell_numbers(series, format_name))
    texts = cell_texts(series, is_target=True)
    return np.asarray(pd.Index(class_names).get_indexer(pd.Index(texts)), np.int64)
