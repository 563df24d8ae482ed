"""Opens a CSV file as it comes: compression, encoding, separator, header; gives it in pieces."""

import csv as csv_format
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
import pandas as pd

from src.config.separators import SEPARATORS
from src.data.tables.columns import TextForm
from src.data.tables.text_encoding import find_encoding, opened
from src.data.tables.text_form import (
    BLANKS,
    distinct_names,
    field_counts,
    find_separator,
    has_header,
    lines_above,
)
from src.errors import UserError

CHUNK_CELLS = 500_000  # read at a time: as Python texts some 60 bytes each
_SAMPLE_LINES, _SAMPLE_CHARACTERS = 50, 2**22
_SAMPLE_ROWS = 200
_UNREADABLE = (OSError, EOFError, zlib.error, UnicodeError, pd.errors.ParserError)


@dataclass(frozen=True)
class TextTable:
    """A CSV file that can be read.

    Attributes:
        path: the file.
        where: how messages call it.
        encoding: of its text.
        form: separator and header.
        looks_headed: whether the first line differs in kind from those below it.
        names: of the columns, distinct.
        notices: what was done about its form, a sentence each.
        skipped: lines above the table.
        short_lines: those that have too few fields, once all rows have been read.
    """

    path: Path
    where: str
    encoding: str
    form: TextForm
    looks_headed: bool
    names: tuple[str, ...]
    notices: tuple[str, ...]
    skipped: int = 0
    short_lines: list[int] = field(default_factory=list)

    def chunks(self, wanted: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Gives the rows in pieces, every cell a text, empty where a line is too short.

        Args:
            wanted: the columns to read; None for all.

        Raises:
            UserError: naming the file, the line and what is valid.
        """
        known = set(self.names if wanted is None else wanted)
        chosen = [place for place, name in enumerate(self.names) if name in known]
        rows = max(1_000, CHUNK_CELLS // max(1, len(chosen)))
        with _problems(self.where):
            first, may_be_short = True, False
            with opened(self.path, self.encoding) as file:
                for frame in _parser(
                    *(file, self.form.separator, self.skipped), chunksize=rows, usecols=chosen
                ):
                    may_be_short |= bool((frame.iloc[:, -1] == "").any())
                    frame.columns = [self.names[index] for index in frame.columns]
                    yield frame.iloc[1:] if first and self.form.has_header else frame
                    first = False
            if may_be_short and not self.short_lines:
                self.short_lines.extend(self._short_lines())

    def late_notices(self) -> tuple[str, ...]:
        """What is to be said once all rows have been read, a sentence each."""
        if not self.short_lines:
            return ()
        count = len(self.short_lines)
        lines = "1 line has" if count == 1 else f"{count:,} lines have"
        return (
            f"{lines} fewer than {len(self.names)} fields, the first is line "
            f"{self.short_lines[0]}: the last ones count as missing",
        )

    def _short_lines(self) -> Iterator[int]:
        """The lines, from 1, that have fewer fields than there are columns.

        pandas fills them with the same empty texts that fields without a value have.
        """
        with opened(self.path, self.encoding) as file:
            for _ in range(self.skipped):
                file.readline()
            line = self.skipped
            if self.form.separator == BLANKS:
                for text in file:
                    line += 1
                    if 0 < field_counts([text], BLANKS)[0] < len(self.names):
                        yield line
                return
            reader = csv_format.reader(file, delimiter=self.form.separator, skipinitialspace=True)
            while True:
                line = self.skipped + reader.line_num + 1
                try:
                    row = next(reader)
                except (StopIteration, csv_format.Error):  # the end, or a cell beyond its limit
                    return
                if "".join(row).strip() and len(row) < len(self.names):
                    yield line


def open_text(
    path: Path,
    where: str,
    header: bool | Literal["auto"] = "auto",
    separator: str | None = None,
    encoding: str | None = None,
    empty_ends: int | None = None,
) -> TextTable:
    """Looks at a CSV file's form.

    Args:
        path: the file; gzip is recognised.
        where: the key and the path, for messages.
        header: whether the first line names the columns; `auto` compares it with the others.
        separator: between fields; None to find it out.
        encoding: of the text; None to find it out.
        empty_ends: most separators at the end of every line with nothing behind them; None takes
            all for that whose fields are empty in all lines.

    Raises:
        UserError: naming the file, what was found and what is valid.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "there is no such file"
        raise UserError(
            f"{where}: {found}; valid: a CSV file, separated by {', '.join(SEPARATORS)}"
        )
    with _problems(where):
        form_encoding, (encoding, notices) = encoding, find_encoding(path, where, encoding)
        with opened(path, encoding) as file:
            sample = file.read(_SAMPLE_CHARACTERS).split("\n")[:_SAMPLE_LINES]
        places = [place for place, line in enumerate(sample) if line.strip()]
        lines = [sample[place] for place in places]
        if not lines:
            raise UserError(f"{where}: is empty; valid: a header line and rows")
        above = lines_above(lines, separator)
        skipped = places[above] if above else 0
        if above:
            notices.append(
                f"{'1 line' if above == 1 else f'{above} lines'} above the table passed over: "
                + ", ".join(repr(line.strip()[:60]) for line in lines[:above])
            )
        separator = separator or find_separator(lines[above:])
        with opened(path, encoding) as file:
            rows = _parser(file, separator, skipped, nrows=_SAMPLE_ROWS).to_numpy(dtype=object)
        rows = np.array([[str(cell).strip() for cell in row] for row in rows], dtype=object)
        fields = rows.shape[1]
        if empty_ends is None:
            empty_ends = fields if len(rows) > 1 else 0
        while rows.shape[1] > max(1, fields - empty_ends) and not rows[:, -1].any():
            field = rows.shape[1] - 1
            if len(rows) == _SAMPLE_ROWS and _is_used(path, encoding, separator, skipped, field):
                break
            rows = rows[:, :-1]  # lines that end in a separator have an empty field behind it
    looks_headed = has_header(rows)
    is_headed = looks_headed if header == "auto" else header
    if is_headed:
        if len(rows) == 1:
            raise UserError(f"{where}: has a header and no rows; valid: at least one row")
        names, renamed = distinct_names(rows[0])
        if renamed:
            notices.append(f"columns without a name of their own: {', '.join(renamed[:20])}")
    else:
        names = tuple(f"column_{number}" for number in range(1, rows.shape[1] + 1))
        if header == "auto":
            notices.append(
                f"the first line is taken for a row: the columns are called {names[0]} to "
                f"{names[-1]}; data.header=true takes it for their names"
            )
    form = TextForm(separator, is_headed, form_encoding, fields - rows.shape[1])
    looks_headed = looks_headed and len(rows) > 1
    return TextTable(path, where, encoding, form, looks_headed, names, tuple(notices), skipped)


def _is_used(path: Path, encoding: str, separator: str, skipped: int, field: int) -> bool:
    """Whether any line has something in this field, from 0; it may be one far down."""
    with opened(path, encoding) as file:
        chunks = _parser(file, separator, skipped, usecols=[field], chunksize=CHUNK_CELLS)
        return any(bool(chunk.iloc[:, 0].astype(str).str.strip().any()) for chunk in chunks)


@contextmanager
def _problems(where: str) -> Iterator[None]:
    """Says what is wrong with a file that cannot be read."""
    try:
        yield
    except pd.errors.EmptyDataError as error:
        raise UserError(f"{where}: is empty; valid: a header line and rows") from error
    except _UNREADABLE as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise UserError(
            f"{where}: is not readable as CSV ({reason}). Valid: text, or text packed by gzip, "
            "with no more fields in a line than in the first one, and closed quotes; mend that "
            "line, or take it out"
        ) from error


def _parser(file: TextIO, separator: str, skipped: int, **options: Any) -> Any:
    return pd.read_csv(
        file,
        sep=separator,
        header=None,
        skiprows=skipped,
        dtype=object,
        na_filter=False,
        skipinitialspace=True,
        engine="c",
        **options,
    )
