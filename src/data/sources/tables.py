"""From a file with named columns to features and a target; shared by the file formats."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.sources.checks import USED_BY, refuse_unused
from src.data.tables.columns import Column, Table, to_finite_float32
from src.data.tables.doubts import doubts_about
from src.data.tables.formats import candidates
from src.data.tables.gathering import Cells, Forced, formats_for, gather
from src.data.tables.inference import describe
from src.data.tables.open_table import OpenTable
from src.data.tables.targets import labels_of, row_count, target_values
from src.errors import UserError, listed, nearest

# (path, key and path for messages) -> table
OpenFile = Callable[[Path, str], OpenTable]


def table_dataset(settings: DataSettings, open_file: OpenFile) -> Dataset:
    """Reads `data.path`, and `data.test_path` where there are separate test rows.

    `data.target` (the last column by default) is the target, `data.drop` is left out, and every
    other column is what `data.columns` says, or what it looks like. Rows in messages count from 1
    below the header. Rows without a target, or of a class with too few rows to share, are left out.

    Raises:
        UserError: naming the key, the file, the columns, what was found and what is valid.
    """
    refuse_unused(settings, [key for key in USED_BY if settings.source in USED_BY[key]])
    path = _path(settings, "path")
    where = f"data.path: {path}"
    opened = open_file(path, where).without(settings.missing)
    target = _target(opened.names, settings)
    _check_named(opened.names, opened.left_out, settings, target)
    names = [name for name in opened.names if name not in settings.drop]
    if len(names) < 2:
        raise UserError(
            f"{where}: no column is left beside the target '{target}'; valid: at least one "
            "feature, and separators that the file's format knows"
        )
    may_be = candidates(settings.decimal, settings.date_order)
    forced: dict[str, Forced] = {}
    for name, kind in settings.columns.items():
        formats = formats_for(kind, may_be)
        if formats is not None:
            forced[name] = formats
    wanted = [name for name in names if settings.columns.get(name) != "drop"]
    cells = gather(
        lambda some: opened.chunks(wanted if some is None else some), forced, {}, target, may_be
    )
    goal = cells.pop(target)
    group = None if settings.group is None else cells.pop(settings.group)
    y, kept, notices = labels_of(goal, target, settings, where)
    columns = [
        replace(column, also_missing=settings.missing)
        for column in _described(opened.names, cells, goal, target, settings, where)
    ]
    inputs = [column for column in columns if column.is_input]
    if not inputs:
        raise UserError(
            f"{where}: no column is left to learn from beside the target '{target}': "
            + listed(f"{c.name} ({c.done})" for c in columns if c.kind != "target")
            + ". Valid: at least one feature; data.columns.NAME=categorical, numeric or date "
            "takes one that was left out"
        )
    doubts = doubts_about(columns, cells, goal, settings)
    x = _features(inputs, cells, kept)
    notices = [
        *opened.notices,
        *opened.late_notices(),
        *notices,
        *_left_out(columns),
        *doubts,
    ]
    x_test: NDArray[np.float32] | None = None
    y_test: NDArray[Any] | None = None
    if settings.test_path is not None:
        x_test, y_test, columns, more = _test_rows(
            settings, open_file, columns, y.dtype.kind == "U", path
        )
        notices += more
    rows = len(goal.missing)
    return Dataset(
        name=path.stem.removesuffix(".csv"),
        x=x,
        y=y,
        feature_names=tuple(column.name for column in inputs),
        x_test=x_test,
        y_test=y_test,
        table=Table(
            columns=tuple(columns),
            notices=tuple(notices),
            row_numbers=_row_numbers(kept, rows, 0 if y_test is None else len(y_test)),
            form=opened.form,
        ),
        groups=None if group is None else _groups(group)[kept],
    )


def _path(settings: DataSettings, key: Literal["path", "test_path"]) -> Path:
    value: str | None = getattr(settings, key)
    if value is None:
        raise UserError(
            f"data.{key}: data.source={settings.source} needs it; valid: the path of a file"
        )
    return Path(value).expanduser()


def _target(columns: Sequence[str], settings: DataSettings) -> str:
    if settings.target is None:
        if columns[-1] in settings.drop:
            raise UserError(
                f"data.drop: '{columns[-1]}' is the last column and so the target; name another "
                f"with data.target. Columns: {listed(columns)}"
            )
        return str(columns[-1])
    if settings.target not in columns:
        raise UserError(
            f"data.target: {settings.path} has no column '{settings.target}'."
            f"{nearest(settings.target, columns)} Columns: {listed(columns)}"
        )
    if settings.target in settings.drop:
        raise UserError(
            f"data.drop: '{settings.target}' is the target (data.target); valid: other columns"
        )
    return settings.target


def _check_named(
    columns: Sequence[str], left_out: Sequence[str], settings: DataSettings, target: str
) -> None:
    """Refuses settings of columns that are not there, and of the target."""
    dropped = {name for name in settings.columns if settings.columns[name] == "drop"}
    dropped = dropped.union(settings.drop).intersection(left_out)  # as they are anyway
    for key, names in (("data.drop", settings.drop), ("data.columns", tuple(settings.columns))):
        for name in names:
            if name not in columns and name not in dropped:
                raise UserError(
                    f"{key}: there is no column '{name}'.{nearest(name, columns)} "
                    f"Columns: {listed(columns)}"
                )
    if settings.group is not None:
        if settings.group not in columns:
            raise UserError(
                f"data.group: there is no column '{settings.group}'."
                f"{nearest(settings.group, columns)} Columns: {listed(columns)}"
            )
        for key, names in (
            ("the target (data.target)", (target,)),
            ("left out by data.drop", settings.drop),
            ("named in data.columns", tuple(settings.columns)),
        ):
            if settings.group in names:
                raise UserError(
                    f"data.group: '{settings.group}' is {key}; valid: a column of its own"
                )
    if target in settings.columns:
        raise UserError(
            f"data.columns.{target}: is the target, which data.task is for; valid: other columns"
        )


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
            distinct = len(goal.categories) or len(pd.unique(goal.numbers[~goal.missing]))  # type: ignore[index]
            missing = int(goal.missing.sum())
            done = f"{row_count(missing)} left out" if missing else ""
            columns.append(Column(name, "target", goal.format, missing, distinct, done))
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
    """Raw numbers and codes, `(rows, columns)`; the cells are given free one by one."""
    x = np.empty((int(kept.sum()), len(columns)), np.float32)
    for place, column in enumerate(columns):
        x[:, place] = _values(cells.pop(column.name), column)[kept]
    return x


def _values(cells: Cells, column: Column) -> NDArray[np.float32]:
    if cells.numbers is not None:
        return to_finite_float32(cells.numbers - column.origin if column.origin else cells.numbers)
    assert cells.codes is not None
    values = cells.codes.astype(np.float32)
    values[cells.codes < 0] = np.nan
    return values


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
    settings: DataSettings,
    open_file: OpenFile,
    columns: Sequence[Column],
    is_text: bool,
    path: Path,
) -> tuple[NDArray[np.float32], NDArray[Any], list[Column], list[str]]:
    """Features and target of the test file, read as the training file was."""
    test_path = _path(settings, "test_path")
    where = f"data.test_path: {test_path}"
    opened = open_file(test_path, where).without(settings.missing)
    needed = [column for column in columns if column.is_input or column.kind == "target"]
    missing = [column.name for column in needed if column.name not in opened.names]
    if missing:
        known = listed(column.name for column in columns)
        raise UserError(f"{where}: lacks {listed(missing)}. Valid: the columns of {path}: {known}")
    names = [column.name for column in needed]
    target = next(column.name for column in needed if column.kind == "target")
    formats: dict[str, Forced] = {c.name: c.format for c in needed}
    known_texts = {column.name: column.categories for column in needed if column.categories}
    cells = gather(
        lambda some: opened.chunks(names if some is None else some), formats, known_texts, target
    )
    goal = cells.pop(target)
    notices = [*opened.notices, *(f"{where}: {said}" for said in opened.late_notices())]
    if goal.numbers is not None:
        goal.numbers[np.isinf(goal.numbers)] = np.nan
    kept = ~goal.missing
    y = target_values(goal, kept, target, where) if kept.any() else np.empty(0)
    if not kept.all():
        notices.append(
            f"{where}: {row_count(int((~kept).sum()))} without a value of the target '{target}' "
            "left out"
        )
    if not len(y):
        raise UserError(f"{where}: no row has a value of the target '{target}'; valid: some rows")
    if is_text and y.dtype.kind != "U":
        y = y.astype(str)
    # texts that only the test rows have get codes that no training row has
    columns = [
        replace(c, categories=cells[c.name].categories) if c.is_text and c.is_input else c
        for c in columns
    ]
    inputs = [column for column in columns if column.is_input]
    return _features(inputs, cells, kept), y, list(columns), notices


def _groups(cells: Cells) -> NDArray[np.int64]:
    """The number of each row's group; a row without a value is a group of its own."""
    found = cells.codes if cells.numbers is None else pd.factorize(cells.numbers)[0]
    assert found is not None
    groups = found.astype(np.int64)
    alone = np.flatnonzero(groups < 0)
    groups[alone] = int(groups.max(initial=-1)) + 1 + np.arange(len(alone))
    return groups


def _row_numbers(kept: NDArray[np.bool_], rows: int, test_rows: int) -> NDArray[np.int64] | None:
    if kept.all():
        return None
    return np.concatenate([np.flatnonzero(kept), rows + np.arange(test_rows)]).astype(np.int64)
