"""What is shown of a table's columns."""

from io import StringIO

from rich.console import Console

from src.console.plan import MOST_LINES, columns_grid
from src.data.tables.columns import Column


def printed(columns: list[Column]) -> list[str]:
    console = Console(file=StringIO(), width=100)
    console.print(columns_grid(columns))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_line_a_column() -> None:
    lines = printed(
        [
            Column("a[b]", "date", "%d.%m.%Y", 1234, 7, "days", "2024-01-02"),
            Column("x\n" + "y" * 50, "constant", done="left out: one value"),
        ]
    )
    assert lines[0].split() == [
        "column",
        "kind",
        "first",
        "missing",
        "distinct",
        *["what", "was", "done"],
    ]
    assert lines[1].split() == ["a[b]", "date", "%d.%m.%Y", "2024-01-02", "1,234", "7", "days"]
    assert lines[2].split()[:2] == ["x", "y" * 21 + "…"]
    assert lines[2].endswith("left out: one value")


def test_hundreds_of_columns_share_lines() -> None:
    columns = [
        Column(f"c{n}", "numeric", missing=n, distinct=9, done="number", first="1")
        for n in range(300)
    ]
    columns.append(Column("y", "target", distinct=2))
    lines = printed(columns)
    assert len(columns) > MOST_LINES
    assert len(lines) == 3
    assert lines[1].split() == [
        *("c0,", "c1,", "c2,", "…", "300", "in", "all", "numeric", "1", "0–299", "9", "number")
    ]
