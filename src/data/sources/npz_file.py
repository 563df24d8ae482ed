"""Arrays of your own in a numpy `.npz` file: tables or images, with or without test rows."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.config.schema import DataSettings
from src.data.archives import UNREADABLE
from src.data.dataset import Dataset, pixel_names
from src.data.sources.checks import check_finite_target, refuse_unused, to_float32
from src.errors import UserError

_VALID_KEYS = "x_train and y_train, and x_test and y_test for separate test rows"


def npz(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001 (one signature for all)
    """Reads `x_train`, `y_train` and, where they are there, `x_test`, `y_test` from `data.path`.

    `x` is `(rows, features)`, or images of any shape, which are flattened; `y` is `(rows,)` or
    `(rows, 1)`. `data.group` names one more array `(rows,)` for the rows of `x_train`. Pickled
    objects are never loaded.

    Raises:
        UserError: naming the file, the array, what was found and what is valid.
    """
    refuse_unused(settings, used=("path", "group"))
    if settings.path is None:
        raise UserError("data.path: data.source=npz needs it; valid: the path of an npz file")
    path = Path(settings.path).expanduser()
    where = f"data.path: {path}"
    arrays = _read(path, where, settings.group)
    x, y = _checked_pair(arrays, "train", where)
    row_shape = x.shape[1:]
    is_images = x.ndim > 2
    names = (
        pixel_names(row_shape) if is_images else tuple(f"feature_{i}" for i in range(row_shape[0]))
    )
    x_test: NDArray[np.float32] | None = None
    y_test: NDArray[Any] | None = None
    if "x_test" in arrays:
        raw_test, y_test = _checked_pair(arrays, "test", where)
        if raw_test.shape[1:] != row_shape:
            raise UserError(
                f"{where}: a row of x_test has shape {raw_test.shape[1:]}, and one of x_train "
                f"{row_shape}; valid: the same shape"
            )
        x_test = to_float32(raw_test.reshape(len(raw_test), -1), names, f"{where}: x_test")
    return Dataset(
        name=path.stem,
        x=to_float32(x.reshape(len(x), -1), names, f"{where}: x_train"),
        y=y,
        feature_names=names,
        x_test=x_test,
        y_test=y_test,
        image_maximum=_image_maximum(x) if is_images else None,
        groups=None if settings.group is None else _groups(arrays[settings.group], len(y)),
    )


def physical_memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _read(path: Path, where: str, group: str | None) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "there is no such file"
        raise UserError(f"{where}: {found}; valid: an npz file with {_VALID_KEYS}")
    # np.load would leave a file open that it fails to read, and takes npy files too
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            keys = [name.removesuffix(".npy") for name in archive.namelist()]
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > physical_memory():
            raise UserError(
                f"{where}: unpacked it has {unpacked // 10**6:,} MB, and this machine "
                f"{physical_memory() // 10**6:,} MB of memory; valid: a smaller file"
            )
        missing = [key for key in ("x_train", "y_train") if key not in keys]
        if ("x_test" in keys) != ("y_test" in keys):
            missing.append("y_test" if "x_test" in keys else "x_test")
        if missing:
            raise UserError(
                f"{where}: has no {' and no '.join(missing)}; it has "
                f"{', '.join(sorted(keys)) or 'nothing'}. Valid: {_VALID_KEYS}"
            )
        with np.load(path, allow_pickle=False) as archive:
            if group is not None and group not in keys:
                raise UserError(
                    f"data.group: {path} has no array '{group}'; it has {', '.join(sorted(keys))}"
                )
            used = ("x_train", "y_train", "x_test", "y_test", group)
            wanted = [key for key in keys if key in used]
            return {key: _read_array(archive, key, where) for key in wanted}
    except UNREADABLE as error:
        raise UserError(
            f"{where}: is not a complete npz file ({error or type(error).__name__}). "
            "Valid: a file written by numpy.savez or numpy.savez_compressed"
        ) from error


def _read_array(archive: Any, key: str, where: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = archive[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise UserError(
            f"{where}: {key} holds Python objects, which are never loaded, because loading them "
            "may run code. Valid: numbers, or text saved with .astype(str)"
        ) from error
    return array


def _checked_pair(
    arrays: dict[str, NDArray[Any]], part: str, where: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns the inputs in their own shape and the labels `(rows,)` of `train` or `test`."""
    x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
    if x.dtype.kind not in "biuf":
        raise UserError(f"{where}: x_{part} is of type {x.dtype}; valid: numbers")
    if x.ndim < 2 or x.size == 0:
        raise UserError(
            f"{where}: x_{part} has shape {x.shape}; valid: (rows, features) or (rows, height, "
            "width, …), none of them 0"
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        hint = "; one-hot rows become labels with .argmax(axis=1)" if y.ndim == 2 else ""
        raise UserError(f"{where}: y_{part} has shape {y.shape}; valid: (rows,) or (rows, 1){hint}")
    if len(x) != len(y):
        raise UserError(
            f"{where}: x_{part} has {len(x)} rows and y_{part} has {len(y)}; valid: as many"
        )
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
    if y.dtype.kind not in "biufU":
        raise UserError(f"{where}: y_{part} is of type {y.dtype}; valid: numbers or text")
    check_finite_target(y, f"{where}: y_{part}")
    return x, y


def _groups(array: NDArray[Any], rows: int) -> NDArray[np.int64]:
    if array.shape != (rows,) or array.dtype.kind not in "biufUS":
        raise UserError(
            f"data.group: its array has shape {array.shape} and type {array.dtype}; valid: a "
            f"number or a text for each of the {rows} rows of x_train"
        )
    return np.unique(array, return_inverse=True)[1].astype(np.int64)


def _image_maximum(x: NDArray[Any]) -> float:
    """Returns the value of a full pixel: 255 for integers, the maximum for what goes beyond."""
    maximum = float(x.max())
    if x.dtype.kind in "iu":
        return max(255.0, maximum)
    return max(1.0, maximum)
