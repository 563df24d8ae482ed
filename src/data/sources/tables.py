"""From a table with named columns to features and a target; shared by the file formats."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.sources.checks import check_finite_target, to_float32
from src.errors import UserError, nearest

_SHOWN = 20

# (path, key and path for messages, the column to read as text or None) -> table
ReadTable = Callable[[Path, str, str | None], pd.DataFrame]


def table_dataset(settings: DataSettings, read: ReadTable) -> Dataset:
    """Reads `data.path`, and `data.test_path` where there are separate test rows.

    `data.target` (the last column by default) is the target, `data.drop` is left out, and every
    other column is a feature of numbers. Rows in messages count from 1 below the header.

    Raises:
        UserError: naming the key, the file, the columns, what was found and what is valid.
    """
    path = _path(settings, "path")
    where = f"data.path: {path}"
    frame = read(path, where, None)
    target = _target(frame, settings)
    frame = _without_dropped(frame, settings.drop, where)
    features = [column for column in frame.columns if column != target]
    if not features:
        raise UserError(
            f"{where}: no column is left beside the target '{target}'; valid: at least one "
            "feature, and separators that the file's format knows"
        )
    y = _labels(frame[target], where)
    x_test: NDArray[np.float32] | None = None
    y_test: NDArray[Any] | None = None
    if settings.test_path is not None:
        test_path = _path(settings, "test_path")
        test_where = f"data.test_path: {test_path}"
        # the training file decides whether labels are text: '1' stays text where 'a' is a label
        test_frame = read(test_path, test_where, target if y.dtype.kind == "U" else None)
        test_frame = test_frame.drop(columns=list(settings.drop), errors="ignore")
        _check_columns(test_frame, frame, test_where, path)
        x_test = _inputs(test_frame[features], test_where)
        y_test = _labels(test_frame[target], test_where)
    return Dataset(
        name=path.stem,
        x=_inputs(frame[features], where),
        y=y,
        feature_names=tuple(features),
        x_test=x_test,
        y_test=y_test,
    )


def listed(names: Iterable[str]) -> str:
    """Returns names separated by commas, the first twenty where there are more."""
    shown = list(names)
    more = f", … {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _path(settings: DataSettings, key: Literal["path", "test_path"]) -> Path:
    value: str | None = getattr(settings, key)
    if value is None:
        raise UserError(
            f"data.{key}: data.source={settings.source} needs it; valid: the path of a file"
        )
    return Path(value).expanduser()


def _target(frame: pd.DataFrame, settings: DataSettings) -> str:
    columns = list(frame.columns)
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


def _without_dropped(frame: pd.DataFrame, drop: tuple[str, ...], where: str) -> pd.DataFrame:
    columns = list(frame.columns)
    for name in drop:
        if name not in columns:
            raise UserError(
                f"data.drop: there is no column '{name}'.{nearest(name, columns)} "
                f"Columns: {listed(columns)}"
            )
    frame = frame.drop(columns=list(drop))
    unnamed = [column for column in frame.columns if column.startswith("Unnamed: ")]
    if unnamed:  # row numbers that pandas wrote: they would tell the order of the file
        raise UserError(
            f"{where}: columns without a name: {listed(unnamed)}. Name them, or leave "
            f"them out: {_drop_hint(unnamed)}"
        )
    return frame


def _check_columns(test: pd.DataFrame, train: pd.DataFrame, where: str, path: Path) -> None:
    missing = [column for column in train.columns if column not in test.columns]
    surplus = [column for column in test.columns if column not in train.columns]
    if missing or surplus:
        found = [f"lacks {listed(missing)}"] if missing else []
        found += [f"has also {listed(surplus)}"] if surplus else []
        raise UserError(
            f"{where}: {' and '.join(found)}. Valid: the columns of {path}: "
            f"{listed(list(train.columns))}"
        )


def _labels(column: pd.Series, where: str) -> NDArray[Any]:
    """Returns the target as numbers, booleans or fixed-width text."""
    _check_present(column.to_frame(), f"{where}: target")
    if pd.api.types.is_numeric_dtype(column.dtype):  # booleans too
        y: NDArray[Any] = column.to_numpy()
        check_finite_target(y, f"{where}: target '{column.name}'")
        return y
    return column.to_numpy(dtype=str)


def _inputs(frame: pd.DataFrame, where: str) -> NDArray[np.float32]:
    """Returns the feature columns as float32 `(rows, features)`."""
    names = [str(name) for name in frame.columns]
    text = [name for name in names if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
    found: dict[str, str] = {}
    for name in text:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        not_numbers = frame[name][numbers.isna() & frame[name].notna()]
        if len(not_numbers):
            found[name] = f"{name} (row {not_numbers.index[0] + 1}: '{not_numbers.iloc[0]}')"
        frame = frame.assign(**{name: numbers})  # numbers with a missing value may come as text
    if found:
        raise UserError(
            f"{where}: non-numeric columns: {listed(list(found.values()))}. Valid: numbers in "
            f"every feature; to leave these columns out: {_drop_hint(list(found))}"
        )
    _check_present(frame, where)
    return to_float32(frame.to_numpy(), names, where)


def _check_present(frame: pd.DataFrame, where: str) -> None:
    missing = frame.isna()
    columns = [str(name) for name in frame.columns if missing[name].any()]
    if columns:
        first = missing[columns[0]].to_numpy()
        raise UserError(
            f"{where}: column '{columns[0]}' lacks {int(first.sum())} of {len(first)} values, the "
            f"first in row {int(first.argmax()) + 1} (empty, NA, NaN and the like). Columns with "
            f"missing values: {listed(columns)}. Valid: a value in every row; fill them or leave "
            "out the rows"
        )


def _drop_hint(columns: list[str]) -> str:
    return f"'data.drop={json.dumps(columns, ensure_ascii=False)}'"  # JSON is YAML, quotes and all
