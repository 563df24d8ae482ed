"""The rows of a file to predict, as an exported model takes them; npz is read at once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from src.data.archives import UNREADABLE
from src.data.tables.columns import Column, FileForm, ModelColumns, lacking
from src.data.tables.database import OpenTable, open_files
from src.data.tables.files import files_of
from src.data.tables.formats import MISSING
from src.data.tables.model_rows import model_inputs
from src.data.tables.targets import merged_labels
from src.data.tables.text_form import Dialect
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
    files = files_of(str(path), where)
    if path.is_file():
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                return iter([_npz_rows(path, where, model)]), ()
    columns: Sequence[Column] = [
        Column(name, "numeric", input=name) for name in model.feature_names
    ]
    table, notices = _open_table(files, where, model.table)
    if model.table is not None:
        columns = model.table.columns
    if absent := lacking(columns, table.names):
        raise UserError(
            f"{where}: lacks {len(absent)} of the {len(columns)} columns that the model takes: "
            f"{', '.join(absent)}. It has: {listed(table.names)}"
        )
    return _chunks(table, columns, model), (*table.notices, *notices)


def _chunks(table: OpenTable, columns: Sequence[Column], model: TakesRows) -> Iterator[Rows]:
    target, first = None if model.table is None else model.table.target, 1
    if target is not None and target.name not in table.names:
        target = None
    for count, inputs, truth in model_inputs(table, columns, target):
        rows: Any = inputs
        if model.table is None:
            names = model.feature_names
            rows = _finite(np.column_stack([inputs[n] for n in names]), names, table.where, first)
        yield count, rows, None if truth is None else _truth(truth, model.class_names)
        first += count


def _open_table(
    files: Sequence[Path], where: str, trained: ModelColumns | None
) -> tuple[OpenTable, tuple[str, ...]]:
    """Opens a file whose form should be that of the file that the model was trained on."""
    form = FileForm(0) if trained is None else trained.form
    found, dialects = [], [Dialect(form.has_header, None, None)]
    if form.separator is not None:
        dialects.append(Dialect(form.has_header, form.separator, form.encoding))
    if form.encoding is not None:
        dialects.reverse()
    for dialect in dialects:
        try:
            found.append(open_files(files, where, dialect))
        except UserError as error:
            problem = error
    if not found:
        raise problem
    missing = MISSING if trained is None else form.missing
    columns = () if trained is None else trained.columns
    tables = [replace(table, missing=missing) for table in found]
    table = min(tables, key=lambda table: len(lacking(columns, table.names)))
    if trained is None or form.has_header or table.form is None:
        return table, ()
    names = [f"column_{number}" for number in range(1, form.columns + 1)]
    if len(table.names) == len(names) - 1:
        names.remove(trained.target.name)  # which is to be predicted
    if len(table.names) != len(names):
        raise UserError(
            f"{where}: has {len(table.names)} columns. The model was trained on a file without a "
            f"header and with {form.columns} columns; valid: the same columns in the same order, "
            f"with or without the target {trained.target.name}, separated by {form.separator!r}"
        )
    notice = (
        "the first line is taken for a row, as in the file that the model was trained on, though "
        "it looks like a header; if it is one, take it out"
    )
    return replace(table, names=tuple(names)), (notice,) if table.form.looks_headed else ()


def _npz_rows(path: Path, where: str, model: TakesRows) -> Rows:
    if model.table is not None:
        raise UserError(
            f"{where}: is an npz file, and the model takes columns by name: "
            f"{listed(c.name for c in model.table.columns)}. Valid: a CSV, JSON lines or Parquet "
            "file"
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
        y = np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y.reshape(-1)
        truth = _truth(y.astype(str) if model.class_names else y, model.class_names)
    with np.errstate(over="ignore"):
        rows = x.reshape(len(x), -1).astype(np.float32)
    return len(x), _finite(rows, names, where, 1), truth


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


def _truth(values: NDArray[Any], class_names: Sequence[str]) -> NDArray[Any]:
    """The target as `Rows` has it."""
    if not class_names:
        numbers = values.astype(np.float64)
        return np.where(np.isfinite(numbers), numbers, np.nan)
    texts, codes = np.unique(["" if v is None else str(v) for v in values], return_inverse=True)
    places = {name: place for place, name in enumerate(class_names)}
    labels = merged_labels(texts.tolist(), class_names)
    return np.array([places.get(label, -1) for label in labels], np.int64)[codes]
