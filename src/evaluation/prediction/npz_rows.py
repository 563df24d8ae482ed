"""The rows of an npz file in pieces, so that the file may be larger than memory."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.archives import UNREADABLE
from src.errors import UserError

TARGETS = {"x": "y", "x_test": "y_test"}  # by the array of rows; the first one that is there


def npz_rows(
    path: Path, where: str, features: int, at_once: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[Any] | None]]:
    """Yields rows `(at most at_once, features)`, flattened, and their labels `(rows,)` or None."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
            name = next((name for name in TARGETS if name in names), "")
            if not name:
                raise UserError(
                    f"{where}: has no array x or x_test; it has {', '.join(names) or 'none'}. "
                    "Valid: x, and y where the labels are known"
                )
            shape, dtype, inputs = _open(archive, name, at_once)
            if dtype.kind not in "biuf" or len(shape) < 2 or int(np.prod(shape[1:])) != features:
                raise UserError(
                    f"{where}: {name} has shape {shape} of type {dtype}; valid: numbers, "
                    f"(rows, {features}) or images of as many values"
                )
            labels: Iterator[NDArray[Any]] | None = None
            if (target := TARGETS[name]) in names:
                found, dtype, labels = _open(archive, target, at_once)
                if dtype.kind not in "biufUS" or int(np.prod(found)) != shape[0]:
                    raise UserError(
                        f"{where}: {target} has shape {found} of type {dtype}, and {name} has "
                        f"{shape[0]} rows; valid: a number or a text a row"
                    )
            for x in inputs:
                with np.errstate(over="ignore"):
                    rows = x.reshape(len(x), -1).astype(np.float32)
                yield rows, None if labels is None else next(labels).reshape(-1)
    except UNREADABLE as error:
        raise UserError(
            f"{where}: is not a complete npz file ({error or type(error).__name__}). Valid: a file "
            "written by numpy.savez or numpy.savez_compressed"
        ) from error


def _open(
    archive: zipfile.ZipFile, name: str, at_once: int
) -> tuple[tuple[int, ...], np.dtype[Any], Iterator[NDArray[Any]]]:
    """Shape and type of an array, and its rows in pieces; Python objects are never loaded."""
    file = archive.open(f"{name}.npy")
    is_first = np.lib.format.read_magic(file) == (1, 0)
    formats = np.lib.format
    read = formats.read_array_header_1_0 if is_first else formats.read_array_header_2_0
    shape, is_fortran, dtype = read(file)

    def pieces() -> Iterator[NDArray[Any]]:
        if is_fortran:  # a row lies scattered over the whole file
            whole = np.frombuffer(file.read(), dtype).reshape(shape, order="F")
            yield from (whole[start : start + at_once] for start in range(0, shape[0], at_once))
            return
        row_bytes = dtype.itemsize * int(np.prod(shape[1:]))
        for start in range(0, shape[0], at_once):
            count = min(at_once, shape[0] - start)
            yield np.frombuffer(file.read(count * row_bytes), dtype).reshape(count, *shape[1:])

    return shape, dtype, pieces()
