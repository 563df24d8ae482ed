"""Tables of your own: CSV, JSON lines and Parquet files, as they come."""

import glob
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from src.config.schema import DataSettings
from src.config.separators import SEPARATORS
from src.data.dataset import Dataset
from src.data.preprocessing import aligned_empty
from src.data.sources.checks import USED_BY, refuse_unused
from src.data.tables.cells import Cells, Format, read_cells
from src.data.tables.columns import Column, FileForm, Table, lacking
from src.data.tables.database import OpenTable, open_files
from src.data.tables.files import files_of
from src.data.tables.formats import COMPACT_DATES, MISSING, TEXT, preferred
from src.data.tables.inference import ambiguous_dates, describe
from src.data.tables.targets import labels_of, merged_labels, row_count, target_values
from src.data.tables.text_form import Dialect, plain_name
from src.errors import UserError, listed, nearest

_BLOCK_ROWS = 4096


def table(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001 (one signature for all)
    """Reads `data.path`, and `data.test_path` where there are separate test rows.

    Each is a file, a folder of files or a pattern. What the form of a CSV file is, is found out,
    unless settings say it; Parquet files have types.

    Raises:
        UserError: naming the file, the columns, what was found and what is valid.
    """
    refuse_unused(settings, [key for key in USED_BY if settings.source in USED_BY[key]])
    settings = with_plain_names(settings)
    rows = _open(settings, "path")
    test = None if settings.test_path is None else _open(settings, "test_path")
    return dataset_of(rows, settings, _name(str(settings.path)), test)


def _name(path: str) -> str:
    """A file's name without endings such as `.csv.gz`; of a pattern, its folder's."""
    found = Path(path).expanduser().resolve()
    name = (found.parent if glob.has_magic(path) and not found.exists() else found).name
    return re.sub(r"(\.(csv|tsv|txt|json|jsonl|ndjson|parquet|gz|zst))+$", "", name) or "table"


def with_plain_names(settings: DataSettings) -> DataSettings:
    """Returns the settings with names of columns as `plain_name` makes them in files."""
    return settings.model_copy(
        update={
            "target": settings.target and plain_name(settings.target),
            "group": settings.group and plain_name(settings.group),
            "drop": tuple(map(plain_name, settings.drop)),
            "columns": {plain_name(name): kind for name, kind in settings.columns.items()},
        }
    )


def _open(settings: DataSettings, key: Literal["path", "test_path"]) -> OpenTable:
    value: str | None = getattr(settings, key)
    where = f"data.{key}: {value}"
    if value is None:
        raise UserError(
            f"data.{key}: data.source={settings.source} needs it; valid: the path of a file"
        )
    return open_files(files_of(value, where), where, dialect(settings))


def dialect(settings: DataSettings) -> Dialect:
    """What settings say of the form of CSV files."""
    separator = SEPARATORS.get(settings.separator, settings.separator)
    found = (None if value == "auto" else value for value in (separator, settings.encoding))
    return Dialect(settings.header, *found)


def missing_texts(settings: DataSettings) -> tuple[str, ...]:
    """Texts that stand for a missing value, in lower case."""
    usual = MISSING if settings.default_missing else ("",)
    return (*usual, *(text.strip().lower() for text in settings.missing))


def dataset_of(
    opened: OpenTable, settings: DataSettings, name: str, test: OpenTable | None = None
) -> Dataset:
    """Returns features and target of an open table.

    `data.target` (the last column by default) is the target, `data.drop` is left out, and every
    other column is what `data.columns` says, or what it looks like. Rows in messages count from 1
    below the header. Rows without a target, or of a class with too few rows to share, are left out.

    Raises:
        UserError: naming the key, the file, the columns, what was found and what is valid.
    """
    where = opened.where
    opened = replace(opened, missing=missing_texts(settings))
    target = _target(opened.names, settings)
    _check_named(opened, settings, target)
    left = {*settings.drop, *(n for n, kind in settings.columns.items() if kind == "drop")}
    wanted = {n: _format(n, target, settings) for n in opened.names if n not in left}
    cells = read_cells(
        *(opened, wanted, target),
        labels=settings.task != "regression",
        preferred=preferred(settings.decimal, settings.date_order),
    )
    goal = cells.pop(target)
    group = None if settings.group is None else cells.pop(settings.group)
    y, kept, notices = labels_of(goal, target, settings, where)
    if not kept.all() and notices:
        notices[0] += _kept_by(opened, target, kept)
    columns = _described(opened.names, cells, goal, target, settings, where)
    inputs = [column for column in columns if column.is_input]
    if not inputs:
        done = listed(f"{c.name} ({c.done})" for c in columns if c.kind != "target")
        raise UserError(
            f"{where}: no column is left to learn from beside the target '{target}': {done}. "
            "Valid: at least one feature; data.columns.NAME=categorical, numeric or date takes "
            "one that was left out"
        )
    notices = [*opened.notices, *notices, *_left_out(columns)]
    if settings.date_order == "auto":
        dates = (c.name for c in columns if c.kind == "date")
        notices += filter(None, (ambiguous_dates(name, cells[name]) for name in dates))
    x = _features(inputs, cells, kept)
    x_test: NDArray[np.float32] | None = None
    y_test: NDArray[Any] | None = None
    if test is not None:
        x_test, y_test, columns, more = _test_rows(test, settings, columns, y, where)
        notices += more
    form = opened.form
    return Dataset(
        name=name,
        x=x,
        y=y,
        feature_names=tuple(column.name for column in inputs),
        x_test=x_test,
        y_test=y_test,
        table=Table(
            columns=tuple(columns),
            form=FileForm(
                columns=len(opened.names),
                has_header=form is None or form.has_header,
                separator=None if form is None else form.separator,
                encoding=None if settings.encoding == "auto" else settings.encoding,
                missing=opened.missing,
                remarks=() if form is None else form.remarks,
            ),
            notices=tuple(notices),
            row_numbers=_row_numbers(kept, opened.rows, 0 if y_test is None else len(y_test)),
        ),
        groups=None if group is None else _groups(group)[kept],
    )


def _format(name: str, target: str, settings: DataSettings) -> Format | None:
    """The format that a setting gives a column, or those of which it has one; None for any."""
    numbers, dates = preferred(settings.decimal, settings.date_order)
    if name == target:
        return TEXT if settings.task in ("binary", "multiclass") else None
    by_kind: Mapping[str | None, Format] = {
        "categorical": TEXT,
        "numeric": numbers,
        "date": (*dates, *COMPACT_DATES),
    }
    return TEXT if name == settings.group else by_kind.get(settings.columns.get(name))


def _target(columns: Sequence[str], settings: DataSettings) -> str:
    if settings.target is None:
        if columns[-1] in settings.drop:
            raise UserError(
                f"data.drop: '{columns[-1]}' is the last column and so the target; name another "
                f"with data.target. Columns: {listed(columns)}"
            )
        return columns[-1]
    _check_is_there("data.target", settings.target, columns)
    if settings.target in settings.drop:
        raise UserError(
            f"data.drop: '{settings.target}' is the target (data.target); valid: other columns"
        )
    return settings.target


def _check_is_there(key: str, name: str, columns: Sequence[str]) -> None:
    if name not in columns:
        raise UserError(
            f"{key}: there is no column '{name}'.{nearest(name, columns)} Columns: "
            f"{listed(columns)}"
        )


def _check_named(opened: OpenTable, settings: DataSettings, target: str) -> None:
    """Refuses settings of columns that are not there, and of the target."""
    for name in settings.drop:
        _check_is_there("data.drop", name, (*opened.names, *opened.left_out))
    for name, kind in settings.columns.items():
        more = opened.left_out if kind == "drop" else ()
        _check_is_there("data.columns", name, (*opened.names, *more))
    group = settings.group
    if group is not None:
        _check_is_there("data.group", group, opened.names)
        for key, names in (
            ("the target (data.target)", (target,)),
            ("left out by data.drop", settings.drop),
            ("named in data.columns", tuple(settings.columns)),
        ):
            if group in names:
                raise UserError(f"data.group: '{group}' is {key}; valid: a column of its own")
    if target in settings.columns:
        raise UserError(
            f"data.columns.{target}: is the target, which data.task is for; valid: other columns"
        )
    if not set(opened.names) - {*settings.drop, target, group}:
        raise UserError(
            f"{opened.where}: no column is left beside the target '{target}'; valid: at least one "
            "feature, and separators that the file's format knows"
        )


def _kept_by(opened: OpenTable, target: str, kept: NDArray[np.bool_]) -> str:
    """Which setting makes a label of the first text that stands for a missing value."""
    text = opened.one(opened.text(target), f"LIMIT 1 OFFSET {int(np.argmin(kept))}")[0]
    known = bool(text) and text.lower() in MISSING
    return f" ({text!r}); data.default_missing=false makes a label of it" if known else ""


def _described(
    names: Sequence[str],
    cells: dict[str, Cells],
    goal: Cells,
    target: str,
    settings: DataSettings,
    where: str,
) -> list[Column]:
    """All columns in the file's order, those of the model with names for its inputs."""
    columns: list[Column] = []
    taken: set[str] = set()
    for name in names:
        if name == target:
            column = describe(name, goal, None, where)
            done = f"{row_count(column.missing)} left out" if column.missing else ""
            columns.append(replace(column, kind="target", done=done, categories=()))
            continue
        if name not in cells:
            key = "data.drop" if name in settings.drop else "data.columns"
            done = "keeps its rows together" if name == settings.group else f"left out: {key}"
            columns.append(Column(name, "dropped", done=done))
            continue
        column = describe(name, cells[name], settings.columns.get(name), where)
        if column.is_input:
            safe = name.replace("/", "_")
            while safe in taken or (safe != name and safe in names):
                safe += "_"
            taken.add(safe)
            column = replace(column, input=safe)
        columns.append(column)
    return columns


def _features(
    columns: Sequence[Column], cells: dict[str, Cells], kept: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Raw numbers and codes, `(rows, columns)`."""
    rows = np.flatnonzero(kept)
    x = aligned_empty((len(rows), len(columns)))
    found = [(cells[column.name], column.origin) for column in columns]
    for start in range(0, len(rows), _BLOCK_ROWS):  # so that a block stays in the cache
        chosen = rows[start : start + _BLOCK_ROWS]
        for place, (column, origin) in enumerate(found):
            values = column.codes if column.numbers is None else column.numbers
            assert values is not None
            block = values[chosen]
            if column.numbers is None:
                block = np.where(block < 0, np.nan, block)
            x[start : start + len(chosen), place] = block - origin if origin else block
    return x


def _left_out(columns: Sequence[Column]) -> list[str]:
    """Says which columns were taken for identifiers."""
    left = [column for column in columns if column.kind == "identifier"]
    if not left:
        return []
    names = [column.name for column in left]
    kind = "categorical" if left[0].is_text else "numeric"
    example = f"'data.columns={json.dumps({names[0]: kind}, ensure_ascii=False)}'"
    return [f"taken for identifiers and left out: {listed(names)}; {example} takes it"]


def _test_rows(
    opened: OpenTable,
    settings: DataSettings,
    columns: Sequence[Column],
    y: NDArray[Any],
    training: str,
) -> tuple[NDArray[np.float32], NDArray[Any], list[Column], list[str]]:
    """Features and target of the test file, read as the training file was."""
    opened = replace(opened, missing=missing_texts(settings))
    where = opened.where
    needed = [column for column in columns if column.is_input or column.kind == "target"]
    if absent := lacking(needed, opened.names):
        raise UserError(
            f"{where}: lacks {listed(absent)}. Valid: the columns of {training}: "
            f"{listed(column.name for column in columns)}"
        )
    target = next(column.name for column in needed if column.kind == "target")
    is_text = y.dtype.kind == "U"
    cells = read_cells(
        opened,
        {c.name: TEXT if c.name == target and is_text else c.format for c in needed},
        target,
        categories={column.name: column.categories for column in needed if column.categories},
    )
    goal = cells.pop(target)
    notices = list(opened.notices)
    kept = ~goal.missing
    if not kept.any():
        raise UserError(f"{where}: no row has a value of the target '{target}'; valid: some rows")
    if is_text:
        labels = np.array(merged_labels(goal.categories, tuple(np.unique(y))))
        y_test: NDArray[Any] = labels[goal.codes[kept]]  # type: ignore[index]
    else:
        y_test = target_values(goal, kept, target, settings, where)
    if not kept.all():
        notices.append(
            f"{where}: {row_count(int((~kept).sum()))} without a value of the target '{target}' "
            "left out"
        )
    # texts that only the test rows have get codes that no training row has
    columns = [
        replace(c, categories=cells[c.name].categories) if c.is_text and c.is_input else c
        for c in columns
    ]
    inputs = [column for column in columns if column.is_input]
    return _features(inputs, cells, kept), y_test, list(columns), notices


def _groups(cells: Cells) -> NDArray[np.int64]:
    """The number of each row's group; a row without a value is a group of its own."""
    assert cells.codes is not None
    groups = cells.codes.astype(np.int64)
    alone = np.flatnonzero(groups < 0)
    groups[alone] = len(cells.categories) + np.arange(len(alone))
    return groups


def _row_numbers(kept: NDArray[np.bool_], rows: int, test_rows: int) -> NDArray[np.int64] | None:
    if kept.all():
        return None
    return np.concatenate([np.flatnonzero(kept), rows + np.arange(test_rows)]).astype(np.int64)
