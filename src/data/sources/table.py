"""Tables of your own: CSV, JSON lines and Parquet files, as they come."""

import glob
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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

    Each is a file, a folder of files or a pattern. The form of CSV files is found out, unless
    settings say it. Raises `UserError` naming the file, the columns, and what is valid.
    """
    refuse_unused(settings, [key for key in USED_BY if settings.source in USED_BY[key]])
    if settings.path is None:
        source = f"data.source={settings.source}"
        raise UserError(f"data.path: {source} needs it; valid: the path of a file")
    keys = ["path"] if settings.test_path is None else ["path", "test_path"]
    tables = []
    for key in keys:
        where = f"data.{key}: {getattr(settings, key)}"
        files = files_of(getattr(settings, key), where)
        tables.append(open_files(files, where, dialect(settings)))
    return dataset_of(tables[0], settings, _name(settings.path), *tables[1:])


def _name(path: str) -> str:
    """A file's name without endings such as `.csv.gz`; of a pattern, its folder's."""
    found = Path(path).expanduser().resolve()
    name = (found.parent if glob.has_magic(path) and not found.exists() else found).name
    return re.sub(r"(\.(csv|tsv|txt|json|jsonl|ndjson|parquet|gz|zst))+$", "", name) or "table"


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
    """Returns features and target of an open table, and of one with test rows.

    `data.target` (the last column by default) is the target, `data.drop` is left out, and every
    other column is what `data.columns` says, or what it looks like. Rows in messages count from 1
    below the header. Rows without a target, or of a class with too few rows to share, are left out.

    Raises `UserError` naming the key, the file, the columns, what was found and what is valid.
    """
    settings = settings.model_copy(
        update={
            "target": settings.target and plain_name(settings.target),
            "group": settings.group and plain_name(settings.group),
            "drop": tuple(map(plain_name, settings.drop)),
            "columns": {plain_name(name): kind for name, kind in settings.columns.items()},
        }
    )
    where, missing = opened.where, missing_texts(settings)
    opened = replace(opened, missing=missing)
    target = settings.target or opened.names[-1]
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
    if not kept.all():
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
        dates = (ambiguous_dates(c.name, cells[c.name]) for c in columns if c.kind == "date")
        notices += filter(None, dates)
    x = _features(inputs, cells, kept)
    x_test: NDArray[np.float32] | None = None
    y_test: NDArray[Any] | None = None
    if test is not None:
        test = replace(test, missing=missing)
        x_test, y_test, columns, more = _test_rows(test, settings, columns, y, where)
        notices += more
    row_numbers = None
    if not kept.all():
        of_test = len(kept) + np.arange(0 if y_test is None else len(y_test))
        row_numbers = np.concatenate([np.flatnonzero(kept), of_test]).astype(np.int64)
    form = opened.form
    file = FileForm(
        columns=len(opened.names),
        has_header=form is None or form.has_header,
        separator=None if form is None else form.separator,
        encoding=dialect(settings).encoding,
        missing=missing,
        remarks=() if form is None else form.remarks,
    )
    return Dataset(
        name=name,
        x=x,
        y=y,
        feature_names=tuple(column.name for column in inputs),
        x_test=x_test,
        y_test=y_test,
        table=Table(tuple(columns), file, tuple(notices), row_numbers),
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


def _check_named(opened: OpenTable, settings: DataSettings, target: str) -> None:
    """Refuses settings of columns that are not there, or that do not go together."""
    names = (*opened.names, *opened.left_out)
    for key, given in (
        ("data.target", (target,)),
        ("data.drop", settings.drop),
        ("data.columns", tuple(settings.columns)),
        ("data.group", () if settings.group is None else (settings.group,)),
    ):
        for name in given:
            may_be = names if name in settings.drop or settings.columns.get(name) == "drop" else ()
            if name not in (may_be or opened.names):
                raise UserError(
                    f"{key}: there is no column '{name}'.{nearest(name, names)} Columns: "
                    f"{listed(names)}"
                )
            if key != "data.target" and name == target:
                raise UserError(
                    f"{key}: '{name}' is the target: data.target, or else the last column; valid: "
                    "other columns"
                )
            if key == "data.group" and (name in settings.drop or name in settings.columns):
                raise UserError(
                    f"{key}: '{name}' is in data.drop or data.columns; valid: a column of its own"
                )
    if not set(opened.names) - {*settings.drop, target, settings.group}:
        raise UserError(
            f"{opened.where}: no column is left beside the target '{target}'; valid: at least one "
            "feature, and separators that the file's format knows"
        )


def _kept_by(opened: OpenTable, target: str, kept: NDArray[np.bool_]) -> str:
    """Which setting makes a label of the first text that stands for a missing value."""
    text = opened.one(f"bare({opened.text(target)})", f"LIMIT 1 OFFSET {int(np.argmin(kept))}")[0]
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
            column = replace(column, kind="target", done=done, categories=())
        elif name not in cells:
            key = "data.drop" if name in settings.drop else "data.columns"
            done = "keeps its rows together" if name == settings.group else f"left out: {key}"
            column = Column(name, "dropped", done=done)
        else:
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
            if column.numbers is not None:
                values = column.numbers[chosen]
                x[start : start + len(chosen), place] = values - origin if origin else values
            elif column.codes is not None:
                codes = column.codes[chosen]
                x[start : start + len(chosen), place] = np.where(codes < 0, np.nan, codes)
    return x


def _left_out(columns: Sequence[Column]) -> list[str]:
    """Says which columns were taken for identifiers."""
    left = [column for column in columns if column.kind == "identifier"]
    if not left:
        return []
    kind = "categorical" if left[0].is_text else "numeric"
    example = f"'data.columns={json.dumps({left[0].name: kind}, ensure_ascii=False)}'"
    names = listed(column.name for column in left)
    return [f"taken for identifiers and left out: {names}; {example} takes it"]


def _test_rows(
    opened: OpenTable,
    settings: DataSettings,
    columns: Sequence[Column],
    y: NDArray[Any],
    training: str,
) -> tuple[NDArray[np.float32], NDArray[Any], list[Column], list[str]]:
    """Features and target of the test file, read as the training file was."""
    where = opened.where
    needed = [column for column in columns if column.is_input or column.kind == "target"]
    if absent := lacking(needed, opened.names):
        raise UserError(
            f"{where}: lacks {listed(absent)}. Valid: the columns of {training}: "
            f"{listed(column.name for column in columns)}"
        )
    target, is_text = next(c.name for c in needed if c.kind == "target"), y.dtype.kind == "U"
    cells = read_cells(
        opened,
        {c.name: TEXT if c.name == target and is_text else c.format for c in needed},
        target,
        categories={column.name: column.categories for column in needed if column.categories},
    )
    goal = cells.pop(target)
    kept = ~goal.missing
    if not kept.any():
        raise UserError(f"{where}: no row has a value of the target '{target}'; valid: some rows")
    if is_text and goal.codes is not None:
        labels = np.array(merged_labels(goal.categories, tuple(np.unique(y))))
        y_test: NDArray[Any] = labels[goal.codes[kept]]
    else:
        y_test = target_values(goal, kept, target, settings, where)
    notices = list(opened.notices)
    if not kept.all():
        without = row_count(int((~kept).sum()))
        notices.append(f"{where}: {without} without a value of the target '{target}' left out")
    # texts that only the test rows have get codes that no training row has
    columns = [
        replace(c, categories=cells[c.name].categories) if c.is_text and c.is_input else c
        for c in columns
    ]
    return _features([c for c in columns if c.is_input], cells, kept), y_test, columns, notices


def _groups(cells: Cells) -> NDArray[np.int64]:
    """The number of each row's group; a row without a value is a group of its own."""
    assert cells.codes is not None
    groups = cells.codes.astype(np.int64)
    alone = np.flatnonzero(groups < 0)
    groups[alone] = len(cells.categories) + np.arange(len(alone))
    return groups
