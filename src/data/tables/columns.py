"""What is known of a table's columns, and the arrays that an exported model takes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from hypermodels.problem import Task
from src.data.tables.formats import PLAIN, TEXT, is_date_format, is_missing, parse, to_days
from src.data.tables.missing_values import blank_out
from src.errors import UserError

Kind = Literal[
    "numeric", "boolean", "categorical", "date", "constant", "identifier", "dropped", "target"
]
INPUT_KINDS = ("numeric", "boolean", "categorical", "date")
DATE_RULE = "dates become days since `origin`, which is in days since 1970-01-01 UTC"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: its name in the file.
        kind: what it is taken for; those of `INPUT_KINDS` are the model's inputs.
        format: how its texts become numbers, one of `src.data.tables.formats`; `text` where they
            stay texts.
        missing: rows without a value.
        distinct: values that differ.
        done: what becomes of it, in a few words.
        input: the name of the model's input: the column's, but that Keras has no `/` in names.
        origin: of dates, the day since 1970-01-01 UTC that is 0; a float32 can tell seconds then.
        categories: of texts, those that codes 0, 1, … stand for; empty for numbers.
        also_missing: texts that stand for a missing value beside the usual ones.
    """

    name: str
    kind: Kind
    format: str = PLAIN
    missing: int = 0
    distinct: int = 0
    done: str = ""
    input: str = ""
    origin: float = 0.0
    categories: tuple[str, ...] = field(default=(), repr=False)
    also_missing: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether the model takes texts of it."""
        return self.format == TEXT

    @property
    def is_input(self) -> bool:
        """Whether the model takes it."""
        return self.kind in INPUT_KINDS

    @property
    def facts(self) -> dict[str, Any]:
        """Plain data for a run's config.yaml."""
        names = ("name", "kind", "missing", "distinct", "done")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class TextForm:
    """The form of a CSV file.

    Attributes:
        separator: between fields.
        has_header: whether the first line names the columns; else they are `column_1` and so on.
        encoding: that a setting gave; None where it is found out.
        empty_ends: how many separators every line has at its end with nothing behind them.
    """

    separator: str
    has_header: bool
    encoding: str | None = None
    empty_ends: int = 0


@dataclass(frozen=True, eq=False)
class Table:
    """What a source knows of a table beyond the rows.

    Attributes:
        columns: all columns of the file, in its order.
        notices: what was done that a user should know, a sentence each.
        row_numbers: of each row of the data, its number in the file, from 0; None where those are
            the same.
        form: of a CSV file; None of others.
    """

    columns: tuple[Column, ...]
    notices: tuple[str, ...] = ()
    row_numbers: NDArray[np.int64] | None = None
    form: TextForm | None = None

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that the model takes, in the order of the data's features."""
        return tuple(column for column in self.columns if column.is_input)

    @property
    def target(self) -> Column:
        """The column to predict."""
        return next(column for column in self.columns if column.kind == "target")


@dataclass(frozen=True)
class ModelColumns:
    """What `best/columns.yaml` tells of an exported model.

    Attributes:
        columns: the model's inputs.
        target: the column that it predicts.
        task: what it predicts.
        class_names: the labels of its outputs, in order; empty for regression.
        file_columns: how many columns the file had that it was trained on.
        form: of that file, if it was a CSV file.
    """

    columns: tuple[Column, ...]
    target: Column
    task: Task
    class_names: tuple[str, ...]
    file_columns: int
    form: TextForm | None = None


def raw_inputs(frame: pd.DataFrame, columns: Sequence[Column]) -> dict[str, NDArray[Any]]:
    """Returns what an exported model takes, from a table as a file has it.

    Args:
        frame: has all `columns` by name, as text or as numbers, booleans and timestamps; others
            are passed over. `?`, `NA` and the like are missing values, as are NaN and None.
        columns: the model's inputs.

    Returns:
        For each input an array `(rows,)`: float32 with NaN for missing values (dates by
        `DATE_RULE`), or texts with empty ones. Keras's `predict` takes texts in this shape alone.

    Raises:
        UserError: naming the columns that the table lacks.
    """
    missing = lacking(columns, list(frame.columns))
    if missing:
        raise UserError(
            f"the table lacks {len(missing)} of the {len(columns)} columns that the model takes: "
            + ", ".join(missing[:20])
        )
    inputs: dict[str, NDArray[Any]] = {}
    for column in columns:
        cells = blank_out(frame[column.name], column.also_missing)
        values: NDArray[Any] = (
            cell_texts(cells)
            if column.is_text
            else to_finite_float32(cell_numbers(cells, column.format) - column.origin)
        )
        inputs[column.input] = values
    return inputs


def lacking(columns: Sequence[Column], names: Sequence[str]) -> list[str]:
    """Returns the names of the columns that are not among those of a table."""
    known = set(names)
    return [column.name for column in columns if column.name not in known]


def cell_texts(series: "pd.Series[Any]", *, is_target: bool = False) -> NDArray[np.object_]:
    """Returns stripped texts, empty for missing values; whole numbers have no decimal point.

    Args:
        series: of any type.
        is_target: in a target, `none` is a label like any other.
    """
    if pd.api.types.is_float_dtype(series.dtype):
        numbers = np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
        of_numbers = [
            "" if np.isnan(v) else str(int(v)) if v.is_integer() else str(v)
            for v in numbers.tolist()
        ]
        return np.array(of_numbers, dtype=object)
    codes, distinct = pd.factorize(series.astype(object).where(series.notna(), None).to_numpy())
    texts = np.array([*(str(value).strip() for value in distinct), ""], dtype=object)
    is_label = np.array([is_target and text.lower() == "none" for text in texts])
    texts[is_missing(texts) & ~is_label] = ""
    return np.asarray(texts[codes])


def cell_numbers(series: "pd.Series[Any]", format_name: str) -> NDArray[np.float64]:
    """Returns float64 numbers, or days since 1970-01-01 UTC; NaN for what is none."""
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return to_days(series)
    is_number = pd.api.types.is_numeric_dtype(series.dtype)
    if is_number and not is_date_format(format_name):
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    codes, distinct = pd.factorize(cell_texts(series))
    return parse(np.asarray(distinct, dtype=object), format_name)[codes]


def to_finite_float32(numbers: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Returns float32; NaN for infinities and what float32 cannot hold."""
    with np.errstate(over="ignore"):
        x = numbers.astype(np.float32)
    x[~np.isfinite(x)] = np.nan
    return x


def columns_yaml(table: Table, task: Task, class_names: Sequence[str]) -> str:
    """Returns the text of `best/columns.yaml`."""
    names = ("name", "kind", "format", "input", "origin")
    columns = [{name: getattr(c, name) for name in names} for c in table.inputs]
    values = {
        "rule": DATE_RULE,
        "target": {"name": table.target.name, "format": table.target.format},
        "missing": list(table.target.also_missing),
        "task": task,
        "classes": list(class_names),
        "file": {
            "columns": len(table.columns),
            "form": None if table.form is None else asdict(table.form),
        },
        "columns": columns,
    }
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def read_columns(path: Path) -> ModelColumns:
    """Reads a run's `best/columns.yaml`.

    Raises:
        UserError: if it is not there, or not what a search writes.
    """
    try:
        values: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        missing = tuple(map(str, values.get("missing", ())))  # of older runs none
        return ModelColumns(
            columns=tuple(Column(**column, also_missing=missing) for column in values["columns"]),
            target=Column(kind="target", **values["target"], also_missing=missing),
            task=values["task"],
            class_names=tuple(map(str, values["classes"])),
            file_columns=int(values["file"]["columns"]),
            form=None if values["file"]["form"] is None else TextForm(**values["file"]["form"]),
        )
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise UserError(f"{path}: does not tell of a model's columns: {error}") from error
