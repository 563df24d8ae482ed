"""What several sources check: settings that they do not use, values that are not finite."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.config.schema import DataSettings
from src.errors import UserError

_TABLES = ("csv", "parquet", "table")
_TABLE_SETTINGS = (
    *("target", "drop", "columns", "decimal", "date_order", "missing", "default_missing"),
    *("header", "separator", "encoding"),
)
USED_BY = {
    **dict.fromkeys(_TABLE_SETTINGS, (*_TABLES, "sql")),
    "path": (*_TABLES, "npz", "sql"),
    "test_path": _TABLES,
    "group": (*_TABLES, "npz", "sql"),
    "database": ("sql",),
    "query": ("sql",),
}


def refuse_unused(settings: DataSettings, used: Collection[str] = ()) -> None:
    """Raises `UserError` if a key of `USED_BY` is set that is not among those `used`."""
    for key, sources in USED_BY.items():
        value = getattr(settings, key)
        if key not in used and value not in (None, (), {}, "auto", True):
            shown = list(value) if isinstance(value, tuple | Mapping) else f"'{value}'"
            raise UserError(
                f"data.{key}: {shown} is not used by data.source={settings.source}; "
                f"valid for {', '.join(sources)}"
            )


def to_float32(values: NDArray[Any], columns: Sequence[str], where: str) -> NDArray[np.float32]:
    """Returns numbers `(rows, features)` as C-contiguous float32, all of them finite.

    Args:
        values: booleans, integers or floats.
        columns: the columns' names, for the message.
        where: the key, the file and the part of it that holds the values.

    Raises:
        UserError: with the number of values that are not finite, and where the first is.
    """
    with np.errstate(over="ignore"):  # beyond float32's range becomes infinity, refused below
        x = np.ascontiguousarray(values, dtype=np.float32)
    finite = np.isfinite(x)
    if not finite.all():
        row, column = divmod(int(np.argmin(finite)), x.shape[1])
        raise UserError(
            f"{where}: {finite.size - int(finite.sum())} of {finite.size} values are not finite "
            f"numbers; the first is {values[row, column]} in row {row + 1}, column "
            f"'{columns[column]}'. Valid: numbers within ±3.4e38 (float32)"
        )
    return x


def check_finite_target(y: NDArray[Any], where: str) -> None:
    """Raises `UserError` if a target of floats has a NaN or an infinity."""
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int(np.argmin(np.isfinite(y)))
        raise UserError(
            f"{where}: {int((~np.isfinite(y)).sum())} of {len(y)} values of the target are not "
            f"finite numbers; the first is {y[row]} in row {row + 1}. Valid: a label or a number "
            "in every row"
        )
