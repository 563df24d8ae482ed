"""Temporary folders that a killed process cannot leave behind for good."""

import atexit
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "search-data-"
LONGEST_TMPDIR = 50  # of the 107 bytes of a socket's path, multiprocessing and the folder take 54


class ScratchFolder:
    """A new folder in the system's temporary folder, locked while its process lives.

    The operating system frees the lock however the process ends. The next scratch folder that is
    made deletes what killed processes left.
    """

    def __init__(self) -> None:
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            with suppress(OSError):  # its process lives, or the folder is another user's
                descriptor = _locked(folder, fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(descriptor)
        self._descriptor: int | None = None
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
            with suppress(OSError):  # file systems without locks: nobody can delete the folder
                self._descriptor = _locked(self.path)
            if self.path.exists():
                return
            self.cleanup()  # another process took it for abandoned before it was locked

    def cleanup(self) -> None:
        """Deletes the folder with all that is in it; may be called again."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def gather_temporary_files() -> None:
    """Puts this process's temporary files, those of libraries too, into one scratch folder.

    Where the path of a socket in the folder would be longer than the system allows, they stay
    where they are.
    """
    if len(tempfile.gettempdir()) <= LONGEST_TMPDIR:
        folder = ScratchFolder()
        tempfile.tempdir = str(folder.path)
        atexit.register(folder.cleanup)


def _locked(folder: Path, flags: int = 0) -> int:
    """A descriptor that locks the folder until it is closed; raises OSError without the lock."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
