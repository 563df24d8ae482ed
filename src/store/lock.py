"""One searching process a run: a lock that ends with the process that holds it."""

import errno
import fcntl
import os
import re
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Self

from src.errors import UserError
from src.files import disk_errors

_OWNER = re.compile(r"process ([1-9]\d{0,9}) on (\S+) since ")
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class RunLock:
    """The lock on a run's folder: a locked file that names its owner. Reading needs no lock.

    The operating system frees the lock when its process ends. The file stays, empty while nobody
    holds the lock, unless its owner was killed. Where a file system has no locks, `supported` is
    False and nothing is locked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.supported = True
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Takes the lock.

        Raises:
            UserError: if another process holds it.
            DiskError: if the file cannot be written.
        """
        now = datetime.now().isoformat(sep=" ", timespec="seconds")
        with disk_errors(self.path):
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                self._lock(self._descriptor)
                os.ftruncate(self._descriptor, 0)
                owner = f"process {os.getpid()} on {socket.gethostname()} since {now}\n"
                os.write(self._descriptor, owner.encode())
            except BaseException:  # else this process could not try again
                os.close(self._descriptor)
                self._descriptor = None
                raise

    def release(self) -> None:
        """Gives the lock back; may be called again."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        if self._descriptor is None:
            self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 200).decode(errors="replace").strip()
            raise UserError(
                f"{self.path.parent}: another process searches in this run"
                f"{f' ({owner})' if owner else ''}; wait for it, or stop it, before you resume it"
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            self.supported = False


def is_held(path: Path) -> bool:
    """Whether the process that a lock's file names seems to run; takes no lock to find out.

    A process on another machine cannot be asked, so that the file alone counts.
    """
    try:
        owner = _OWNER.match(path.read_text(errors="replace"))
        if owner is None or owner[2] != socket.gethostname():
            return owner is not None
        os.kill(int(owner[1]), 0)
    except PermissionError:  # the process is another user's, or the file is
        return True
    except (OSError, OverflowError):
        return False
    return True
