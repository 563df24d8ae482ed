"""Makes operations on the files of one folder fail, as a full or a broken disk would.

Python's own operations are replaced, so that all code in this process meets the fault; HDF5 does
not go through Python, so that Keras's `save_weights` counts as two operations: its start, and its
end, after a part of the file was written.
"""

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import keras


class Disk:
    """Counts the operations that change something below a folder, and fails one of them.

    Args:
        folder: counted is what happens below it.
        failing: the number of the operation that fails, from 0; None for none.
        number: the error.
        lasting: whether every operation after it that needs room fails too, as on a full disk.
    """

    def __init__(
        self,
        folder: Path,
        failing: int | None = None,
        number: int = errno.ENOSPC,
        lasting: bool = False,
    ) -> None:
        self.folder = str(folder)
        self.failing, self.number, self.lasting = failing, number, lasting
        self.operations: list[tuple[str, str]] = []

    @property
    def failed(self) -> tuple[str, str] | None:
        """The operation that failed: what and where."""
        within = self.failing is not None and self.failing < len(self.operations)
        return self.operations[self.failing or 0] if within else None

    def meet(self, what: str, path: Any) -> None:
        """Counts an operation; raises if its time has come."""
        name = os.fsdecode(path) if not isinstance(path, int) else _name(path)
        if not name.startswith(self.folder):
            return
        self.operations.append((what, name[len(self.folder) :].lstrip("/")))
        index = len(self.operations) - 1
        if self.failing is None or index < self.failing:
            return
        needs_room = what in ("open", "write", "mkdir", "link", "save_weights")
        if index == self.failing or (self.lasting and needs_room):
            raise OSError(self.number, os.strerror(self.number), name)

    @contextmanager
    def mounted(self) -> Iterator["Disk"]:
        """Within it, operations are counted and fail."""
        with (
            mock.patch.multiple(
                os,
                fsync=self._on_first("fsync", os.fsync),
                ftruncate=self._on_first("write", os.ftruncate),
                link=self._on_first("link", os.link),
                mkdir=self._on_first("mkdir", os.mkdir),
                open=self._on_open(os.open),
                rename=self._on_first("rename", os.rename),
                replace=self._on_first("rename", os.replace),
                rmdir=self._on_first("rmdir", os.rmdir),
                unlink=self._on_first("unlink", os.unlink),
                write=self._on_first("write", os.write),
            ),
            mock.patch.object(io, "open", self._open),
            mock.patch.object(builtins, "open", self._open),
            mock.patch.object(keras.Model, "save_weights", self._save_weights()),
        ):
            yield self

    def _on_first(self, what: str, original: Callable[..., Any]) -> Any:
        def call(path: Any, *arguments: Any, **named: Any) -> Any:
            whole = path
            if named.get("dir_fd") is not None:
                whole = Path(_name(named["dir_fd"])) / os.fsdecode(path)
            self.meet(what, whole)
            return original(path, *arguments, **named)

        return call

    def _on_open(self, original: Callable[..., int]) -> Any:
        def call(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self.meet("open", path)
            return original(path, flags, *arguments, **named)

        return call

    def _open(self, file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        inside = not isinstance(file, int) and os.fsdecode(file).startswith(self.folder)
        if not inside or not set(mode) & set("wax+"):
            return _OPEN(file, mode, *arguments, **named)
        self.meet("open", file)
        raw = _Raw(self, os.fsdecode(file), mode.replace("b", "").replace("t", ""))
        buffered: Any = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding="utf-8")

    def _save_weights(self) -> Any:
        disk, original = self, keras.Model.save_weights

        def save_weights(model: Any, path: Any, *arguments: Any, **named: Any) -> None:
            disk.meet("save_weights", path)
            original(model, path, *arguments, **named)
            try:
                disk.meet("save_weights", path)
            except OSError as error:
                content = Path(path).read_bytes()
                Path(path).write_bytes(content[: len(content) // 2])
                raise RuntimeError(f"cannot close the file: {error.strerror}") from error

        return save_weights


_OPEN = io.open


class _Raw(io.FileIO):
    """A file of which a write fails in the middle."""

    def __init__(self, disk: Disk, path: str, mode: str) -> None:
        super().__init__(path, mode)
        self._disk, self._path = disk, path

    def write(self, content: Any) -> int:
        try:
            self._disk.meet("write", self._path)
        except OSError:
            super().write(memoryview(content)[: len(content) // 2])
            raise
        return super().write(content)


def _name(descriptor: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return ""
