"""Tables from CSV files: content, and one clear message for each thing that may be wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config.schema import DataSettings
from src.data.loading import load_data
from src.data.sources.table import table as csv
from src.errors import UserError

ROWS = 12
PLAIN = "a,b,kind\n" + "".join(f"{r % 5},{r + 0.5},{'xy'[r % 2]}\n" for r in range(ROWS))


def written(folder: Path, text: str, **settings: Any) -> DataSettings:
    (folder / "rows.csv").write_text(text, encoding="utf-8")
    return DataSettings(source="csv", path=str(folder / "rows.csv"), **settings)


def with_test(folder: Path, text: str, test_text: str, **settings: Any) -> DataSettings:
    (folder / "test.csv").write_text(test_text)
    return written(folder, text, test_path=str(folder / "test.csv"), **settings)


def test_the_target_and_columns_left_out(tmp_path: Path) -> None:
    dataset = csv(written(tmp_path, PLAIN), seed=0)
    assert (dataset.name, dataset.feature_names, dataset.task) == ("rows", ("a", "b"), None)
    assert (str(dataset.x.dtype), dataset.x.flags.c_contiguous) == ("float32", True)
    assert dataset.y.tolist() == ["x", "y"] * 6
    other = csv(written(tmp_path, PLAIN, target="a", drop=("kind",), task="regression"), seed=0)
    assert other.feature_names == ("b",)
    assert other.y.tolist() == [r % 5 for r in range(ROWS)]


def test_settings_override_what_a_column_looks_like(tmp_path: Path) -> None:
    text = "zip,when,id,flag,day,code,well,c,y\n" + "".join(
        f"{8000 + r % 4},{20240101 + r % 28},{r},{1 + r % 2},"
        f"2024-01-{r % 28 + 1:02},0{r % 4},{'yn'[r % 2]},1,{r % 2}\n"
        for r in range(200)
    )
    before = load_data(written(tmp_path, text), seed=0)
    assert before.table is not None
    kinds = [column.kind for column in before.table.columns]
    assert kinds[:4] == ["numeric", "numeric", "identifier", "numeric"]
    assert kinds[4:] == ["date", "categorical", "boolean", "constant", "target"]
    columns: Any = {"zip": "categorical", "when": "date", "id": "numeric", "flag": "boolean"}
    data = load_data(written(tmp_path, text, columns=columns), seed=0)
    assert data.table is not None
    zip_code, when, number, flag = data.table.inputs[:4]
    assert zip_code.categories == ("8000", "8001", "8002", "8003")
    assert (when.format, when.origin) == ("%Y%m%d", 19723.0)
    assert (number.kind, flag.kind) == ("numeric", "boolean")
    np.testing.assert_array_equal(data.x[30, :4], [2, 2, 30, 1])
    # The columns that a run has recorded give the same data again.
    recorded: Any = {c.name: c.kind if c.is_input else "drop" for c in before.table.columns[:-1]}
    assert recorded["id"] == recorded["c"] == "drop"
    again = load_data(written(tmp_path, text, columns=recorded), seed=0)
    assert again.fingerprint == before.fingerprint != data.fingerprint


def test_test_rows_are_read_as_the_training_rows_were(tmp_path: Path) -> None:
    train = "n,color,when,y\n" + "".join(
        f'"{1000 + r:,}",{"red" if r % 2 else "blue"},{r % 28 + 1}.3.2024,{"12b"[r % 3]}\n'
        for r in range(60)
    )
    # in another order of columns; a label that is text in training is text here
    test = "more,y,n,color,when\n9,1,77,green,2.3.2024\n9,,?,red,5.3.2024\n9,2,abc,,NA\n"
    data = load_data(with_test(tmp_path, train, test), seed=0)
    assert data.table is not None
    _, color, when = data.table.inputs
    assert color.categories == ("blue", "red", "green")
    assert when.format == "%d.%m.%Y"
    np.testing.assert_array_equal(data.x[data.test], [[77, 2, 1], [np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(data.y[data.test], [0, 1])
    assert data.row_numbers(data.test).tolist() == [60, 61]
    assert "1 row without a value of the target 'y' left out" in data.table.notices[-1]
    # A category that only test rows have is encoded as one that is not known.
    encoded = data.arrays(data.train, data.test)
    assert encoded.x_validation.shape[1] == encoded.problem.features
    np.testing.assert_array_equal(encoded.x_validation[0, -2:], [0, 0])


def test_messages_name_what_was_found_and_what_is_valid(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"target": "kinds"}, r"^data\.target: .*Did you mean 'kind'\? Columns: a, b, kind"),
        (
            {"drop": ("kind",)},
            r"^data\.drop: 'kind' is the target: .* the last column",
        ),
        ({"drop": ("c",)}, r"^data\.drop: there is no column 'c'.* Columns: a, b, kind"),
        ({"target": "a", "drop": ("a",)}, r"^data\.drop: 'a' is the target"),
        ({"path": None}, r"^data\.path: data\.source=csv needs it"),
        ({"path": "none.csv"}, r"^data\.path: none\.csv: there is no such file"),
        ({"path": "hypermodels"}, "is a folder without tables; valid: a CSV"),
        ({"path": "hypermodels/*.csv"}, "no file fits this pattern; valid: a CSV"),
        ({"test_path": "none.csv"}, r"^data\.test_path: none\.csv: there is no such file"),
    ]
    for settings, message in cases:
        with pytest.raises(UserError, match=message):
            load_data(written(tmp_path, PLAIN).model_copy(update=settings), seed=0)
    for test_text, message in (
        ("a,kind\n1,x\n", r"^data\.test_path: .*test\.csv: lacks b. Valid: the columns of"),
        ("a,b,kind\n", "has no rows"),
        ("a,b,kind\n1,2,\n", "no row has a value of the target 'kind'"),
        ("a,b,kind\n1,2,z\n", r"no training row has: z \(in 1 of 1 test rows\)"),
    ):
        with pytest.raises(UserError, match=message):
            load_data(with_test(tmp_path, PLAIN, test_text), seed=0)
