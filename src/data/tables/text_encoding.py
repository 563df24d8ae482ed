"""How a text file is packed and encoded, found out from its bytes."""

import codecs
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from src.errors import UserError

_BLOCK = 2**20
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
    (codecs.BOM_UTF32_LE, "utf-32"),  # which begins like the next one
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[TextIO]:
    with path.open("rb") as raw:
        unpacked: Any = gzip.GzipFile(fileobj=raw) if _is_gzip(path) else raw
        with io.TextIOWrapper(unpacked, encoding=encoding, newline="") as file:
            yield file


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def find_encoding(path: Path, where: str, given: str | None) -> tuple[str, list[str]]:
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
                if encoding.startswith("utf-8") and given is None and b"\0" in block:
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


def encoding_like(path: Path, where: str, expected: str | None) -> str | None:
    """The encoding of a file that should be another's, but where its bytes tell that it is not.

    Args:
        path: the file.
        where: how messages call it.
        expected: the other file's, which decides between those that any bytes may be; None where
            that was found out.

    Returns:
        An encoding, or None for one that is to be found out, and told of.
    """
    if expected is None:
        return None
    found, guesses = find_encoding(path, where, None)
    if not guesses:  # a mark, or what only UTF-8 looks like
        return found
    try:
        find_encoding(path, where, expected)
    except UserError:
        return None
    return expected


def _single_bytes(path: Path) -> tuple[str, str]:
    """Windows-1252, which has letters and the euro where Latin-1 has nothing, or else Latin-1."""
    try:
        with opened(path, "cp1252") as file, opened(path, "latin-1") as other:
            while block := file.read(_BLOCK):
                if block != other.read(_BLOCK):
                    return "cp1252", "Windows-1252"
    except UnicodeDecodeError:
        pass
    return "latin-1", "Latin-1"
