"""Files as people have them: each ends in a right table or in one clear message."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config.schema import DataSettings
from src.data.leaks import leak_notices
from src.data.loading import Data, load_data
from src.errors import UserError

ROWS = 60
Cell = Callable[[int], object]


def rows(*columns: Cell, header: str = "a,b,y", count: int = ROWS) -> str:
    lines = [",".join(str(column(row)) for column in columns) for row in range(count)]
    return "\n".join([header, *lines] if header else lines) + "\n"


def number(row: int) -> str:
    return f"{np.sin(row * 1.7):.4f}"


def whole(row: int) -> str:
    return str(row * row % 17)


def label(row: int) -> str:
    return "yes" if row % 3 else "no"


def loaded(folder: Path, content: str | bytes, **settings: Any) -> Data:
    path = folder / "file.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    data = load_data(DataSettings(source="csv", path=str(path), **settings), seed=0)
    arrays = data.arrays(data.train, data.validation)
    for x in (arrays.x, arrays.x_validation):
        assert np.isfinite(x).all()
        assert x.shape[1] == arrays.problem.features
    return data


def columns(data: Data) -> dict[str, Any]:
    assert data.table is not None
    return {column.name: column for column in data.table.columns}


PLAIN = rows(number, whole, label)
BARE = rows(number, whole, label, header="")

SAME: dict[str, str | bytes] = {
    "decimal commas": PLAIN.replace(",", ";").replace(".", ","),
    "decimal commas without a header": BARE.replace(",", ";").replace(".", ","),
    "no header": BARE,
    "tabs": PLAIN.replace(",", "\t"),
    "bars": PLAIN.replace(",", "|"),
    "columns of blanks": BARE.replace(",", "   "),
    "blanks around fields": PLAIN.replace(",", " , "),
    "quotes around fields": "".join(f'"{line}"\n' for line in PLAIN.split()).replace(",", '","'),
    "gzip": gzip.compress(PLAIN.encode()),
    "windows lines and a mark": b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(),
    "utf-16": PLAIN.encode("utf-16"),
    "minus signs of print": PLAIN.replace("-", "−"),
    "remarks and a title above": "# by hand\n\nSales of the year\n" + PLAIN,
    "a line for excel": "sep=;\n" + PLAIN.replace(",", ";"),
    "a separator at the end of every line": PLAIN.replace("\n", ",\n"),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_table_in_another_form(name: str, tmp_path: Path) -> None:
    data = loaded(tmp_path, SAME[name])
    expected = [[float(number(row)), float(whole(row))] for row in range(ROWS)]
    np.testing.assert_allclose(data.x, expected, rtol=1e-6)
    assert data.class_names == ("no", "yes")
    assert data.y.tolist() == [int(row % 3 > 0) for row in range(ROWS)]


def values(*cells: float) -> Callable[[Data, Any], bool]:
    """That the column begins with these."""
    return lambda data, _: bool(np.allclose(data.x[: len(cells), 0], cells, rtol=1e-6))


def categories(*texts: str) -> Callable[[Data, Any], bool]:
    return lambda _, column: set(column.categories) == set(texts)


def done(text: str) -> Callable[[Data, Any], bool]:
    return lambda _, column: text in column.done


def format_is(name: str) -> Callable[[Data, Any], bool]:
    return lambda _, column: bool(column.format == name)


def spelling(row: int) -> str:
    return ["", "NA", "?", "null", "NaN", "None", "n/a"][row] if row < 7 else number(row)


# The first column of a table, what it is taken for, and what else is true of it.
COLUMNS: dict[str, tuple[Cell, str, Callable[[Data, Any], bool]]] = {
    "thousands": (lambda r: f'"{1000 + 997 * r:,}"', "numeric", values(1000, 1997, 2994, 3991)),
    "per cent": (lambda r: f"{r % 7 * 3.5}%", "numeric", values(0, 3.5, 7, 10.5)),
    "accounts": (
        lambda r: (f'"{r},500"', f'"({r},000)"')[r % 2],
        "numeric",
        values(500, -1000),
    ),
    "infinity": (
        lambda r: "-Infinity" if r == 3 else number(r),
        "numeric",
        done("1 that is no number, such as '-Infinity' in row 4"),
    ),
    "huge": (lambda r: "1e200" if r == 3 else number(r), "numeric", done("row 4")),
    "a word": (lambda r: "so" if r == 30 else number(r), "numeric", done("'so' in row 31")),
    "missing": (spelling, "numeric", done("median")),
    "no values": (lambda _: "?", "constant", done("")),
    "negative zero": (lambda r: ("-0.0", "0", "-0")[r % 3], "constant", done("")),
    "quoted": (
        lambda r: ('"a, ""b""\nc"', "d;")[r % 2],
        "categorical",
        categories('a, "b"\nc', "d;"),
    ),
    "blanks": (lambda r: f"{('red', 'blue')[r % 2]}  ", "categorical", categories("red", "blue")),
    "long": (lambda r: "x" * 10**6 if r == 5 else "uv"[r % 2], "categorical", done("")),
    "zeros": (lambda r: f"0{r % 2}3", "categorical", categories("003", "013")),
    "capitals": (lambda r: ("TRUE", "false", "True", "FALSE ")[r % 4], "boolean", done("")),
    "free text": (lambda r: f"remark number {r * r}", "identifier", done("")),
    "dates": (
        lambda r: f"{r % 28 + 1}/{r % 12 + 1}/2023 {r % 24}:15",
        "date",
        format_is("%d/%m/%Y %H:%M"),
    ),
    "times": (lambda r: f"{r % 24}:{r % 60:02}", "date", done("")),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_what_a_column_is_taken_for(name: str, tmp_path: Path) -> None:
    cell, kind, check = COLUMNS[name]
    data = loaded(tmp_path, rows(cell, number, label))
    column = columns(data)["a"]
    assert (column.kind, columns(data)["b"].kind) == (kind, "numeric")
    assert check(data, column)


def test_names_of_columns(tmp_path: Path) -> None:
    twice = rows(number, whole, number, lambda r: whole(r + 1), label, header="a,,a,,y")
    data = loaded(tmp_path, twice)
    assert data.feature_names == ("a", "column_2", "a_2", "column_4")
    odd = rows(number, whole, lambda r: number(r + 5), label, header="a/b,a_b,x.y [%],the class")
    data = loaded(tmp_path, odd, target="the class")
    assert data.table is not None
    assert [column.input for column in data.table.inputs] == ["a_b_", "a_b", "x.y [%]"]
    years = rows(number, whole, lambda r: r % 2, header="1960,1961,1962")
    assert loaded(tmp_path, years, header=True).feature_names == ("1960", "1961")
    ids = (lambda r: 1000 + r * r, lambda r: 7 * r, number, label)
    data = loaded(tmp_path, rows(*ids, header="PassengerId,userid,a,y"))
    assert data.table is not None
    assert '\'data.columns={"PassengerId": "numeric"}\' takes it' in data.table.notices[0]
    assert loaded(tmp_path, rows(*ids, header="amount_paid,humid,a,y")).x.shape == (ROWS, 3)
    data = loaded(tmp_path, rows(lambda r: r, number, label, header=",b,y", count=120))
    assert data.feature_names == ("b",)


def test_thousands_of_categories_are_embedded(tmp_path: Path) -> None:
    place = rows(lambda r: f"place {int(3000 * (r * 0.618 % 1) ** 9)}", number, label, count=3000)
    data = loaded(tmp_path, place)
    assert columns(data)["a"].kind == "categorical"
    assert data.arrays(data.train, data.validation).problem.embedded == 1


def test_targets(tmp_path: Path) -> None:
    for cell, names in (
        (lambda r: r % 2 == 0, ("False", "True")),
        (lambda r: ("0", "-0", "1")[r % 3], ("0", "1")),
        (lambda r: ("2.0", "10.0")[r % 2], ("2.0", "10.0")),
        (lambda r: ("2.0", "10", "2")[r % 3], ("2.0", "10")),
        (lambda r: ("1.1", "1.10", "x")[r % 3], ("1.1", "1.10", "x")),
        (lambda r: f"12345678901234567{r % 2}", ("123456789012345670", "123456789012345671")),
        (lambda r: ("none", "mild", "NA", "severe")[r % 4], ("mild", "none", "severe")),
    ):
        assert loaded(tmp_path, target(cell)).class_names == names
    assert loaded(tmp_path, target(lambda r: 4e9 + r * 1e7)).y[2] == 4.02e9
    assert loaded(tmp_path, target(lambda r: f"{10 ** (r / 10):.3f}")).y.max() > 7e5


def column(cell: Cell) -> str:
    return rows(cell, number, label)


def target(cell: Cell) -> str:
    return rows(number, whole, cell)


EUROS = "".join(f"{1234.5 + r:,.2f} €;{label(r)}\n" for r in range(ROWS))
EUROS = EUROS.translate(str.maketrans(",.", ".,"))
TOWNS = rows(number, lambda r: "größer" if r % 2 else "kleiner", label)

# Files, and a part of what is said of each.
NOTICES: list[tuple[str | bytes, str]] = [
    (BARE, "no names: column_1 to column_3 (data.header)"),
    (TOWNS.encode("latin-1"), "cp1252 (data.encoding)"),
    (("größe;y\n" + EUROS).encode("cp1252"), "cp1252 (data.encoding)"),
    ("# by hand\n\nSales\n" + PLAIN, "2 lines above the table passed over"),
    (target(lambda r: "" if r % 10 == 4 else label(r)), "6 rows without a value of the target 'y'"),
    (target(lambda r: "odd" if r == 50 else label(r)), "1 row of the target 'y' in classes of few"),
    (column(lambda r: f"remark {r * r}"), "taken for identifiers and left out: a"),
    (column(lambda r: "01"[r % 3 > 0]), 'data.drop=["a"]'),
    (rows(lambda r: 3 * r**1.5, number, lambda r: r**1.5), "'a': tells the target almost"),
    (column(lambda r: f"{r % 12 + 1}/02/{2023 if r % 5 else 9999}"), "read with the month first"),
]


@pytest.mark.parametrize(("content", "part"), NOTICES, ids=[part for _, part in NOTICES])
def test_what_is_said_of_a_file(content: str | bytes, part: str, tmp_path: Path) -> None:
    data = loaded(tmp_path, content)
    assert data.table is not None
    table = data.table
    assert part in "\n".join([*table.notices, *table.form.remarks, *leak_notices(data)])


# Files, settings, and a part of the message.
ERRORS: list[tuple[str | bytes, dict[str, Any], str]] = [
    (gzip.compress(PLAIN.encode())[:-20], {}, "cannot be read (Compressed file ended"),
    (PLAIN + "1,2,yes,4\n", {}, "line 62: Expected Number of Columns: 3 Found: 4"),
    ("a,y\n" + BARE, {}, "line 2: Expected Number of Columns: 2 Found: 3"),
    (PLAIN + "1.5\n", {}, "line 62: Expected Number of Columns: 3 Found: 1"),
    (PLAIN + '"1,2,yes\n', {}, "line 62: Value with unterminated quote found"),
    ("\n\n \n", {}, "is empty"),
    ("a\n1\n2\n", {}, "no column is left beside the target 'a'"),
    (PLAIN, {"drop": ("a", "b")}, "no column is left beside the target 'y'"),
    (PLAIN.encode() + b"\0\0\0", {}, "holds a zero byte at 817, which no text has"),
    (b"PK\x03\x04" + b"\0" * 99, {}, "save the sheet as CSV"),
    (b"PAR1" + b"\0" * 99, {}, "No magic bytes found at end of file"),
    ("a,b,y\nkg,cm,eur\n" + rows(number, whole, number, header=""), {}, "a second line of headers"),
    (target(lambda _: "NA"), {}, "target 'y' has no value"),
    (target(lambda r: "inf" if r == 7 else number(r)), {}, "the first 'inf' in row 8"),
    (target(lambda _: "yes"), {}, "every row has the same target"),
    (target(lambda r: f"name {r}"), {}, "60 different texts"),
    (target(lambda r: f"2024-01-{r % 28 + 1:02}"), {}, "holds dates"),
    (target(lambda r: "abc" if r == 40 else r * 1.5), {}, "'abc' in row 41"),
    (target(lambda r: "x" * 1000 if r == 9 else label(r)), {}, "a label of 1,000 characters: 'xxx"),
    (rows(lambda _: 1, lambda r: f"id {r}", label), {}, "to learn from beside the target 'y': a"),
    (PLAIN, {"columns": {"B": "drop"}}, "data.columns: there is no column 'B'"),
    (column(lambda r: "uv"[r % 2]), {"columns": {"a": "numeric"}}, "row 1 has 'u'"),
    (PLAIN, {"columns": {"a": "date"}}, "column 'a' cannot be read as date: row 1 has"),
    (PLAIN, {"columns": {"b": "boolean"}}, "read as boolean: it has 9 different values"),
    (PLAIN, {"columns": {"y": "numeric"}}, "data.columns: 'y' is the target"),
]


@pytest.mark.parametrize(("content", "settings", "part"), ERRORS, ids=[part for *_, part in ERRORS])
def test_a_file_that_is_no_table_gets_one_message(
    content: str | bytes, settings: dict[str, Any], part: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as raised:
        loaded(tmp_path, content, **settings)
    assert part in str(raised.value)
    assert len(str(raised.value)) < 2000
