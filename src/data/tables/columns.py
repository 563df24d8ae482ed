"""What is known of a table's columns, and of those that an exported model takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from hypermodels.problem import Task
from src.data.tables.formats import PLAIN, TEXT
from src.errors import UserError

Kind = Literal[
    "numeric", "boolean", "categorical", "date", "constant", "identifier", "dropped", "target"
]
INPUT_KINDS: tuple[Kind, ...] = ("numeric", "boolean", "categorical", "date")
DATE_RULE = "dates become days since `origin`, which is in days since 1970-01-01 UTC"


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str  # in the file
    kind: Kind  # what it is taken for; those of `INPUT_KINDS` are the model's inputs
    format: str = PLAIN  # one of `src.data.tables.formats`; `text` where its cells stay texts
    missing: int = 0  # rows without a value
    distinct: int = 0  # values that differ
    done: str = ""  # what becomes of it, in a few words
    first: str = ""  # its first value, as it was read
    input: str = ""  # the model's: the name, but that Keras has no `/` in names
    origin: float = 0.0  # of dates, the day that is 0; a float32 can tell seconds then
    # Of texts, those that the codes 0, 1, … stand for; empty for numbers.
    categories: tuple[str, ...] = field(default=(), repr=False)

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
        names = ("name", "kind", "format", "missing", "distinct", "done")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class FileForm:
    """The form of the training file, for files to predict."""

    columns: int  # all of the file
    has_header: bool = True  # of a CSV file; else the columns are `column_1` and so on
    separator: str | None = None  # None of other files than CSV
    encoding: str | None = None  # that a setting gave; None where it was found out
    missing: tuple[str, ...] = ()  # texts that stand for a missing value, in lower case
    remarks: tuple[str, ...] = ()  # what was found out of its form

    @property
    def facts(self) -> dict[str, Any]:
        """Plain data for YAML."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}


@dataclass(frozen=True, eq=False)
class Table:
    """What a source knows of a table beyond the rows."""

    columns: tuple[Column, ...]  # all of the file, in its order
    form: FileForm
    notices: tuple[str, ...] = ()  # what was done that a user should know, a sentence each
    # Of each row of the data, its number in the file, from 0; None where those are the same.
    row_numbers: NDArray[np.int64] | None = None

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
    """What `best/columns.yaml` tells of an exported model."""

    columns: tuple[Column, ...]  # the model's inputs
    target: Column  # that it predicts
    task: Task
    class_names: tuple[str, ...]  # the labels of its outputs, in order; none for regression
    form: FileForm


def lacking(columns: Sequence[Column], names: Sequence[str]) -> list[str]:
    """Returns the names of the columns that are not among those of a table."""
    known = set(names)
    return [column.name for column in columns if column.name not in known]


def columns_yaml(table: Table, task: Task, class_names: Sequence[str]) -> str:
    """Returns the text of `best/columns.yaml`."""
    names = ("name", "kind", "format", "input", "origin")
    values = {
        "rule": DATE_RULE,
        "target": {"name": table.target.name, "format": table.target.format},
        "task": task,
        "classes": list(class_names),
        "file": table.form.facts,
        "columns": [{name: getattr(c, name) for name in names} for c in table.inputs],
    }
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def read_columns(path: Path) -> ModelColumns:
    """Reads a run's `best/columns.yaml`; raises `UserError` if it is not what a search writes."""
    try:
        values: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        form: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in values["file"].items()
        }
        return ModelColumns(
            columns=tuple(Column(**column) for column in values["columns"]),
            target=Column(kind="target", **values["target"]),
            task=values["task"],
            class_names=tuple(map(str, values["classes"])),
            form=FileForm(**form),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: does not tell of a model's columns: {error}") from error
