"""The files that a path, a folder or a pattern names, and the format of each by its first bytes."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from src.errors import UserError

VALID = "a CSV, JSON lines or Parquet file, a folder of them, or a pattern such as 'parts/*.csv'"
_FOREIGN = {  # how files begin that are often mistaken for tables
    b"PK\x03\x04": "a zip archive, an npz or an Excel file; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel file; save the sheet as CSV",
    b"%PDF": "a PDF file",
    b"BZh": "compressed with bzip2; unpack it, or use gzip",
    b"\xfd7zXZ": "compressed with xz; unpack it, or use gzip",
    b"\x93NUMPY": "a NumPy array; save it with numpy.savez and set data.source=npz",
    b"SQLite format 3\0": "a SQLite database; set data.source=sql data.database=FILE data.query=…",
}
_TABLES = re.compile(
    r"(?i)[^.].*\.(csv|tsv|psv|txt|dat|data|json|jsonl|ndjson|parquet)(\.gz|\.zst)?"
)


def files_of(text: str, where: str) -> list[Path]:
    """Returns the files that a path or a pattern names, or a folder's with endings of tables.

    They are sorted. Raises `UserError` if there is none, or one is no regular file.
    """
    try:
        path = Path(text).expanduser()
        files = [path]
        if path.is_dir():
            files = [file for file in path.iterdir() if _TABLES.fullmatch(file.name)]
        elif not path.exists() and glob.has_magic(text):
            parts = path.parts
            fixed = next(place for place, part in enumerate(parts) if glob.has_magic(part))
            # Not the glob module, which follows links to folders round in circles.
            found = Path(*parts[:fixed]).glob(str(Path(*parts[fixed:])))
            files = [file for file in found if not file.is_dir()]
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{where}: is no path ({error}); valid: {VALID}") from error
    for file in files:
        if not file.is_file():
            problem = "is no regular file" if file.exists() else "there is no such file"
            of = "" if file == path else f" {file}:"
            raise UserError(f"{where}:{of} {problem}; valid: {VALID}")
    if not files:
        problem = "is a folder without tables" if path.is_dir() else "no file fits this pattern"
        raise UserError(f"{where}: {problem}; valid: {VALID}")
    return sorted(files)


def one_format(files: Sequence[Path], where: str) -> str:
    """Returns `parquet`, `json` or `csv`; raises `UserError` if files differ, or are no tables."""
    found = {}
    for file in files:
        with file.open("rb") as content:
            start = content.read(16)
        for magic, foreign in _FOREIGN.items():
            if start.startswith(magic):
                raise UserError(f"{where}: {file.name} is {foreign}")
        is_json = re.search(r"(?i)\.(json|jsonl|ndjson)(\.gz|\.zst)?$", file.name)
        kind = "json" if is_json or start.lstrip().startswith(b'{"') else "csv"
        found["parquet" if start.startswith(b"PAR1") else kind] = file.name
    if len(found) > 1:
        raise UserError(
            f"{where}: holds {' and '.join(f'{k} ({n})' for k, n in found.items())}; valid: files "
            "of one format, which a pattern such as '*.csv' chooses"
        )
    return next(iter(found))
