"""The rows of any file that predictions can be made for, as an exported model takes them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
from src.data.tables.text_files import CHUNK_CELLS, open_text
from src.errors import UserError, listed
from src.evaluation.prediction.arrays import ArrayFile
from src.evaluation.prediction.exported import ExportedModel

UNKNOWN_LABEL = -1
"""In place of a class: the row has no label, or one that the model does not know."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a file.

    Attributes:
        count: how many.
        inputs: what the model takes: float32 `(rows, features)`, or such arrays by column.
        truth: `(rows,)` where the file has the target: int64 classes or `UNKNOWN_LABEL`, or float64
            values or NaN.
    """

    count: int
    inputs: Any
    truth: NDArray[Any] | None


@dataclass(frozen=True)
class InputFile:
    """A file whose rows can be predicted; nothing but its form has been read.

    Attributes:
        chunks: gives the rows in pieces, in order.
        has_target: whether it has the target too.
        total: how many rows there are; None where only reading them tells.
        notices: what was done about its form, a sentence each.
    """

    chunks: Callable[[], Iterator[Rows]]
    has_target: bool
    total: int | None = None
    notices: tuple[str, ...] = ()


def open_rows(path: Path, model: ExportedModel) -> InputFile:
    """Opens a CSV, Parquet or npz file; which it is, its first bytes tell.

    Raises:
        UserError: naming the file and the columns that the model takes and the file lacks, or what
            else is wrong.
    """
    where = f"FILE: {path}"
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "there is no such file"
        raise UserError(f"{where}: {found}; valid: a CSV, Parquet or npz file")
    start = _first_bytes(path, where)
    if start.startswith(b"PK\x03\x04"):
        return _array_rows(path, where, model)
    columns, target = _columns(model)
    if start.startswith(b"PAR1"):
        table = open_parquet(path, where)
    else:
        table = _open_text(path, where, model.table, columns)
    missing = lacking(columns, table.names)
    if missing:
        raise UserError(
            f"{where}: lacks {len(missing)} of the {len(columns)} columns that the model takes: "
            f"{', '.join(missing)}. It has: {listed(table.names)}"
        )
    has_target = target is not None and target.name in table.names
    wanted = [column.name for column in columns]
    if target is not None and has_target and target.name not in wanted:
        wanted.append(target.name)

    def chunks() -> Iterator[Rows]:
        first = 1
        for frame in table.chunks(wanted):
            inputs = (
                _matrix(frame, columns, where, first)
                if model.table is None
                else raw_inputs(frame, columns)
            )
            truth = None
            if target is not None and has_target:
                cells = blank_out(frame[target.name], target.also_missing)
                truth = _truth(cells, target.format, model.class_names)
            yield Rows(len(frame), inputs, truth)
            first += len(frame)

    return InputFile(chunks, has_target, notices=table.notices)


def _first_bytes(path: Path, where: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise UserError(f"{where}: cannot be read ({error.strerror})") from error


def _columns(model: ExportedModel) -> tuple[Sequence[Column], Column | None]:
    """Inputs and target; of a model that takes arrays, its features have names, and no target."""
    if model.table is not None:
        return model.table.columns, model.table.target
    return [Column(name, "numeric") for name in model.feature_names], None


def _open_text(
    path: Path, where: str, model: ModelColumns | None, columns: Sequence[Column]
) -> OpenTable:
    """Opens a CSV file, whose form should be that of the file that the model was trained on."""
    form = None if model is None else model.form
    if model is None or form is None or form.has_header:
        encoding = None if form is None else encoding_like(path, where, form.encoding)
        found = open_text(path, where, header=True, encoding=encoding)
        if form is not None and form.separator != found.form.separator:
            same = open_text(path, where, header=True, separator=form.separator, encoding=encoding)
            if len(lacking(columns, same.names)) < len(lacking(columns, found.names)):
                found = same
        return OpenTable(found.names, found.chunks, found.notices)
    found = open_text(
        *(path, where, False, form.separator, encoding_like(path, where, form.encoding)),
        empty_ends=form.empty_ends,  # else a feature that no row has would be taken for that
    )
    names = [f"column_{number}" for number in range(1, model.file_columns + 1)]
    if len(found.names) == len(names) - 1:
        names.remove(model.target.name)  # which is to be predicted
    if len(found.names) != len(names):
        raise UserError(
            f"{where}: has {len(found.names)} columns. The model was trained on a file without a "
            f"header and with {model.file_columns} columns; valid: the same columns in the same "
            f"order, with or without the target {model.target.name}, separated by "
            f"{form.separator!r}"
        )
    notices = found.notices
    if found.looks_headed:
        notices = (
            *notices,
            "the first line is taken for a row, as in the file that the model was trained on, "
            "though it looks like a header; if it is one, take it out",
        )
    return OpenTable(tuple(names), replace(found, names=tuple(names)).chunks, notices)


def _array_rows(path: Path, where: str, model: ExportedModel) -> InputFile:
    if model.table is not None:
        raise UserError(
            f"{where}: is an npz file, whose arrays have no names of columns, and the model takes "
            f"columns by name: {listed(c.name for c in model.table.columns)}. Valid: a CSV or "
            "Parquet file"
        )
    features = len(model.feature_names)
    file = ArrayFile(path, where, features)

    def chunks() -> Iterator[Rows]:
        first = 1
        for x, y in file.chunks(max(1, CHUNK_CELLS // features)):
            _check_finite(x, model.feature_names, where, first)
            format_name = TEXT if model.class_names else PLAIN
            truth = None if y is None else _truth(_series(y), format_name, model.class_names)
            yield Rows(len(x), x, truth)
            first += len(x)

    return InputFile(chunks, file.has_target, file.rows)


def _series(labels: NDArray[Any]) -> "pd.Series[Any]":
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8")
    return pd.Series(labels.astype(object) if labels.dtype.kind in "Ub" else labels)


def _matrix(
    frame: pd.DataFrame, columns: Sequence[Column], where: str, first: int
) -> NDArray[np.float32]:
    x = np.empty((len(frame), len(columns)), np.float32)
    for place, column in enumerate(columns):
        x[:, place] = to_finite_float32(cell_numbers(frame[column.name], PLAIN))
    _check_finite(x, [column.name for column in columns], where, first)
    return x


def _check_finite(x: NDArray[np.float32], names: Sequence[str], where: str, first: int) -> None:
    """Refuses what a model that takes arrays would make NaNs of."""
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        row, place = bad[0]
        raise UserError(
            f"{where}: row {first + row} has no finite number in '{names[place]}'. Valid: numbers "
            "everywhere, as the model was trained on arrays; one that was trained on a table "
            "(data.source=csv or parquet) takes missing values"
        )


def _truth(
    series: "pd.Series[Any]", format_name: str, class_names: Sequence[str]
) -> NDArray[np.int64] | NDArray[np.float64]:
    """The target as the metrics take it."""
    if not class_names:
        numbers = cell_numbers(series, format_name)
        numbers[~np.isfinite(numbers)] = np.nan
        return numbers
    if format_name != TEXT and not pd.api.types.is_numeric_dtype(series.dtype):
        series = pd.Series(cell_numbers(series, format_name))
    texts = cell_texts(series, is_target=True)
    codes = pd.Index(class_names).get_indexer(pd.Index(texts))
    return np.asarray(codes, np.int64)


def is_known(truth: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows have a target that metrics can be computed with."""
    if truth.dtype.kind == "i":
        return np.asarray(truth != UNKNOWN_LABEL)
    return np.asarray(np.isfinite(truth))
