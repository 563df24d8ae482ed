"""A file of predictions that appears when it is whole, and never replaces another file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from src.errors import UserError
from src.files import disk_errors, sync

STANDARD_OUTPUT = "-"


def check_output(name: str) -> None:
    """Raises `UserError` if the file exists, or its folder does not."""
    path = Path(name)
    if path.exists() and name != STANDARD_OUTPUT:
        raise UserError(f"--output: '{path}' exists, and no file is overwritten; give another")
    if not path.parent.is_dir():
        raise UserError(f"--output: '{path}': there is no folder '{path.parent}'; make it")


@contextmanager
def prediction_file(name: str) -> Iterator[TextIO]:
    """Opens a new file, or standard output for `-`; raises `DiskError` if it cannot be written."""
    if name == STANDARD_OUTPUT:
        yield sys.stdout
        sys.stdout.flush()
        return
    path = Path(name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with disk_errors(path):
            with temporary.open("x", encoding="utf-8", newline="") as file:
                yield file
            sync(temporary)
            try:
                os.link(temporary, path)  # a rename would replace what came meanwhile
            except FileExistsError:
                check_output(name)
                raise
            except OSError:  # a file system without hard links
                temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
