"""Data whose arrays lie in files that several processes map instead of each holding a copy."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from src.data.loading import Data


@dataclass(frozen=True, eq=False, kw_only=True)
class MappedData(Data):
    """`Data` with arrays mapped from npy files in a folder; pickled, it refers to that folder."""

    folder: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.folder, _plain(self))


def map_data(data: Data, folder: Path) -> MappedData:
    """Writes the arrays of `data` into a folder, once, and returns the same data mapped from it."""
    plain = _plain(data)
    for name in [field.name for field in fields(Data) if field.name not in plain]:
        np.save(folder / f"{name}.npy", getattr(data, name), allow_pickle=False)
    return _open(folder, plain)


def _plain(data: Data) -> dict[str, Any]:
    values = {field.name: getattr(data, field.name) for field in fields(Data)}
    return {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}


def _open(folder: Path, plain: dict[str, Any]) -> MappedData:
    arrays = {
        path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in folder.glob("*.npy")
    }
    return MappedData(**plain, **arrays, folder=folder)
