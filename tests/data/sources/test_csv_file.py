"""Tables from CSV files: content, and one clear message for each thing that may be wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config.schema import DataSettings
from src.data.loading import load_data
from src.data.sources.csv_file import csv
from src.errors import UserError

PLAIN = "a,b,kind\n1,2.5,x\n3,4.5,y\n5,6.5,x\n"


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
    np.testing.assert_array_equal(dataset.x, [[1, 2.5], [3, 4.5], [5, 6.5]])
    assert dataset.y.tolist() == ["x", "y", "x"]
    assert dataset.task is None


def test_another_target_and_columns_left_out(tmp_path: Path) -> None:
    dataset = csv(written(tmp_path, PLAIN, target="a", drop=("kind",)), seed=0)
    assert dataset.feature_names == ("b",)
    assert dataset.y.tolist() == [1, 3, 5]


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


def test_columns_of_true_and_false_are_numbers(tmp_path: Path) -> None:
    dataset = csv(written(tmp_path, "a,b,y\nTrue,1,0\nFalse,2,1\n"), seed=0)
    np.testing.assert_array_equal(dataset.x, [[1, 1], [0, 2]])


def test_columns_that_a_program_numbered(tmp_path: Path) -> None:
    dataset = csv(written(tmp_path, "0,1,2\n5,6,0\n7,8,1\n"), seed=0)
    assert dataset.feature_names == ("0", "1")
    np.testing.assert_array_equal(dataset.x, [[5, 6], [7, 8]])


def test_separate_test_rows_may_order_the_columns_differently(tmp_path: Path) -> None:
    train = "a,b,id,kind\n" + "".join(f"{row},0,7,{row % 2}\n" for row in range(20))
    settings = with_test(tmp_path, train, "kind,b,a\n1.0,3,4\n0.0,5,6\n", drop=("id",))
    data = load_data(settings, seed=0)
    assert data.feature_names == ("a", "b")
    np.testing.assert_array_equal(data.x[data.test], [[4, 3], [6, 5]])
    np.testing.assert_array_equal(data.y[data.test], [1, 0])
    assert len(data.train) == 16


def test_labels_that_are_text_in_training_are_text_in_the_test_file(tmp_path: Path) -> None:
    train = "a,kind\n" + "".join(f"{row},{'12b'[row % 3]}\n" for row in range(30))
    data = load_data(with_test(tmp_path, train, "a,kind\n1,2\n2,1\n"), seed=0)
    np.testing.assert_array_equal(data.y[data.test], [1, 0])


@pytest.mark.parametrize(
    ("text", "settings", "parts"),
    [
        (
            "a,color,size,y\n1,red,5,0\n2,blue,L,1\n",
            {},
            [
                "non-numeric columns: color (row 1: 'red'), size (row 2: 'L')",
                """'data.drop=["color", "size"]'""",
            ],
        ),
        (
            "a,b,y\n1,2,0\n2,,1\n,,1\n",
            {},
            ["column 'a' lacks 1 of 3 values, the first in row 3", "missing values: a, b"],
        ),
        ("a,b,y\n1,True,0\n2,,1\n", {}, ["column 'b' lacks 1 of 2 values", "row 2"]),
        ("a,y\n1,x\n2,\n", {}, ["target: column 'y' lacks 1 of 2 values, the first in row 2"]),
        ("a,y\n1,x\n2\n", {}, ["target: column 'y' lacks 1 of 2 values"]),
        (
            "a,b,y\n1,2,0\n2,-inf,1\n",
            {},
            ["1 of 4 values are not finite", "-inf in row 2, column 'b'"],
        ),
        ("a,y\n1,0.5\n2,inf\n", {}, ["target 'y'", "not finite", "inf in row 2"]),
        (PLAIN, {"target": "kinds"}, ["data.target", "Did you mean 'kind'?", "a, b, kind"]),
        (PLAIN, {"drop": ("c", "kind")}, ["data.drop", "'kind' is the last column", "data.target"]),
        (PLAIN, {"drop": ("c",)}, ["data.drop: there is no column 'c'", "a, b, kind"]),
        (PLAIN, {"target": "a", "drop": ("a",)}, ["data.drop: 'a' is the target"]),
        (PLAIN, {"drop": ("a", "b")}, ["no column is left beside the target 'kind'"]),
        ("a|b|y\n1|2|0\n", {}, ["no column is left beside the target 'a|b|y'"]),
        ("1.5,2.5,0\n3.5,4.5,1\n", {}, ["first line holds numbers (1.5, 2.5, 0)", "header line"]),
        ("a,b,a,y\n1,2,3,0\n", {}, ["columns named twice: a"]),
        (",a,y\n0,1,0\n1,2,1\n", {}, ["without a name: Unnamed: 0", 'data.drop=["Unnamed: 0"]']),
        ("a,y\n", {}, ["a header and no rows"]),
        ("\n\n", {}, ["is empty; valid: a header line and rows"]),
        (
            "a,y\n1,0,5\n2,1,5\n",
            {},
            ["header has 2 fields and the first row 3", "one name a column"],
        ),
        ("a,y\n1,0\n2,1,5\n", {}, ["is not readable as CSV", "line 3, saw 3"]),
    ],
)
def test_messages_name_what_was_found_and_what_is_valid(
    text: str, settings: dict[str, Any], parts: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as raised:
        csv(written(tmp_path, text, **settings), seed=0)
    for part in parts if settings else [f"data.path: {tmp_path / 'rows.csv'}", *parts]:
        assert part in str(raised.value)


def test_unnamed_columns_can_be_left_out(tmp_path: Path) -> None:
    settings = written(tmp_path, ",a,y\n0,1,0\n1,2,1\n", drop=("Unnamed: 0",))
    assert csv(settings, seed=0).feature_names == ("a",)


@pytest.mark.parametrize(
    ("test_text", "parts"),
    [
        ("a,kind\n1,x\n", ["lacks b", "the columns of", "a, b, kind"]),
        ("a,b,c,kind\n1,2,3,x\n", ["has also c"]),
        ("a,c,kind\n1,2,x\n", ["lacks b and has also c"]),
        ("a,b,kind\n1,,x\n", ["column 'b' lacks 1 of 1 values, the first in row 1"]),
        ("a,b,kind\n1,?,x\n", ["non-numeric columns: b (row 1: '?')"]),
        ("a,b,kind\n", ["a header and no rows"]),
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
    (tmp_path / "rows.csv").write_bytes(b"a,y\n\xff\xfe,1\n")
    with pytest.raises(UserError, match=r"is not readable as CSV .*UTF-8"):
        csv(DataSettings(source="csv", path=str(tmp_path / "rows.csv")), seed=0)
