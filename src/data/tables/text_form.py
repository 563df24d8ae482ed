"""The form of a CSV file, found out from its bytes and first lines: encoding, separator, header.

DuckDB's own sniffer is not asked: it accepts unclosed quotes and passes over uneven first lines.
"""

import codecs
import csv as csv_format
import gzip
import io
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TextIO

from src.config.separators import SEPARATORS
from src.data.tables.formats import MISSING, is_number
from src.errors import UserError

BLANKS = SEPARATORS["blanks"]
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BLOCK, _SAMPLE_CHARACTERS, _SAMPLE_LINES, _MOST_ABOVE = 2**20, 2**22, 200, 10
_WORDS = re.compile(r'"[^"]*"|\S+')
# The mark of UTF-32 begins like the one of UTF-16.
_MARKS = {
    **{codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32"},
    **{codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"},
}


@dataclass(frozen=True)
class Dialect:
    """What settings say of the form of CSV files."""

    header: bool | Literal["auto"] = "auto"
    separator: str | None = None  # None to find it out, as the encoding
    encoding: str | None = None


@dataclass(frozen=True)
class TextForm:
    """How the text of a CSV file becomes a table."""

    separator: str  # `BLANKS` for any number of blanks
    has_header: bool  # else the columns are called `column_1` and so on
    encoding: str
    names: tuple[str, ...]  # distinct
    skipped: int = 0  # lines above the table
    remarks: tuple[str, ...] = ()  # what was found out, with the setting that overrules it
    looks_headed: bool = False  # whether the first line differs in kind from those below it
    is_plain: bool = True  # whether DuckDB can read it: UTF-8, with one kind of ends of lines


def find_form(path: Path, where: str, given: Dialect) -> TextForm:
    """Looks at a file's bytes and its first lines; raises `UserError` if they are no table's."""
    encoding = _encoding(path, where, given.encoding)
    with opened(path, encoding) as file:
        sample = file.read(_SAMPLE_CHARACTERS).splitlines(keepends=True)[:_SAMPLE_LINES]
        is_plain = encoding.startswith("utf-8") and isinstance(file.newlines, str | None)
    places = [place for place, line in enumerate(sample) if line.strip()]
    lines = [sample[place] for place in places][:50]
    if not lines:
        raise UserError(f"{where}: is empty; valid: a header line and rows")
    above = _lines_above(lines, given.separator)
    skipped = places[above] if above else 0
    separator = given.separator or _separator_of(lines[above:])
    rows = [[cell.strip() for cell in row] for row in _fields(sample[skipped:], separator)]
    looks_headed = _has_header(rows)
    has_header = looks_headed if given.header == "auto" else given.header
    names = distinct_names(rows[0] if has_header else [""] * len(rows[0]))
    if len(names) > 1 and not any(row[len(names) - 1 :] > [""] for row in rows):
        names = names[:-1]  # lines that end in a separator
    by_sign = {sign: name for name, sign in SEPARATORS.items()}
    header = "names in the first line" if has_header else f"no names: {names[0]} to {names[-1]}"
    remarks = [
        f"separated by {by_sign.get(separator, separator)} (data.separator)",
        f"{encoding} (data.encoding)",
        f"{header} (data.header)",
        *([f"{above} lines above the table passed over"] if above else []),
    ]
    form = (separator, has_header, encoding, names, skipped, tuple(remarks))
    return TextForm(*form, looks_headed=looks_headed and len(rows) > 1, is_plain=is_plain)


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[TextIO]:
    """Opens a text file, unpacked; every end of a line becomes a newline."""
    with path.open("rb") as raw, io.TextIOWrapper(_unpacked(raw), encoding=encoding) as file:
        yield file


def _unpacked(raw: Any) -> Any:
    is_gzip = raw.read(2) == GZIP
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if is_gzip else raw


def _encoding(path: Path, where: str, given: str | None) -> str:
    """The first encoding that the whole file has: a mark's, UTF-8, Windows-1252, Latin-1.

    Raises `UserError` for zero bytes, and if `given`, from a setting, does not fit.
    """
    with path.open("rb") as raw:
        start = _unpacked(raw).read(4)
    marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), "")
    if given is not None and not marked.startswith(given.lower()):
        marked = ""  # else the mark at the beginning is no text, whoever names the encoding
    for encoding in (marked or given,) if marked or given else ("utf-8", "cp1252", "latin-1"):
        assert encoding is not None
        decoder, position = codecs.getincrementaldecoder(encoding)(), 0
        try:
            with path.open("rb") as raw:
                file = _unpacked(raw)
                while block := file.read(_BLOCK):
                    if 0 in block and not encoding.startswith(("utf-16", "utf-32")):
                        raise UserError(
                            f"{where}: holds a zero byte at {position + block.index(0)}, which no "
                            "text has; valid: a CSV file, or its data.encoding, such as utf-16"
                        )
                    if not (block.isascii() and encoding.startswith("utf-8")):
                        decoder.decode(block)
                    position += len(block)
                decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            wrong = f"{error.reason} near byte {position + error.start}"
        else:
            return encoding
    raise UserError(
        f"data.encoding: '{encoding}' is not how {where} is written: {wrong}. Valid: its encoding, "
        "or auto to find that out"
    )


def write_plain(path: Path, form: TextForm, target: Path) -> tuple[Path, TextForm]:
    """Copies a file as DuckDB can read it: UTF-8, newlines, tabs instead of blanks."""
    is_blank = form.separator == BLANKS
    with opened(path, form.encoding) as file, target.open("w", encoding="utf-8") as copy:
        for line in file:
            copy.write("\t".join(_WORDS.findall(line)) + "\n" if is_blank else line)
    return target, replace(form, separator="\t" if is_blank else form.separator)


def _fields(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The fields of the lines that have any."""
    if separator == BLANKS:
        rows = [[word.strip('"') for word in _WORDS.findall(line)] for line in lines]
    else:
        csv_format.field_size_limit(sys.maxsize)
        rows = list(csv_format.reader(lines, delimiter=separator, skipinitialspace=True))
    return [row for row in rows if row and (len(row) > 1 or row[0].strip())]


def _separator_of(lines: Sequence[str]) -> str:
    """The first that divides every line into as many fields, else the one with most in line 1."""
    counts = {sign: [len(row) for row in _fields(lines, sign)] for sign in SEPARATORS.values()}
    for separator, found in counts.items():
        if len(set(found[: max(1, len(found) - 1)])) == 1 and found[0] > 1:
            # among blanks there may be tabs, too few of them to separate all fields
            is_blank = separator == "\t" and min(counts[BLANKS]) > found[0]
            return BLANKS if is_blank and len(set(counts[BLANKS])) == 1 else separator
    del counts[BLANKS]  # in texts
    return max(counts, key=lambda separator: (counts[separator][0], separator == ","))


def _lines_above(lines: Sequence[str], separator: str | None) -> int:
    """How many of the first lines, such as titles and remarks, are no part of the table.

    A header that lacks the name of one column, as R writes it, is one.
    """
    for above in range(min(_MOST_ABOVE, len(lines) - 2) + 1):
        sign = separator or _separator_of(lines[above:])
        counts = [len(row) for row in _fields(lines[above:], sign)]
        if counts[0] > 1 and len(set(counts[: max(2, len(counts) - 1)])) == 1:
            return above if all(
                line.startswith("sep=")
                or len(_fields([line], sign)[0]) * (1 if line[0] == "#" else 2) < counts[0]
                for line in lines[:above]
            ) else 0  # fmt: skip
    return 0


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row differs in kind from those below it."""
    first, below = rows[0], rows[1:]
    if not below or list(first) == [str(number) for number in range(len(first))]:
        return True
    named = numbered = same = texts = 0
    for place, name in enumerate(first):
        column = [row[place] for row in below if place < len(row)]
        values = [cell for cell in column if cell.lower() not in MISSING]
        if values and all(map(is_number, values)):
            # an index without a name over numbers is no row of numbers
            found = is_number(name) or name.lower() in MISSING
            named, numbered = named + (not found), numbered + found
        elif values:
            texts, same = texts + 1, same + (name in values)
    return named > 0 if named or numbered else same * 2 < max(texts, 1)


def plain_name(name: str) -> str:
    """A column's name in Unicode's composed form, without invisible characters and outer blanks."""
    composed = unicodedata.normalize("NFC", name)
    return "".join(sign for sign in composed if unicodedata.category(sign) != "Cf").strip()


def distinct_names(header: Sequence[str]) -> tuple[str, ...]:
    """Plain names that differ: `column_2` for the second without one, `a_2` for another `a`."""
    given = {plain_name(name) for name in header} - {""}
    names: dict[str, None] = {}
    for place, name in enumerate(map(plain_name, header), start=1):
        new, number = name or f"column_{place}", 1
        while new in names or (new != name and new in given):
            number += 1
            new = f"{name or f'column_{place}'}_{number}"
        names[new] = None
    return tuple(names)
