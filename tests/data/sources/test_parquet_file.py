"""Parquet tables, read through a stand-in for pyarrow, which need not be installed."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.config.schema import DataSettings
from src.data.sources.parquet_file import parquet
from src.errors import UserError

FRAME = pd.DataFrame(
    {
        "n": [0.5, None, 2.5, 3.5] * 10,
        "i": [3, 1, 2, 2] * 10,
        "b": [True, False, True, True] * 10,
        "t": ["x", None, " y", "NA"] * 10,
        "d": np.array(["2024-01-02T12", "NaT", "2024-01-03", "2024-01-05"] * 10, "datetime64[s]"),
        "y": [1.5, 2.5, 3.5, 4.5] * 10,
    }
)


class ParquetFile:
    """As far as pyarrow's is used here; a file is read that the test has pickled nothing into."""

    def __init__(self, path: Path) -> None:
        if path.read_bytes() != b"PAR1":
            raise ValueError("no magic bytes")
        self.schema_arrow = SimpleNamespace(names=list(FRAME.columns))
        self.metadata = SimpleNamespace(num_rows=len(FRAME))

    def iter_batches(self, batch_size: int, columns: list[str] | None) -> Iterator[Any]:
        frame = FRAME if columns is None else FRAME[columns]
        for start in range(0, len(frame), 10):
            piece = frame.iloc[start : start + 10]
            yield SimpleNamespace(to_pandas=lambda piece=piece: piece)


@pytest.fixture
def pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = ModuleType("pyarrow"), ModuleType("pyarrow.parquet")
    module.ParquetFile = ParquetFile  # type: ignore[attr-defined]
    package.parquet = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyarrow", package)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", module)


@pytest.mark.usefixtures("pyarrow")
def test_columns_come_with_their_types(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1")
    dataset = parquet(DataSettings(source="parquet", path=str(path)), seed=0)
    assert dataset.table is not None
    kinds = {column.name: column.kind for column in dataset.table.columns}
    assert kinds == {
        **{"n": "numeric", "i": "numeric", "b": "boolean", "t": "categorical"},
        **{"d": "date", "y": "target"},
    }
    _, _, flag, text, date = dataset.table.inputs
    assert (flag.categories, text.categories) == (("True", "False"), ("x", "y"))
    assert date.origin == (np.datetime64("2024-01-02") - np.datetime64("1970-01-01")).astype(int)
    np.testing.assert_array_equal(
        dataset.x[:4],
        [
            [0.5, 3, 0, 0, 0.5],
            [np.nan, 1, 1, np.nan, np.nan],
            [2.5, 2, 0, 1, 1],
            [3.5, 2, 0, np.nan, 3],
        ],
    )
    assert dataset.y[:4].tolist() == [1.5, 2.5, 3.5, 4.5]


@pytest.mark.usefixtures("pyarrow")
def test_other_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    settings = DataSettings(source="parquet", path=str(path))
    with pytest.raises(UserError, match=r"table\.parquet: there is no such file"):
        parquet(settings, seed=0)
    path.write_bytes(b"a,b\n")
    with pytest.raises(UserError, match=r"is not readable as Parquet \(no magic bytes\)"):
        parquet(settings, seed=0)


def test_the_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r"needs the package pyarrow.* pip install pyarrow"):
        parquet(DataSettings(source="parquet", path="table.parquet"), seed=0)
