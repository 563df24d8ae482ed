"""One searching process a run: a lock that ends with the process that holds it."""

import errno
import fcntl
import os
import re
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from src.errors import UserError
from src.files import disk_errors

_OWNER = re.compile(r"process ([1-9]\d{0,9}) on (\S+) since ")
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class RunLock:
    """The lock on a run's folder, a file that tells who holds it.

    The operating system frees it when its process ends, however that ends: a file that a killed
    search left behind locks nothing. Reading a run needs no lock.

    Args:
        path: the lock's file; it is there as long as the lock is held.

    Attributes:
        supported: whether the file system has locks; where it has none, nothing is locked.
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
        with disk_errors(self.path):
            while self._descriptor is None:
                self._descriptor = self._locked()
            try:
                os.ftruncate(self._descriptor, 0)
                os.write(self._descriptor, f"{_owner()}\n".encode())
            except BaseException:
                self.release()  # else this process could not try again
                raise

    def release(self) -> None:
        """Gives the lock back; may be called again."""
        if self._descriptor is not None:
            with suppress(OSError):  # the folder may have been deleted
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        if self._descriptor is None:
            self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _locked(self) -> int | None:
        """A locked descriptor of the file; None if that was deleted meanwhile by its last owner."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 200).decode(errors="replace").strip()
            os.close(descriptor)
            raise UserError(
                f"{self.path.parent}: another process searches in this run"
                f"{f' ({owner})' if owner else ''}; wait for it, or stop it, before you resume it"
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
            self.supported = False
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), self.path.stat()):
                return descriptor
        os.close(descriptor)
        return None


def is_held(path: Path) -> bool:
    """Whether the process that a lock's file names seems to run; takes no lock to find out.

    Of a process on another machine, which cannot be asked, the file alone counts.
    """
    try:
        owner = _OWNER.match(path.read_text()[:200])
    except (OSError, UnicodeDecodeError):
        return False
    if owner is None:
        return False
    if owner[2] != socket.gethostname():
        return True
    try:
        os.kill(int(owner[1]), 0)
    except PermissionError:  # another user's
        return True
    except (OSError, OverflowError):
        return False
    return True


def _owner() -> str:
    now = datetime.now().isoformat(sep=" ", timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()} since {now}"
