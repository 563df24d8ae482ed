"""Opens a Parquet file, and gives it in pieces; needs the package pyarrow."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from src.data.tables.open_table import OpenTable
from src.data.tables.text_files import CHUNK_CELLS
from src.errors import UserError, listed

# What pyarrow's own errors derive from.
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, NotImplementedError, MemoryError)
_INDEX = re.compile(r"__index_level_\d+__")  # pandas stores the labels of rows so


def open_parquet(path: Path, where: str) -> OpenTable:
    """Opens a Parquet file.

    Columns of lists and the like are left out, durations become seconds, bytes become texts.

    Args:
        path: the file.
        where: the key and the path, for messages.

    Raises:
        UserError: if pyarrow is not installed, or naming the file and what is wrong with it.
    """
    try:
        import pyarrow
        import pyarrow.parquet as format_
    except ModuleNotFoundError as error:
        raise UserError(
            f"{where}: a Parquet file needs the package pyarrow, which is not installed: "
            "pip install pyarrow; or save the table as CSV, for data.source=csv"
        ) from error
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "there is no such file"
        raise UserError(f"{where}: {found}; valid: a Parquet file")
    try:
        file: Any = format_.ParquetFile(path)
        schema = [field for field in file.schema_arrow if not _INDEX.fullmatch(field.name)]
    except _UNREADABLE as error:
        raise UserError(f"{where}: is not readable as Parquet ({error})") from error
    if not file.metadata.num_rows:
        raise UserError(f"{where}: has no rows; valid: at least one row")
    nested = [field for field in schema if pyarrow.types.is_nested(field.type)]
    names = tuple(field.name for field in schema if field not in nested)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{where}: several columns are called {listed(twice)}; valid: other names")
    if not names:
        raise UserError(
            f"{where}: has no column with one value a row, but {_with_types(nested)}; valid: "
            "numbers, texts, booleans, dates"
        )
    durations = [field for field in schema if pyarrow.types.is_duration(field.type)]
    notices = []
    if nested:
        notices.append(f"left out, as they hold several values a row: {_with_types(nested)}")
    if durations:
        notices.append(f"read in seconds: {_with_types(durations)}")

    def chunks(wanted: Sequence[str] | None) -> Iterator[pd.DataFrame]:
        rows = max(1_000, CHUNK_CELLS // max(1, len(names if wanted is None else wanted)))
        columns = list(names if wanted is None else wanted)
        try:
            for batch in file.iter_batches(batch_size=rows, columns=columns):
                frame = batch.to_pandas(ignore_metadata=True)
                for name in columns:
                    frame[name] = _plain(frame[name])
                yield frame
        except _UNREADABLE as error:
            raise UserError(f"{where}: is not readable as Parquet ({error})") from error

    left_out = tuple(field.name for field in nested)
    return OpenTable(names, chunks, tuple(notices), left_out=left_out)


def _with_types(fields: Sequence[Any]) -> str:
    return listed(f"'{field.name}' ({field.type})" for field in fields)


def _plain(series: "pd.Series[Any]") -> "pd.Series[Any]":
    """The cells of a column of durations or bytes as numbers or texts; others as they are."""
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        return pd.Series(series.dt.total_seconds())
    if series.dtype == object and any(isinstance(cell, bytes) for cell in series):
        return series.map(lambda cell: cell.decode(errors="replace"), na_action="ignore")
    return series
