"""Tables from CSV files: content, and one clear message for each thing that may be wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config.schema import DataSettings
from src.data.loading import load_data
from src.data.sources.csv_file import csv
from src.errors import UserError

ROWS = 12
PLAIN = "a,b,kind\n" + "".join(f"{r % 5},{r + 0.5},{'xy'[r % 2]}\n" for r in range(ROWS))


def written(folder: Path, text: str, name: str = "rows.csv", **settings: Any) -> DataSettings:
    (folder / name).write_text(text, encoding="utf-8")
    return DataSettings(source="csv", path=str(folder / name), **settings)


def with_test(folder: Path, text: str, test_text: str, **settings: Any) -> DataSettings:
    (folder / "test.csv").write_text(test_text)
    return written(folder, text, test_path=str(folder / "test.csv"), **settings)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ", "),
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        "\n" + PLAIN.replace("\n", "\n\n"),
        PLAIN.replace("b,", '"b",'),
    ],
    ids=["comma", "semicolon", "tab", "spaces", "windows", "mark", "blank lines", "quotes"],
)
def test_the_last_column_is_the_target(text: str, tmp_path: Path) -> None:
    dataset = csv(written(tmp_path, text), seed=0)
    assert dataset.name == "rows"
    assert dataset.feature_names == ("a", "b")
    assert dataset.x.dtype == np.float32
    assert dataset.x.flags.c_contiguous
    np.testing.assert_array_equal(dataset.x, [[r % 5, r + 0.5] for r in range(ROWS)])
    assert dataset.y.tolist() == ["x", "y"] * 6
    assert dataset.task is None


def test_another_target_and_columns_left_out(tmp_path: Path) -> None:
    settings = written(tmp_path, PLAIN, target="a", drop=("kind",), task="regression")
    dataset = csv(settings, seed=0)
    assert dataset.feature_names == ("b",)
    assert dataset.y.tolist() == [r % 5 for r in range(ROWS)]


@pytest.mark.parametrize(
    ("labels", "class_names"),
    [
        (["True", "False"], ("False", "True")),
        (["2", "10"], ("2", "10")),
        (["2.0", "10.0"], ("2", "10")),
        (["2", "b"], ("2", "b")),
        (["größer", "kleiner"], ("größer", "kleiner")),
    ],
)
def test_labels(labels: list[str], class_names: tuple[str, ...], tmp_path: Path) -> None:
    text = "a,kind\n" + "".join(f"{row},{labels[row % 2]}\n" for row in range(20))
    data = load_data(written(tmp_path, text), seed=0)
    assert data.class_names == class_names
    np.testing.assert_array_equal(
        data.y, [class_names.index(labels[row % 2].removesuffix(".0")) for row in range(20)]
    )


def test_columns_of_true_and_false_are_texts_of_two_values(tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{r % 3 == 0},{r % 2},{r % 4}\n" for r in range(20))
    dataset = csv(written(tmp_path, text), seed=0)
    assert dataset.table is not None
    a, b = dataset.table.inputs
    assert (a.kind, a.is_text, a.categories) == ("boolean", True, ("True", "False"))
    assert (b.kind, b.is_text, b.categories) == ("boolean", False, ())
    np.testing.assert_array_equal(dataset.x[:4], [[0, 0], [1, 1], [1, 0], [0, 1]])


def test_columns_that_a_program_numbered(tmp_path: Path) -> None:
    text = "0,1,2\n" + "".join(f"{r % 5},{r + 0.5},{r % 2}\n" for r in range(ROWS))
    dataset = csv(written(tmp_path, text), seed=0)
    assert dataset.feature_names == ("0", "1")
    assert len(dataset.x) == ROWS


def test_settings_override_what_a_column_looks_like(tmp_path: Path) -> None:
    text = "zip,when,id,flag,y\n" + "".join(
        f"{8000 + r % 4},{20240101 + r % 28},{r},{1 + r % 2},{r % 2}\n" for r in range(200)
    )
    before = csv(written(tmp_path, text), seed=0)
    assert before.table is not None
    kinds = [column.kind for column in before.table.columns]
    assert kinds == ["numeric", "numeric", "identifier", "numeric", "target"]
    columns: Any = {"zip": "categorical", "when": "date", "id": "numeric", "flag": "boolean"}
    dataset = csv(written(tmp_path, text, columns=columns), seed=0)
    assert dataset.table is not None
    zip_code, when, number, flag = dataset.table.inputs
    assert zip_code.categories == ("8000", "8001", "8002", "8003")
    assert (when.format, when.origin) == ("%Y%m%d", 19723.0)
    assert (number.kind, flag.kind) == ("numeric", "boolean")
    np.testing.assert_array_equal(dataset.x[30], [2, 2, 30, 1])


def test_the_columns_of_a_run_give_the_same_data_again(tmp_path: Path) -> None:
    text = "id,zip,when,flag,a,c,y\n" + "".join(
        f"{r},0{r % 4},2024-01-{r % 28 + 1:02},{'yn'[r % 2]},{r % 7},1,{r % 2}\n"
        for r in range(120)
    )
    first = load_data(written(tmp_path, text), seed=3)
    assert first.table is not None
    columns: Any = {
        column.name: column.kind if column.is_input else "drop"
        for column in first.table.columns
        if column.kind != "target"
    }
    assert list(columns.values()) == [
        "drop",
        *("categorical", "date", "boolean"),
        "numeric",
        "drop",
    ]
    again = load_data(written(tmp_path, text, columns=columns), seed=3)
    assert again.fingerprint == first.fingerprint
    other = load_data(written(tmp_path, text, columns=columns | {"zip": "numeric"}), seed=3)
    assert other.fingerprint != first.fingerprint


def test_separate_test_rows_may_order_the_columns_differently(tmp_path: Path) -> None:
    train = "a,b,id,kind\n" + "".join(f"{row},{row % 5},7,{row % 2}\n" for row in range(20))
    settings = with_test(tmp_path, train, "kind,b,a,more\n1.0,3,4,1\n0.0,5,6,1\n", drop=("id",))
    data = load_data(settings, seed=0)
    assert data.feature_names == ("a", "b")
    np.testing.assert_array_equal(data.x[data.test], [[4, 3], [6, 5]])
    np.testing.assert_array_equal(data.y[data.test], [1, 0])
    assert len(data.train) == 16


def test_test_rows_are_read_as_the_training_rows_were(tmp_path: Path) -> None:
    train = "n,color,when,y\n" + "".join(
        f'"{1000 + r:,}",{"red" if r % 2 else "blue"},{r % 28 + 1}.3.2024,{r % 2}\n'
        for r in range(60)
    )
    test = "n,color,when,y\n77,green,2.3.2024,0\n?,red,5.3.2024,\nabc,,NA,1\n5,red,1.1.2024,1\n"
    data = load_data(with_test(tmp_path, train, test), seed=0)
    assert data.table is not None
    _, color, when = data.table.inputs
    assert color.categories == ("blue", "red", "green")
    assert when.format == "%d.%m.%Y"
    np.testing.assert_array_equal(
        data.x[data.test], [[77, 2, 1], [np.nan, np.nan, np.nan], [5, 1, -60]]
    )
    assert data.row_numbers(data.test).tolist() == [60, 61, 62]
    assert "1 row without a value of the target 'y' left out" in data.table.notices[-1]
    # a category that only test rows have is encoded as one that is not known
    encoded = data.arrays(data.train, data.test)
    assert encoded.x_validation.shape[1] == encoded.problem.features
    np.testing.assert_array_equal(encoded.x_validation[0, -2:], [0, 0])


def test_labels_that_are_text_in_training_are_text_in_the_test_file(tmp_path: Path) -> None:
    train = "a,kind\n" + "".join(f"{row},{'12b'[row % 3]}\n" for row in range(30))
    data = load_data(with_test(tmp_path, train, "a,kind\n1,2\n2,1\n"), seed=0)
    np.testing.assert_array_equal(data.y[data.test], [1, 0])


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"target": "kinds"}, ["data.target", "Did you mean 'kind'?", "a, b, kind"]),
        ({"drop": ("c", "kind")}, ["data.drop", "'kind' is the last column", "data.target"]),
        ({"drop": ("c",)}, ["data.drop: there is no column 'c'", "a, b, kind"]),
        ({"target": "a", "drop": ("a",)}, ["data.drop: 'a' is the target"]),
        ({"drop": ("a", "b")}, ["no column is left beside the target 'kind'"]),
        ({"scaling": "robust", "source": "iris", "path": None}, ["is for the tables"]),
        (
            {"columns": {"a": "date"}, "source": "iris", "path": None},
            ["data.columns: ['a'] is not"],
        ),
    ],
)
def test_messages_name_what_was_found_and_what_is_valid(
    settings: dict[str, Any], parts: list[str], tmp_path: Path
) -> None:
    table = written(tmp_path, PLAIN)
    with pytest.raises(UserError) as raised:
        load_data(table.model_copy(update=settings), seed=0)
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("test_text", "parts"),
    [
        ("a,kind\n1,x\n", ["lacks b", "the columns of", "a, b, kind"]),
        ("a,b,kind\n", ["a header and no rows"]),
        ("a,b,kind\n1,2,\n", ["no row has a value of the target 'kind'"]),
    ],
)
def test_messages_about_the_test_file_name_it(
    test_text: str, parts: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as raised:
        csv(with_test(tmp_path, PLAIN, test_text), seed=0)
    for part in [f"data.test_path: {tmp_path / 'test.csv'}", *parts]:
        assert part in str(raised.value)


def test_labels_that_only_the_test_file_has(tmp_path: Path) -> None:
    train = "a,kind\n" + "".join(f"{row},{'xy'[row % 2]}\n" for row in range(20))
    with pytest.raises(
        UserError, match=r"no training row has: z \(in 1 of 1 test rows\).* have: x, y"
    ):
        load_data(with_test(tmp_path, train, "a,kind\n1,z\n"), seed=0)


def test_files_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.path: data\.source=csv needs it"):
        csv(DataSettings(source="csv"), seed=0)
    with pytest.raises(UserError, match=r"data\.path: none\.csv: there is no such file"):
        csv(DataSettings(source="csv", path="none.csv"), seed=0)
    with pytest.raises(UserError, match="is a folder; valid: a CSV file"):
        csv(DataSettings(source="csv", path=str(tmp_path)), seed=0)
    settings = written(tmp_path, PLAIN, test_path="none.csv")
    with pytest.raises(UserError, match=r"data\.test_path: none\.csv: there is no such file"):
        csv(settings, seed=0)
