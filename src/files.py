"""Writes files so that a crash, a kill or a full disk leaves the old content or the new."""

import errno
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from src.errors import DiskError

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns an `OSError` of what is done to `path` into a `DiskError` that names it."""
    try:
        yield
    except OSError as error:
        named = path if error.filename is None else Path(error.filename)
        raise DiskError(f"{named}: {error.strerror or error}") from error


def raise_disk_error(error: Exception, folder: Path) -> None:
    """Raises a `DiskError` if that is what happened: the disk's state, or a path in `folder`."""
    if not isinstance(error, OSError):
        return
    path = Path(error.filename) if isinstance(error.filename, str) else None
    if error.errno in _DISK or (path is not None and path.is_relative_to(folder)):
        raise DiskError(f"{path or folder}: {error.strerror or error}") from error


def remove(path: Path) -> None:
    """Deletes a file, or a folder with all that is in it.

    Raises:
        DiskError: naming what cannot be deleted.
    """
    with disk_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes, previous: Path | None = None) -> None:
    """Replaces `path` by `content` at once: a reader, or a crash, sees the old file or the new.

    The content goes to a temporary file in the same folder, is synced and renamed over `path`, and
    the folder is synced.

    Args:
        path: the file; its folder is made where it is missing.
        content: what it will hold.
        previous: a file in the same folder that takes the old content, if there is any.

    Raises:
        DiskError: naming the file; the old one is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if previous is not None:
                _keep(path, previous)
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


def keep_aside(path: Path) -> Path:
    """Renames a damaged file, so that nothing overwrites it, and returns its new name.

    Raises:
        DiskError: if it cannot be renamed.
    """
    aside = aside_name(path)
    with disk_errors(path):
        path.rename(aside)
    return aside


def aside_name(path: Path) -> Path:
    """The name under which a damaged file is kept; nothing has it yet."""
    names = (path.with_name(f"{path.name}.damaged{number or ''}") for number in count())
    return next(name for name in names if not name.exists())


def checksum(path: Path) -> int:
    """CRC-32 of a file's content.

    Raises:
        DiskError: if it cannot be read.
    """
    with disk_errors(path):
        return zlib.crc32(path.read_bytes())


def remove_leftovers(folder: Path) -> None:
    """Deletes temporary files of `write_atomically` whose process was killed.

    Raises:
        DiskError: naming what cannot be deleted.
    """
    for leftover in folder.glob(".*.tmp"):
        remove(leftover)


def _keep(path: Path, previous: Path) -> None:
    """Gives the content of `path` a second name, at once, so that `path` never lacks."""
    if not path.exists():  # nothing was written before
        return
    second = previous.with_name(f".{previous.name}.{os.getpid()}.tmp")
    try:
        second.unlink(missing_ok=True)
        try:
            os.link(path, second)
        except OSError:  # a file system without hard links
            second.write_bytes(path.read_bytes())
        second.replace(previous)
    except BaseException:
        second.unlink(missing_ok=True)
        raise
