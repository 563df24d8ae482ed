"""Files that are replaced whole: a kill or a full disk leaves the old content or the new."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.errors import DiskError

RUN_NAME_RULE = (
    "at most 100 of the characters A-Z a-z 0-9 . _ - that begin with a letter or digit and have "
    "no two dots in a row"
)
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def is_run_name(name: str) -> bool:
    """Whether a folder of this name is safe everywhere and stays inside the folder of all runs."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is not None and ".." not in name


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns an `OSError` into a `DiskError` that names its file, or `path`."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"{error.filename or path}: {error.strerror or error}") from error


def raise_disk_error(error: BaseException, folder: Path) -> None:
    """Raises a `DiskError` if an exception tells of the disk's state, or of a path in `folder`."""
    if not isinstance(error, OSError):
        return
    path = Path(error.filename) if isinstance(error.filename, str) else None
    if error.errno in _DISK or (path is not None and path.is_relative_to(folder)):
        raise DiskError(f"{path or folder}: {error.strerror or error}") from error


def remove(path: Path) -> None:
    """Deletes a file or a whole folder; a `DiskError` names what cannot be deleted."""
    with disk_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replaces `path` by `content` at once, and makes its folder where that is missing.

    The content goes to a temporary file in the same folder, is synced and renamed over `path`, and
    the folder is synced. After a `DiskError`, which names the file, the old one is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)


def sync(path: Path) -> None:
    """Makes the content of a file, or the names in a folder, survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Deletes temporary files of `write_atomically` whose process was killed."""
    for leftover in folder.glob(".*.tmp"):
        remove(leftover)
