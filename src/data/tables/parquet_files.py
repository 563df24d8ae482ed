"""Opens a Parquet file, and gives it in pieces; needs the package pyarrow."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from src.data.tables.open_table import OpenTable
from src.data.tables.text_files import CHUNK_CELLS
from src.errors import UserError

# What pyarrow's own errors derive from.
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, NotImplementedError, MemoryError)
_INDEX = re.compile(r"__index_level_\d+__")  # pandas stores the labels of rows so


def open_parquet(path: Path, where: str) -> OpenTable:
    """Opens a Parquet file.

    Args:
        path: the file.
        where: the key and the path, for messages.

    Raises:
        UserError: if pyarrow is not installed, or naming the file and what is wrong with it.
    """
    try:
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
        names = tuple(name for name in file.schema_arrow.names if not _INDEX.fullmatch(name))
    except _UNREADABLE as error:
        raise UserError(f"{where}: is not readable as Parquet ({error})") from error
    if not file.metadata.num_rows:
        raise UserError(f"{where}: has no rows; valid: at least one row")

    def chunks(wanted: Sequence[str] | None) -> Iterator[pd.DataFrame]:
        rows = max(1_000, CHUNK_CELLS // max(1, len(names if wanted is None else wanted)))
        columns = list(names if wanted is None else wanted)
        try:
            for batch in file.iter_batches(batch_size=rows, columns=columns):
                yield batch.to_pandas(ignore_metadata=True)
        except _UNREADABLE as error:
            raise UserError(f"{where}: is not readable as Parquet ({error})") from error

    return OpenTable(names, chunks)
