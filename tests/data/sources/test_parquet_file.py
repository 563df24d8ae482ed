"""Parquet tables: content, pieces, damage."""

import sys
from pathlib import Path

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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A Parquet file of `FRAME`."""
    pytest.importorskip("pyarrow", reason="Parquet needs the package pyarrow")
    FRAME.to_parquet(tmp_path / "table.parquet")
    return tmp_path / "table.parquet"


def test_columns_come_with_their_types(path: Path) -> None:
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


def test_pieces_come_together(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = DataSettings(source="parquet", path=str(path))
    whole = parquet(settings, seed=0)
    pd.concat([FRAME] * 60).to_parquet(path)
    monkeypatch.setattr("src.data.tables.parquet_files.CHUNK_CELLS", 100)  # 1,000 rows at once
    many = parquet(settings, seed=0)
    np.testing.assert_array_equal(many.x, np.tile(whole.x, (60, 1)))
    np.testing.assert_array_equal(many.y, np.tile(whole.y, 60))


def test_other_files_are_named(path: Path) -> None:
    settings = DataSettings(source="parquet", path=str(path))
    content = path.read_bytes()
    for damaged in (b"a,b\n", b"", content[:-9], content[:40] + content[60:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"table\.parquet: is not readable as Parquet \("):
            parquet(settings, seed=0)
    path.unlink()
    with pytest.raises(UserError, match=r"table\.parquet: there is no such file"):
        parquet(settings, seed=0)


def test_random_damage_is_one_message_or_a_table(path: Path) -> None:
    settings = DataSettings(source="parquet", path=str(path))
    content, random = path.read_bytes(), np.random.default_rng(0)
    messages = []
    for _ in range(150):
        damaged = bytearray(content)
        for place in random.integers(0, len(content), 3):
            damaged[place] = random.integers(0, 256)
        path.write_bytes(damaged)
        try:
            parquet(settings, seed=0)
        except UserError as error:
            messages.append(str(error))
    assert len(messages) > 10
    assert all("table.parquet" in message or "data." in message for message in messages)


def test_the_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r"needs the package pyarrow.* pip install pyarrow"):
        parquet(DataSettings(source="parquet", path="table.parquet"), seed=0)
