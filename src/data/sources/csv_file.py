"""Tables of your own in CSV files: numeric columns, and a target of numbers or text."""

import csv as csv_format
from itertools import islice
from pathlib import Path

import pandas as pd

from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.sources.tables import listed, table_dataset
from src.errors import UserError

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}


def csv(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001 (one signature for all)
    """Reads `data.path`, and `data.test_path` where there are separate test rows.

    The first line names the columns; comma, semicolon or tab separates them, whichever divides
    that line into the most. `table_dataset` tells what becomes of the columns.

    Raises:
        UserError: naming the file, the columns, what was found and what is valid.
    """
    return table_dataset(settings, _read)


def _read(path: Path, where: str, text_column: str | None) -> pd.DataFrame:
    """Returns the table as pandas reads it, with rows, and with columns of distinct names."""
    if not path.is_file():
        names = ", ".join(_SEPARATORS.values())
        found = "is a folder" if path.is_dir() else "there is no such file"
        raise UserError(f"{where}: {found}; valid: a CSV file, separated by {names}")
    try:
        separator, header = _header(path, where)
        frame = pd.read_csv(
            path,
            sep=separator,
            skipinitialspace=True,
            encoding="utf-8-sig",
            low_memory=False,  # else one column may come as text in some blocks and not in others
            dtype={text_column: str} if text_column in header else None,
        )
    except (OSError, UnicodeDecodeError, csv_format.Error, pd.errors.ParserError) as error:
        raise UserError(
            f"{where}: is not readable as CSV ({str(error).strip()}). Valid: UTF-8 text with as "
            "many fields in every line as in the header"
        ) from error
    if frame.empty:
        raise UserError(f"{where}: has a header and no rows; valid: at least one row")
    return frame


def _header(path: Path, where: str) -> tuple[str, list[str]]:
    """Returns the separator and the fields of the first line that is not empty."""
    starts: dict[str, list[list[str]]] = {}
    for separator in _SEPARATORS:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv_format.reader(file, delimiter=separator, skipinitialspace=True)
            starts[separator] = list(islice((line for line in lines if line), 2)) or [[]]
    separator = max(starts, key=lambda candidate: len(starts[candidate][0]))
    header, first = starts[separator][0], starts[separator][-1]
    if not header:
        raise UserError(f"{where}: is empty; valid: a header line and rows")
    if len(first) > len(header):  # pandas would take the first columns for an index
        raise UserError(
            f"{where}: the header has {len(header)} fields and the first row {len(first)}. "
            "Valid: one name a column"
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise UserError(f"{where}: columns named twice: {listed(twice)}. Valid: distinct names")
    is_counted = header == [str(number) for number in range(len(header))]
    if all(map(_is_number, header)) and not is_counted:
        raise UserError(
            f"{where}: the first line holds numbers ({listed(header)}); valid: a header line "
            "that names the columns"
        )
    return separator, header


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
