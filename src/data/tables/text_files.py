"""Opens a CSV file as it comes: compression, encoding, separator, header; gives it in pieces."""

import codecs
import csv as csv_format
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
import pandas as pd

from src.data.tables.columns import TextForm
from src.data.tables.formats import PLAIN, is_missing, parse
from src.errors import UserError
from src.separators import SEPARATORS

BLANKS = SEPARATORS["blanks"]
CHUNK_CELLS = 500_000  # read at a time: as Python texts some 60 bytes each
_WORDS = re.compile(r'"[^"]*"|\S+')
_BLOCK = 2**20
_SAMPLE_LINES, _SAMPLE_CHARACTERS = 50, 2**22
_SAMPLE_ROWS = 200
_MOST_ABOVE = 10  # lines above a table
_FOREIGN = {  # how files begin that are often mistaken for CSV
    b"PAR1": "a Parquet file; set data.source=parquet",
    b"PK\x03\x04": "a zip archive or an Excel file; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel file; save the sheet as CSV",
    b"%PDF": "a PDF file",
    b"BZh": "compressed with bzip2; unpack it, or use gzip",
    b"\xfd7zXZ": "compressed with xz; unpack it, or use gzip",
    b"\x93NUMPY": "a NumPy array; save it with numpy.savez and set data.source=npz",
}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
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
            with _opened(self.path, self.encoding) as file:
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
        with _opened(self.path, self.encoding) as file:
            for _ in range(self.skipped):
                file.readline()
            line = self.skipped
            if self.form.separator == BLANKS:
                for text in file:
                    line += 1
                    if 0 < len(_WORDS.findall(text)) < len(self.names):
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
) -> TextTable:
    """Looks at a CSV file's form.

    Args:
        path: the file; gzip is recognised.
        where: the key and the path, for messages.
        header: whether the first line names the columns; `auto` compares it with the others.
        separator: between fields; None to find it out.
        encoding: of the text; None to find it out.

    Raises:
        UserError: naming the file, what was found and what is valid.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "there is no such file"
        raise UserError(
            f"{where}: {found}; valid: a CSV file, separated by {', '.join(SEPARATORS)}"
        )
    with _problems(where):
        form_encoding, (encoding, notices) = encoding, _encoding(path, where, encoding)
        with _opened(path, encoding) as file:
            sample = file.read(_SAMPLE_CHARACTERS).split("\n")[:_SAMPLE_LINES]
        places = [place for place, line in enumerate(sample) if line.strip()]
        lines = [sample[place] for place in places]
        if not lines:
            raise UserError(f"{where}: is empty; valid: a header line and rows")
        above = _lines_above(lines, separator)
        skipped = places[above] if above else 0
        if above:
            notices.append(
                f"{'1 line' if above == 1 else f'{above} lines'} above the table passed over: "
                + ", ".join(repr(line.strip()[:60]) for line in lines[:above])
            )
        separator = separator or _separator(lines[above:])
        with _opened(path, encoding) as file:
            rows = _parser(file, separator, skipped, nrows=_SAMPLE_ROWS).to_numpy(dtype=object)
    rows = np.array([[str(cell).strip() for cell in row] for row in rows], dtype=object)
    while rows.shape[1] > 1 and len(rows) > 1 and not rows[:, -1].any():
        rows = rows[:, :-1]  # lines that end in a separator have an empty field behind it
    looks_headed = _has_header(rows)
    has_header = looks_headed if header == "auto" else header
    if has_header:
        if len(rows) == 1:
            raise UserError(f"{where}: has a header and no rows; valid: at least one row")
        names, renamed = _distinct(rows[0])
        if renamed:
            notices.append(f"columns without a name of their own: {', '.join(renamed[:20])}")
    else:
        names = tuple(f"column_{number}" for number in range(1, rows.shape[1] + 1))
        if header == "auto":
            notices.append(
                f"the first line is taken for a row: the columns are called {names[0]} to "
                f"{names[-1]}; data.header=true takes it for their names"
            )
    form = TextForm(separator, has_header, form_encoding)
    looks_headed = looks_headed and len(rows) > 1
    return TextTable(path, where, encoding, form, looks_headed, names, tuple(notices), skipped)


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


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[TextIO]:
    with path.open("rb") as raw:
        unpacked: Any = gzip.GzipFile(fileobj=raw) if _is_gzip(path) else raw
        with io.TextIOWrapper(unpacked, encoding=encoding, newline="") as file:
            yield file


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


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _encoding(path: Path, where: str, given: str | None) -> tuple[str, list[str]]:
    """The encoding, and a notice if it is a guess. Looks through the whole file.

    Args:
        path: the file.
        where: how messages call it.
        given: by a setting; None to find it out.
    """
    with path.open("rb") as raw:
        file: Any = gzip.GzipFile(fileobj=raw) if _is_gzip(path) else raw
        block = file.read(_BLOCK)
        for start, found in _FOREIGN.items():
            if block.startswith(start):
                raise UserError(f"{where}: is {found}")
        encoding = next((name for mark, name in _MARKS if block.startswith(mark)), "utf-8")
        if given is not None:
            # A mark at the beginning is no text, whoever names the encoding.
            is_marked = encoding != "utf-8" and encoding.startswith(given.lower())
            encoding = encoding if is_marked else given
        elif encoding == "utf-8" and b"\0" in block:
            zeros = np.frombuffer(block[: len(block) // 2 * 2], np.uint8).reshape(-1, 2) == 0
            share = zeros.mean(axis=0)
            if max(share) < 0.4 or min(share) > 0.1:
                raise UserError(
                    f"{where}: holds bytes that no text has, the first at {block.index(0)}; "
                    "valid: a CSV file"
                )
            encoding = "utf-16-le" if share[1] > share[0] else "utf-16-be"
        decoder = codecs.getincrementaldecoder(encoding)()
        position = 0
        try:
            while block:
                decoder.decode(block)
                if not encoding.startswith("utf-16") and given is None and b"\0" in block:
                    raise UserError(
                        f"{where}: holds a zero byte at {position + block.index(0)}, which no "
                        "text has; valid: a CSV file"
                    )
                position += len(block)
                block = file.read(_BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            if given is not None:
                raise UserError(
                    f"data.encoding: '{given}' is not how {where} is written: "
                    f"{error.reason} near byte {position + error.start}. Valid: its encoding, or "
                    "auto to find that out"
                ) from error
            if encoding != "utf-8":
                raise
            encoding, name = _single_bytes(path)
            return encoding, [
                f"the text is not UTF-8 (near byte {position + error.start}) and was read as "
                f"{name}; if letters are wrong, say which it is with data.encoding"
            ]
    return encoding, []


def _single_bytes(path: Path) -> tuple[str, str]:
    """Windows-1252, which has letters and the euro where Latin-1 has nothing, or else Latin-1."""
    try:
        with _opened(path, "cp1252") as file, _opened(path, "latin-1") as other:
            while block := file.read(_BLOCK):
                if block != other.read(_BLOCK):
                    return "cp1252", "Windows-1252"
    except UnicodeDecodeError:
        pass
    return "latin-1", "Latin-1"


def _separator(lines: Sequence[str]) -> str:
    """The first that divides every line into as many fields, else the one with most in line 1."""
    counts: dict[str, list[int]] = {}
    for separator in SEPARATORS.values():
        counts[separator] = _field_counts(lines, separator)
    for separator, found in counts.items():
        if len(set(found[: max(1, len(found) - 1)])) == 1 and found[0] > 1:
            # among blanks there may be tabs, too few of them to separate all fields
            is_blank = separator == "\t" and min(counts[BLANKS]) > found[0]
            return BLANKS if is_blank and len(set(counts[BLANKS])) == 1 else separator
    del counts[BLANKS]  # in texts
    return max(counts, key=lambda separator: (counts[separator][0], separator == ","))


def _field_counts(lines: Sequence[str], separator: str) -> list[int]:
    if separator == BLANKS:
        return [len(_WORDS.findall(line)) for line in lines]
    try:
        return [len(row) for row in csv_format.reader(lines, delimiter=separator) if row]
    except csv_format.Error:  # a field of more than its limit
        return [line.count(separator) + 1 for line in lines]


def _lines_above(lines: Sequence[str], separator: str | None) -> int:
    """How many of the first lines, such as titles and remarks, are no part of the table."""
    for above in range(min(_MOST_ABOVE, len(lines) - 2) + 1):
        rest = lines[above:]
        known = separator or _separator(rest)
        counts = _field_counts(rest, known)
        fields = counts[0]
        if fields > 1 and len(set(counts[: max(2, len(counts) - 1)])) == 1:
            heads = zip(lines[:above], _field_counts(lines[:above], known), strict=False)
            return above if all(_is_above(line, count, fields) for line, count in heads) else 0
    return 0


def _is_above(line: str, count: int, fields: int) -> bool:
    """Whether a line with so many fields stands above a table that has more in each line.

    A header that lacks the name of one column, as R writes it, does not.
    """
    if line.startswith("#") or (line.startswith("sep=") and len(line.strip()) <= len("sep=;")):
        return count < fields or line.startswith("sep=")
    return 2 * count < fields


def _has_header(rows: np.ndarray[Any, Any]) -> bool:
    """Whether the first row differs in kind from those below it."""
    first, below = rows[0], rows[1:]
    counted = [str(number) for number in range(len(first))]
    if list(first) == counted or len(below) == 0:  # numbered by a program
        return True
    named = numbered = same = texts = 0
    for name, column in zip(first, below.T, strict=True):
        values = column[~is_missing(column)]
        if not len(values):
            continue
        if not np.isnan(parse(values, PLAIN)).any():
            is_number = bool(is_missing(np.array([name], object))[0]) or not np.isnan(
                parse(np.array([name], object), PLAIN)[0]
            )
            named, numbered = named + (not is_number), numbered + is_number
        else:
            texts, same = texts + 1, same + bool((values == name).any())
    if named or numbered:
        # an index without a name over numbers is no row of numbers
        return named > 0
    return same * 2 < max(texts, 1)


def _distinct(header: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Names that differ, and which were made up."""
    given = {name for name in header if name}
    names: list[str] = []
    renamed: list[str] = []
    for place, name in enumerate(header, start=1):
        new, number = name or f"column_{place}", 1
        while new in names or (new != name and new in given):
            number += 1
            new = f"{name or f'column_{place}'}_{number}"
        if new != name:
            renamed.append(f"{new} ({f'another {name!r}' if name else 'no name'})")
        names.append(new)
    return tuple(names), renamed
