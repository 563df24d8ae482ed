"""Files as people have them: each ends in a right table or in one clear message."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config.schema import DataSettings
from src.data.leaks import leak_notices
from src.data.loading import Data, load_data
from src.errors import UserError

ROWS = 60


def rows(*columns: Callable[[int], object], header: str = "a,b,y", count: int = ROWS) -> str:
    lines = [",".join(str(column(row)) for column in columns) for row in range(count)]
    return "\n".join([header, *lines] if header else lines) + "\n"


def number(row: int) -> str:
    return f"{np.sin(row * 1.7):.4f}"


def whole(row: int) -> str:
    return str(row * row % 17)


def label(row: int) -> str:
    return "yes" if row % 3 else "no"


PLAIN = rows(number, whole, label)


@dataclass
class Case:
    """A file, and what comes of it.

    Attributes:
        content: the file's.
        settings: of `data`, beside source and path.
        error: parts of the message; empty for a table that is right.
        kinds: of some columns.
        notices: parts of what is said.
        shape: of the features.
        check: further demands.
    """

    content: str | bytes
    settings: dict[str, Any] = field(default_factory=dict)
    error: tuple[str, ...] = ()
    kinds: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    shape: tuple[int, int] | None = None
    check: Callable[[Data], bool] = lambda _: True


def classes(*names: str) -> Callable[[Data], bool]:
    return lambda data: data.class_names == names


CASES = {
    "decimal commas": Case(
        "a;b;y\n"
        + "".join(f"{number(r).replace('.', ',')};{whole(r)};{label(r)}\n" for r in range(ROWS)),
        kinds={"a": "numeric", "b": "numeric"},
        shape=(ROWS, 2),
        check=lambda data: bool(np.isclose(data.x[1, 0], np.sin(1.7), atol=1e-3)),
    ),
    "decimal commas without a header": Case(
        "".join(f"{number(r).replace('.', ',')};{whole(r)},5;{r % 2}\n" for r in range(ROWS)),
        kinds={"column_1": "numeric", "column_2": "numeric", "column_3": "target"},
        notices=("the first line is taken for a row",),
        shape=(ROWS, 2),
    ),
    "decimal commas with an exponent": Case(
        "a;b;y\n" + "".join(f"{r},5;{r * 37 % 60},25E-05;{label(r)}\n" for r in range(ROWS)),
        kinds={"a": "numeric", "b": "numeric"},
        check=lambda data: bool(np.isclose(data.x[1, 1], 37.25e-5, rtol=1e-6)),
    ),
    "thousands separators": Case(
        rows(lambda r: f'"{1000 + 997 * r:,}"', number, label),
        kinds={"a": "numeric"},
        check=lambda data: data.x[3, 0] == 1000 + 997 * 3,
    ),
    "per cent and dollars": Case(
        rows(lambda r: f"{r % 7 * 3.5}%", lambda r: f"${r * r % 23}.50", label),
        kinds={"a": "numeric", "b": "numeric"},
        check=lambda data: data.x[3].tolist() == [10.5, 9.5],
    ),
    "tabs": Case(PLAIN.replace(",", "\t"), shape=(ROWS, 2)),
    "bars": Case(PLAIN.replace(",", "|"), shape=(ROWS, 2)),
    "columns of blanks": Case(
        rows(lambda r: f"  {number(r)}", lambda r: f"  A{r % 3}", label, header="").replace(
            ",", " "
        ),
        kinds={"column_1": "numeric", "column_2": "categorical"},
        shape=(ROWS, 2),
    ),
    "blanks, tabs and quotes": Case(
        rows(number, whole, lambda r: f'\t"car {r % 4} x"', header="").replace(",", "   "),
        kinds={"column_1": "numeric", "column_2": "numeric", "column_3": "target"},
        check=classes("car 0 x", "car 1 x", "car 2 x", "car 3 x"),
    ),
    "blanks around fields": Case(
        rows(lambda r: f" {number(r)} ", lambda r: f"{'red' if r % 2 else 'blue'}  ", label),
        kinds={"a": "numeric", "b": "categorical"},
        check=lambda data: _categories(data, "b") == {"red", "blue"},
    ),
    "quotes, line breaks and separators in cells": Case(
        rows(number, lambda r: '"one, ""two""\nthree"' if r % 2 else '"four;"', label),
        kinds={"b": "categorical"},
        check=lambda data: _categories(data, "b") == {'one, "two"\nthree', "four;"},
    ),
    "gzip": Case(gzip.compress(PLAIN.encode()), shape=(ROWS, 2)),
    "a cut gzip file": Case(gzip.compress(PLAIN.encode())[:-20], error=("is not readable as CSV",)),
    "windows lines and a mark": Case(
        b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(), kinds={"a": "numeric"}
    ),
    "old lines": Case(PLAIN.replace("\n", "\r"), shape=(ROWS, 2)),
    "utf-16": Case(PLAIN.encode("utf-16"), shape=(ROWS, 2)),
    "utf-32": Case(PLAIN.encode("utf-32"), shape=(ROWS, 2)),
    "utf-16 without a mark": Case(PLAIN.encode("utf-16-le"), shape=(ROWS, 2)),
    "latin-1": Case(
        rows(number, lambda r: "größer" if r % 2 else "kleiner", label).encode("latin-1"),
        notices=("was read as Latin-1",),
        check=lambda data: _categories(data, "b") == {"größer", "kleiner"},
    ),
    "no header": Case(
        rows(number, whole, label, header=""),
        kinds={"column_1": "numeric", "column_3": "target"},
        shape=(ROWS, 2),
        notices=("data.header=true takes it for their names",),
    ),
    "no header and texts alone": Case(
        rows(lambda r: "pqr"[r % 3], lambda r: "pqr"[r * r % 3], label, header=""),
        kinds={"column_1": "categorical"},
        shape=(ROWS, 2),
    ),
    "a header of numbers": Case(
        rows(number, whole, lambda r: r % 2, header="1960,1961,1962"),
        settings={"header": True},
        kinds={"1960": "numeric"},
        shape=(ROWS, 2),
    ),
    "names twice and no names": Case(
        rows(number, whole, number, lambda r: whole(r + 1), label, header="a,,a,,y"),
        kinds={"a": "numeric", "column_2": "numeric", "a_2": "numeric", "column_4": "numeric"},
        notices=("a_2 (another 'a')",),
    ),
    "odd names": Case(
        rows(number, whole, lambda r: number(r + 5), label, header="a/b,a_b,x.y [%],the class"),
        settings={"target": "the class"},
        kinds={"a/b": "numeric", "x.y [%]": "numeric"},
        check=lambda data: _inputs(data) == ["a_b_", "a_b", "x.y [%]"],
    ),
    "a line with too many fields": Case(
        PLAIN + "1,2,yes,4\n", error=("is not readable as CSV", "line 62, saw 4", "mend that line")
    ),
    "a line with too few fields": Case(
        PLAIN + "1.5\n",
        shape=(ROWS, 2),
        notices=("row 61", "1 line has fewer than 3 fields, the first is line 62"),
    ),
    "lines with too few fields among missing values": Case(
        rows(number, lambda r: '"a\nb"' if r % 2 else "", lambda r: "" if r < 9 else label(r))
        + "1.5\n\n0.5,u\n",
        settings={"target": "a", "task": "regression"},
        shape=(ROWS + 2, 2),
        # 60 rows, a second line in every other one; a blank line between the short ones
        notices=("2 lines have fewer than 3 fields, the first is line 92: the last ones",),
    ),
    "an open quote": Case(PLAIN + '"1,2,yes\n', error=("is not readable as CSV",)),
    "an empty file": Case("", error=("is empty",)),
    "blank lines": Case("\n\n \n", error=("is empty",)),
    "a header alone": Case("a,b,y\n", error=("a header and no rows",)),
    "one column": Case("a\n1\n2\n", error=("no column is left beside the target 'a'",)),
    "zero bytes": Case(PLAIN.encode() + b"\0\0\0", error=("bytes that no text has",)),
    "a spreadsheet": Case(b"PK\x03\x04" + b"\0" * 99, error=("save the sheet as CSV",)),
    "parquet": Case(b"PAR1" + b"\0" * 99, error=("set data.source=parquet",)),
    "an unknown target": Case(PLAIN, {"target": "z"}, error=("no column 'z'", "Columns: a, b, y")),
    "a target without values": Case(
        rows(number, whole, lambda _: "NA"), error=("target 'y' has no value",)
    ),
    "a target of one class": Case(
        rows(number, whole, lambda _: "yes"), error=("every row has the same target",)
    ),
    "a target of identifiers": Case(
        rows(number, whole, lambda r: f"name {r}"), error=("60 different texts", "too many")
    ),
    "a target of dates": Case(
        rows(number, whole, lambda r: f"2024-01-{r % 28 + 1:02}"), error=("holds dates",)
    ),
    "a target of numbers and a word": Case(
        rows(number, whole, lambda r: "abc" if r == 40 else r * 1.5),
        error=("target 'y' holds numbers", "'abc' in row 41"),
    ),
    "a target with missing values": Case(
        rows(number, whole, lambda r: "" if r % 10 == 4 else label(r)),
        shape=(ROWS - 6, 2),
        notices=("6 rows without a value of the target 'y' left out, the first is row 5",),
        check=lambda data: data.row_numbers(np.arange(6)).tolist() == [0, 1, 2, 3, 5, 6],
    ),
    "a target with infinity": Case(
        rows(number, whole, lambda r: "inf" if r == 7 else number(r)),
        shape=(ROWS - 1, 2),
        notices=("the first is row 8",),
    ),
    "a class with one row": Case(
        rows(number, whole, lambda r: "odd" if r == 50 else label(r)),
        shape=(ROWS - 1, 2),
        notices=(
            "1 row of the target 'y' in classes of fewer than 3 rows ('odd'; the first is row 51)",
        ),
        check=classes("no", "yes"),
    ),
    "a target far from unit scale": Case(
        rows(number, whole, lambda r: 4e9 + r * 1e7),
        check=lambda data: data.task == "regression" and data.y[2] == 4.02e9,
    ),
    "a target of true and false": Case(
        rows(number, whole, lambda r: r % 2 == 0), check=classes("False", "True")
    ),
    "an endless label": Case(
        rows(number, whole, lambda r: "x" * 1000 if r == 9 else label(r)),
        error=("a label of 1,000 characters in row 10",),
    ),
    "a column without values": Case(
        rows(number, lambda _: "?", label), kinds={"b": "constant"}, shape=(ROWS, 1)
    ),
    "no column that tells anything": Case(
        rows(lambda _: 1, lambda r: f"id {r}", label),
        error=("no column is left to learn from", "a (left out: one value)"),
    ),
    "infinity": Case(
        rows(lambda r: "-Infinity" if r == 3 else number(r), whole, label),
        check=lambda data: "1 infinite" in _done(data, "a") and bool(np.isnan(data.x[3, 0])),
    ),
    "numbers beyond float32": Case(
        rows(lambda r: "1e200" if r == 3 else number(r), whole, label),
        check=lambda data: "row 4" in _done(data, "a"),
    ),
    "a stray word among numbers": Case(
        rows(lambda r: "unknown" if r == 30 else number(r), whole, label),
        kinds={"a": "numeric"},
        check=lambda data: "'unknown' in row 31" in _done(data, "a"),
    ),
    "every spelling of a missing value": Case(
        rows(
            lambda r: ["", "NA", "?", "null", "NaN", "None", "n/a"][r] if r < 7 else number(r),
            whole,
            label,
        ),
        kinds={"a": "numeric"},
        check=lambda data: bool(np.isnan(data.x[:7, 0]).all()) and "median" in _done(data, "a"),
    ),
    "a million characters": Case(
        rows(lambda r: "x" * 1_000_000 if r == 5 else "uv"[r % 2], number, label),
        kinds={"a": "categorical", "b": "numeric"},
    ),
    "ten thousand categories": Case(
        rows(lambda r: f"place {int(10_000 * (r * 0.618 % 1) ** 9)}", number, label, count=30_000),
        kinds={"a": "categorical"},
        check=lambda data: data.arrays(data.train, data.validation).problem.embedded == 1,
    ),
    "free text": Case(
        rows(lambda r: f"remark number {r * r}", number, label),
        kinds={"a": "identifier"},
        notices=("taken for identifiers and left out: a",),
    ),
    "row numbers": Case(
        rows(lambda r: r, number, label, header=",b,y", count=120),
        kinds={"column_1": "identifier", "b": "numeric"},
    ),
    "a class called none": Case(
        rows(number, whole, lambda r: ("none", "mild", "NA", "severe")[r % 4]),
        notices=("without a value of the target 'y' left out",),
        check=lambda data: data.class_names == ("mild", "none", "severe"),
    ),
    "names that only look like an identifier's": Case(
        rows(
            *(lambda r: 1000 + r * r, lambda r: 7 * r + r % 3, lambda r: 900 + 13 * r, label),
            header="amount_paid,humid,column_10,y",
            count=120,
        ),
        kinds={"amount_paid": "numeric", "humid": "numeric", "column_10": "numeric"},
    ),
    "names of identifiers": Case(
        rows(
            lambda r: 1000 + r * r, lambda r: 7 * r, number, label, header="PassengerId,userid,a,y"
        ),
        kinds={"PassengerId": "identifier", "userid": "identifier"},
        notices=('\'data.columns={"PassengerId": "numeric"}\' takes it',),
    ),
    "unique measurements": Case(
        rows(lambda r: 50_000 + r * r * 37, lambda r: r * 1.25, label, header="people,b,y"),
        kinds={"people": "numeric", "b": "numeric"},
    ),
    "the target in disguise": Case(
        rows(number, lambda r: "01"[r % 3 > 0], label, header="a,copy,y"),
        notices=("'copy': tells the target almost perfectly", 'data.drop=["copy"]'),
    ),
    "a multiple of the target": Case(
        rows(lambda r: 3 * r**1.5, number, lambda r: r**1.5),
        notices=("'a': tells the target almost perfectly",),
    ),
    "dates": Case(
        rows(lambda r: f"{r % 28 + 1}/{r % 12 + 1}/2023 {r % 24}:15", number, label),
        kinds={"a": "date"},
        check=lambda data: "%d/%m/%Y %H:%M" in _done(data, "a"),
    ),
    "dates that never end": Case(
        rows(lambda r: "01/12/9999" if r % 5 == 0 else f"{r % 12 + 1}/02/2023", number, label),
        kinds={"a": "date"},
        notices=("dates in 'a' are read with the month first",),
    ),
    "codes with leading zeros": Case(
        rows(lambda r: f"0{r % 5}123", number, label),
        kinds={"a": "categorical"},
        check=lambda data: "03123" in _categories(data, "a"),
    ),
    "a column that turns to text": Case(
        rows(lambda r: r % 9 if r < 40 else "ABC"[r % 3], number, label),
        kinds={"a": "categorical"},
        check=lambda data: {"3", "A"} < _categories(data, "a"),
    ),
    "a setting for no column": Case(
        PLAIN, {"columns": {"B": "drop"}}, error=("data.columns: there is no column 'B'",)
    ),
    "texts that are to be numbers": Case(
        rows(lambda r: "uv"[r % 2], whole, label),
        {"columns": {"a": "numeric"}},
        error=("data.columns.a=numeric", "row 1 has 'u'", "Valid: categorical, drop"),
    ),
    "numbers that are to be dates": Case(
        rows(number, whole, label), {"columns": {"a": "date"}}, error=("cannot be read as dates",)
    ),
    "many values that are to be two": Case(
        PLAIN, {"columns": {"b": "boolean"}}, error=("'b' has 9 different values",)
    ),
    "a setting of the target": Case(
        PLAIN, {"columns": {"y": "numeric"}}, error=("data.columns.y: is the target",)
    ),
    "euro signs of windows": Case(
        (
            "größe;y\n"
            + "".join(f"{1234.5 + r:,.2f} €;{label(r)}\n" for r in range(ROWS)).translate(
                str.maketrans(",.", ".,")
            )
        ).encode("cp1252"),
        kinds={"größe": "numeric"},
        notices=("was read as Windows-1252",),
        check=lambda data: data.x[2, 0] == 1236.5,
    ),
    "amounts of accountants": Case(
        rows(lambda r: f'"({r + 1},000)"' if r % 2 else f'"{r},500"', number, label),
        kinds={"a": "numeric"},
        check=lambda data: data.x[1:3, 0].tolist() == [-2000.0, 2500.0],
    ),
    "minus signs of print": Case(
        rows(number, whole, label).replace("-", "−"),
        kinds={"a": "numeric"},
        check=lambda data: bool(np.isclose(data.x[2, 0], np.sin(3.4), atol=1e-3)),
    ),
    "remarks and a title above": Case(
        "# exported\n# by hand, with care\n\nSales of the year\n" + PLAIN,
        kinds={"a": "numeric", "y": "target"},
        shape=(ROWS, 2),
        notices=("3 lines above the table passed over: '# exported', '# by hand",),
    ),
    "a line for excel": Case(
        "sep=;\n" + PLAIN.replace(",", ";"), kinds={"a": "numeric"}, shape=(ROWS, 2)
    ),
    "a separator at the end of every line": Case(
        PLAIN.replace("\n", ",\n"), kinds={"a": "numeric", "y": "target"}, shape=(ROWS, 2)
    ),
    "a column without a name that is empty for long": Case(
        "a,y,\n" + rows(number, label, lambda r: r % 3 if r > 210 else "", header="", count=300),
        settings={"target": "y"},
        kinds={"column_3": "numeric"},
        shape=(300, 2),
        notices=("column_3 (no name)",),
    ),
    "a header that lacks a name": Case(
        "a,y\n" + rows(lambda r: r, number, label, header=""),
        error=("is not readable as CSV", "saw 3"),
    ),
    "two lines of headers": Case(
        "a,b,y\nkg,cm,eur\n" + rows(number, whole, number, header=""),
        error=("'eur' in row 1", "a second line of headers taken out"),
    ),
    "a row of totals": Case(
        rows(lambda r: "NSEW"[r % 4], whole, number) + "Total,480,99\n",
        notices=("the last row, 61, looks like a total of the others: 'Total' in 'a'",),
        shape=(ROWS + 1, 2),
    ),
    "numbers with a unit": Case(
        rows(lambda r: f"{r % 30}.5 kg", number, label),
        notices=("'a' holds numbers with a unit, such as '0.5 kg'",),
    ),
    "classes in capitals and not": Case(
        rows(number, whole, lambda r: ("Yes", "yes", "NO", "no")[r % 4]),
        notices=("differ in capital letters alone: 'Yes' and 'yes', 'NO' and 'no'",),
    ),
    "booleans in capitals and not": Case(
        rows(lambda r: ("TRUE", "false", "True", "FALSE ")[r % 4], number, label),
        kinds={"a": "boolean"},
    ),
    "dates before 1900 and times of day": Case(
        rows(
            *(lambda r: f"{1800 + r}-{r % 12 + 1:02}-07", lambda r: f"{r % 24}:{r % 60:02}", label)
        ),
        kinds={"a": "date", "b": "date"},
    ),
    "negative zero": Case(
        rows(number, lambda r: ("-0.0", "0", "-0")[r % 3], lambda r: ("0", "-0", "1")[r % 3]),
        kinds={"b": "constant"},
        check=classes("0", "1"),
    ),
    "a target of six magnitudes": Case(
        rows(number, whole, lambda r: f"{10 ** (r / 10):.3f}"),
        check=lambda data: data.task == "regression" and data.y.max() > 7e5,
    ),
    "everything left out": Case(PLAIN, {"drop": ("a", "b")}, error=("no column is left",)),
}


def _columns(data: Data) -> dict[str, Any]:
    assert data.table is not None
    return {column.name: column for column in data.table.columns}


def _categories(data: Data, name: str) -> set[str]:
    return set(_columns(data)[name].categories)


def _done(data: Data, name: str) -> str:
    return str(_columns(data)[name].done)


def _inputs(data: Data) -> list[str]:
    assert data.table is not None
    return [column.input for column in data.table.inputs]


@pytest.mark.parametrize("name", CASES)
def test_each_is_a_right_table_or_a_clear_message(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    content = case.content if isinstance(case.content, bytes) else case.content.encode()
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    settings = DataSettings(source="csv", path=str(path), **case.settings)
    if case.error:
        with pytest.raises(UserError) as raised:
            load_data(settings, seed=0)
        message = str(raised.value)
        assert len(message) < 2000
        for part in case.error:
            assert part in message
        return
    data = load_data(settings, seed=0)
    found = {column: facts.kind for column, facts in _columns(data).items()}
    assert {column: found.get(column) for column in case.kinds} == case.kinds
    assert data.table is not None
    said = "\n".join([*data.table.notices, *leak_notices(data)])
    for part in case.notices:
        assert part in said
    if case.shape is not None:
        assert data.x.shape == case.shape
    assert case.check(data)
    arrays = data.arrays(data.train, data.validation)
    for x in (arrays.x, arrays.x_validation):
        assert np.isfinite(x).all()
        assert x.shape[1] == arrays.problem.features
