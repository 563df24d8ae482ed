"""Parquet tables: content, pieces, types, columns that no table has."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.sources.table import table as csv
from src.data.sources.table import table as parquet
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


def test_a_table_is_the_same_as_in_csv_and_comes_in_pieces(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = DataSettings(source="parquet", path=str(path))
    FRAME.to_csv(path.with_suffix(".csv"), index=False)
    typed = parquet(settings, seed=0)
    text = csv(DataSettings(source="csv", path=str(path.with_suffix(".csv"))), seed=0)
    assert typed.table is not None
    kinds = [column.kind for column in typed.table.columns]
    assert kinds == ["numeric", "numeric", "boolean", "categorical", "date", "target"]
    np.testing.assert_array_equal(typed.x, text.x)
    np.testing.assert_array_equal(typed.y, text.y)
    pd.concat([FRAME] * 60).to_parquet(path)
    monkeypatch.setattr("src.data.tables.database.CHUNK_CELLS", 100)  # 2,048 rows at once
    many = parquet(settings, seed=0)
    np.testing.assert_array_equal(many.x, np.tile(typed.x, (60, 1)))
    np.testing.assert_array_equal(many.y, np.tile(typed.y, 60))


ROWS = 40
Z = [r * 0.618 % 1 for r in range(ROWS)]


def every(count: int, value: Any) -> list[Any]:
    """Values of rows, each `count`th missing."""
    return [None if row % count == 0 else value(row) for row in range(ROWS)]


def test_each_type_is_what_it_means_over_several_row_groups(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the package pyarrow")
    write_table = pytest.importorskip("pyarrow.parquet").write_table
    berlin = ZoneInfo("Europe/Berlin")  # 13 o'clock there is 12 in UTC
    noon = every(5, lambda r: datetime(2024, 1, 1 + r % 20, 13, tzinfo=berlin))
    kinds = pa.dictionary(pa.int32(), pa.string())
    types: list[tuple[Any, list[Any], str, list[Any]]] = [
        (pa.int64(), every(5, lambda r: r % 7), "numeric", [1.0, 2.0, 3.0]),
        (pa.bool_(), every(5, lambda r: r % 2 == 0), "boolean", ["False", "True", "False"]),
        (kinds, every(5, lambda r: "abc"[r % 3]), "categorical", ["b", "c", "a"]),
        (pa.binary(), every(5, lambda r: ("ä".encode(), b"b")[r % 2]), "categorical", ["b", "ä"]),
        (pa.decimal128(10, 2), every(5, lambda r: Decimal(r) / 4), "numeric", [0.25, 0.5, 0.75]),
        (pa.timestamp("us", tz="Europe/Berlin"), noon, "date", [0.5, 1.5]),
        (pa.date32(), every(5, lambda r: date(2024, 1, 1 + r % 20)), "date", [0.0, 1.0, 2.0]),
        (pa.null(), [None] * ROWS, "constant", []),
    ]
    arrays = [pa.array(values, type_) for type_, values, _, _ in types]
    names = [str(type_) for type_, _, _, _ in types]
    table = pa.table([*arrays, pa.array([r % 2 for r in range(ROWS)])], [*names, "y"])
    write_table(table, tmp_path / "t.parquet", row_group_size=7)
    dataset = parquet(DataSettings(source="parquet", path=str(tmp_path / "t.parquet")), seed=0)
    assert dataset.table is not None
    for column, (_, values, kind, first) in zip(dataset.table.columns, types, strict=False):
        assert (column.kind, column.missing) == (kind, values.count(None))
        if column.is_input:
            place = dataset.table.inputs.index(column)
            cells = dataset.x[1 : 1 + len(first), place].tolist()
            texts = [column.categories[int(c)] for c in cells] if column.is_text else cells
            assert texts == first


def test_columns_that_no_table_has_are_left_out_or_refused(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the package pyarrow")
    write_table = pytest.importorskip("pyarrow.parquet").write_table
    path = str(tmp_path / "t.parquet")
    lists, structs = [[r, 1] for r in range(ROWS)], [{"u": r} for r in range(ROWS)]
    y = [r % 2 for r in range(ROWS)]

    def read(*columns: Any, names: str, **settings: Any) -> Dataset:
        write_table(pa.table([pa.array(column) for column in columns], list(names)), path)
        return parquet(DataSettings(source="parquet", path=path, **settings), seed=0)

    dataset = read(lists, Z, structs, y, names="lzsy")
    assert dataset.feature_names == ("z",)
    assert dataset.table is not None
    [notice] = dataset.table.notices
    assert notice.startswith("left out, as they hold several values a row: 'l' (BIGINT[])")
    assert "'s' (STRUCT(u BIGINT))" in notice
    dropped: Any = {"drop": ("l",), "columns": {"s": "drop"}}
    assert read(lists, Z, structs, y, names="lzsy", **dropped).feature_names == ("z",)
    with pytest.raises(UserError, match=r"no column with one value a row, but 'l' \(BIGINT"):
        read(lists, structs, names="ls")
    with pytest.raises(UserError, match=r"t\.parquet: has no rows; valid: at least one row"):
        read([], [], names="zy")
