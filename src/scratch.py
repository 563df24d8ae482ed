"""Temporary folders that a killed process cannot leave behind for good."""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "search-data-"


class ScratchFolder:
    """A new folder in the system's temporary folder, locked while its process lives.

    The operating system frees the lock however the process ends. What was left by one that could
    not clean up is deleted when the next scratch folder is made beside it.

    Attributes:
        path: the folder.
    """

    def __init__(self) -> None:
        _remove_abandoned(Path(tempfile.gettempdir()))
        self._descriptor: int | None = None
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
            with suppress(OSError):  # a file system without locks: nobody takes it for abandoned
                self._descriptor = _locked(self.path)
            if self.path.exists():
                return
            self.cleanup()  # somebody did, before it was locked

    def cleanup(self) -> None:
        """Deletes the folder with all that is in it; may be called again."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # its process lives, or it is another user's
            descriptor = _locked(folder, fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)


def _locked(folder: Path, flags: int = 0) -> int:
    """A descriptor that locks the folder until it is closed.

    Raises:
        OSError: if the folder is gone, another's, or cannot be locked.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
