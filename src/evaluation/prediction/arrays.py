"""The rows of an npz file in pieces, so that the file may be larger than memory."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.archives import UNREADABLE
from src.errors import UserError

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
INPUTS = {"x": "y", "x_test": "y_test"}
"""Arrays that rows are read from, the first that is there, and those of their labels."""


class ArrayFile:
    """Rows, and maybe labels, of an npz file.

    Args:
        path: the file.
        where: how messages call it.
        features: columns that the rows must have, once they are flattened.

    Attributes:
        rows: how many there are.
        has_target: whether it has labels.

    Raises:
        UserError: naming the file, the array, what was found and what is valid.
    """

    def __init__(self, path: Path, where: str, features: int) -> None:
        self._path, self._where = path, where
        try:
            with zipfile.ZipFile(path) as archive:
                names = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
                self._name = next((name for name in INPUTS if name in names), "")
                if not self._name:
                    raise UserError(
                        f"{where}: has no array x or x_test; it has "
                        f"{', '.join(sorted(names)) or 'none'}. Valid: x, and y where the labels "
                        "are known"
                    )
                shape, _, dtype = self._header(archive, self._name)
                label = INPUTS[self._name]
                self.has_target = label in names
                labels = self._header(archive, label)[0] if self.has_target else shape
        except UNREADABLE as error:
            raise self._unreadable(error) from error
        found = int(np.prod(shape[1:]))
        if dtype.kind not in "biuf" or len(shape) < 2 or found != features:
            raise UserError(
                f"{where}: {self._name} has shape {shape} of type {dtype}; valid: numbers, "
                f"(rows, {features}) or images of as many values"
            )
        if self.has_target and (labels[:1] != shape[:1] or int(np.prod(labels[1:])) != 1):
            raise UserError(
                f"{where}: {label} has shape {labels}, and {self._name} has {shape[0]} rows; "
                "valid: a label a row"
            )
        self.rows = int(shape[0])

    def chunks(self, rows: int) -> Iterator[tuple[NDArray[np.float32], NDArray[Any] | None]]:
        """Gives `(rows, features)` and, where there are any, labels `(rows,)`.

        Args:
            rows: at a time.
        """
        try:
            with zipfile.ZipFile(self._path) as archive:
                x = self._pieces(archive, self._name, rows)
                if not self.has_target:
                    for piece in x:
                        yield _flat(piece), None
                    return
                y = self._pieces(archive, INPUTS[self._name], rows)
                for piece, labels in zip(x, y, strict=True):
                    yield _flat(piece), labels.reshape(-1)
        except UNREADABLE as error:
            raise self._unreadable(error) from error

    def _header(self, archive: zipfile.ZipFile, name: str) -> tuple[Any, bool, np.dtype[Any]]:
        with archive.open(f"{name}.npy") as file:
            return self._read_header(file, name)

    def _read_header(self, file: Any, name: str) -> tuple[Any, bool, np.dtype[Any]]:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"{name} is in version {version} of NumPy's format")
        shape, is_fortran, dtype = _HEADERS[version](file)
        if dtype.hasobject:
            raise UserError(
                f"{self._where}: {name} holds Python objects, which are never loaded, because "
                "loading them may run code. Valid: numbers, or text saved with .astype(str)"
            )
        return shape, is_fortran, dtype

    def _pieces(self, archive: zipfile.ZipFile, name: str, rows: int) -> Iterator[NDArray[Any]]:
        with archive.open(f"{name}.npy") as file:
            shape, is_fortran, dtype = self._read_header(file, name)
            if is_fortran:  # a row lies scattered over the whole file
                whole = np.frombuffer(file.read(), dtype).reshape(shape, order="F")
                yield from (whole[start : start + rows] for start in range(0, shape[0], rows))
                return
            row_bytes = dtype.itemsize * int(np.prod(shape[1:]))
            for start in range(0, shape[0], rows):
                count = min(rows, shape[0] - start)
                content = file.read(count * row_bytes)
                if len(content) < count * row_bytes:
                    raise EOFError(f"{name} ends in row {start + len(content) // row_bytes + 1}")
                yield np.frombuffer(content, dtype).reshape(count, *shape[1:])

    def _unreadable(self, error: BaseException) -> UserError:
        return UserError(
            f"{self._where}: is not a complete npz file ({error or type(error).__name__}). Valid: "
            "a file written by numpy.savez or numpy.savez_compressed"
        )


def _flat(x: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return x.reshape(len(x), -1).astype(np.float32)
