"""At a chosen write below a folder, the process is killed or the disk fails.

Writes are the files that are opened, renamed or deleted by Python, which audit hooks tell of, and
the transactions of the store: before the commit, and after it.
"""

import errno
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from src.store.database import Store

KILLED = 9
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_active: list["Writes"] = []  # a hook cannot be removed


class Writes:
    """Counts the writes below a folder, and makes one of them fail.

    Args:
        folder: what happens elsewhere is not counted.
        failing: the number of the write that fails, from 0; None for none.
        kill: whether the process ends there, without any cleaning up.
        lasting: whether every write after it fails too, as on a full disk.
    """

    def __init__(
        self,
        folder: Path,
        failing: int | None = None,
        *,
        kill: bool = False,
        lasting: bool = False,
    ) -> None:
        self.folder, self.failing = str(folder), failing
        self.kill, self.lasting = kill, lasting
        self.seen: list[tuple[str, str]] = []

    def meet(self, event: str, path: str) -> None:
        """Counts a write; fails if its time has come."""
        if not path.startswith(self.folder):
            return
        index = len(self.seen)
        self.seen.append((event, path[len(self.folder) + 1 :]))
        frees = event in ("os.remove", "os.rmdir")
        if index == self.failing or (
            self.lasting and self.failing is not None and index > self.failing and not frees
        ):
            if self.kill:
                os._exit(KILLED)
            if event == "commit":
                raise sqlite3.OperationalError("database or disk is full")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    @contextmanager
    def watched(self) -> Iterator["Writes"]:
        """Within it, writes are counted and fail."""
        original = Store.transaction

        @contextmanager
        def transaction(store: Store) -> Iterator[None]:
            with original(store):
                yield
                self.meet("commit", str(store._path))
            if self.kill:
                self.meet("committed", str(store._path))

        with mock.patch.object(Store, "transaction", transaction):
            _active.append(self)
            try:
                yield self
            finally:
                _active.remove(self)


def killed(action: Callable[[], object], writes: Writes) -> bool:
    """Runs an action in a fork of this process, which may be killed; returns whether it was."""
    child = os.fork()
    if not child:
        try:
            with writes.watched():
                action()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _active or event not in ("open", "os.remove", "os.rename", "os.mkdir", "os.rmdir"):
        return
    path = arguments[0]
    if isinstance(path, int) or (event == "open" and not int(arguments[2] or 0) & _WRITING):
        return
    name = os.fsdecode(path)
    if event != "open" and arguments[-1] not in (None, -1):
        name = f"{Path(f'/proc/self/fd/{arguments[-1]}').readlink()}/{name}"
    if event == "os.mkdir" and Path(name).is_dir():  # nothing comes of it
        return
    for writes in list(_active):
        writes.meet(event, name)


sys.addaudithook(_hook)
