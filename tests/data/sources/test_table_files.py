"""One table in many files and formats, in the order of its rows; names and labels as they stand."""

import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from src.config import load_config
from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.loading import load_data
from src.data.sources.table import table
from src.errors import UserError

ROWS = 60
LINES = [f"{r},{r / 4},{'uvw'[r % 3]},{r % 2}" for r in range(ROWS)]
HEADER = "n,size,kind,y"
CASES = Path(__file__).parents[4] / "shared" / "cases"


def read(path: Path | str, **settings: Any) -> Dataset:
    return table(DataSettings(source="table", path=str(path), **settings), seed=0)


def same(dataset: Dataset, rows: int = ROWS) -> None:
    assert dataset.feature_names == ("n", "size", "kind")
    expected = [[r, r / 4, r % 3] for r in range(rows)]
    np.testing.assert_array_equal(dataset.x, expected)
    assert dataset.y.tolist() == [str(r % 2) for r in range(rows)]


def write(path: Path, lines: list[str], header: str = HEADER) -> None:
    path.write_text("\n".join([header, *lines, ""]))


def exported(path: Path, options: str, source: Path) -> None:
    duckdb.sql(f"COPY (FROM read_csv('{source}')) TO '{path}' ({options})")


def test_a_file_a_folder_and_a_pattern(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.csv", tmp_path / "parts"
    parts.mkdir()
    write(whole, LINES)
    same(read(whole))
    write(parts / "1.csv", LINES[:7])
    (parts / "2.csv").write_bytes(gzip.compress("\n".join([HEADER, *LINES[7:20]]).encode()))
    # other columns first, another separator and encoding
    turned = [";".join((y, k, s, n)) for n, s, k, y in (line.split(",") for line in LINES[20:])]
    write(parts / "3.tsv", turned, "y;kind;size;n")
    for name in (".hidden.csv", "_SUCCESS", "README.md"):
        (parts / name).write_text("none\n")
    same(read(parts))
    assert read(parts).name == "parts"
    same(read(parts / "[1-3].*", target="y"))
    same(read(whole, test_path=str(parts / "1.csv")))
    write(parts / "3.tsv", ["1,2,3"], "n,size,y")
    with pytest.raises(UserError, match=r"3\.tsv has other columns .* differ in kind"):
        read(parts)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("t.parquet", "FORMAT parquet"),
        ("t.parquet", "FORMAT parquet, ROW_GROUP_SIZE 7, COMPRESSION zstd"),
        ("t.jsonl", "FORMAT json"),
        ("t.json", "FORMAT json, ARRAY true"),
        ("t.jsonl.gz", "FORMAT json, COMPRESSION gzip"),
        ("t.csv", "FORMAT csv, DELIM '|'"),
        ("t.csv.zst", "FORMAT csv, COMPRESSION zstd"),
        ("t.csv.gz", "FORMAT csv, COMPRESSION gzip"),
    ],
)
def test_the_same_table_in_each_format(name: str, options: str, tmp_path: Path) -> None:
    write(tmp_path / "whole.csv", LINES)
    exported(tmp_path / name, options, tmp_path / "whole.csv")
    same(read(tmp_path / name))


def test_rows_keep_their_order_whatever_the_threads_do(tmp_path: Path) -> None:
    columns = "i, NULL::VARCHAR AS empty, CASE WHEN i % 9 > 0 THEN 'k' || i % 50 END AS k, i % 2 y"
    path = tmp_path / "t.parquet"
    duckdb.sql(f"COPY (SELECT {columns} FROM range(60_000) t(i)) TO '{path}' (ROW_GROUP_SIZE 2048)")
    for _ in range(5):
        dataset = read(path, columns={"i": "numeric"})
        np.testing.assert_array_equal(dataset.x[:, 0], np.arange(60_000))


def test_json_lines_may_lack_keys_and_nest(tmp_path: Path) -> None:
    rows = [{"a": r, "b": {"c": 1}, "t": "x" if r % 3 else "z", "y": r % 2} for r in range(30)]
    del rows[4]["t"]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    dataset = read(tmp_path / "t.jsonl")
    assert dataset.feature_names == ("a", "t")
    assert dataset.table is not None
    assert "left out, as they hold several values a row: 'b'" in dataset.table.notices[0]
    assert np.flatnonzero(np.isnan(dataset.x[:, 1])).tolist() == [4]
    (tmp_path / "t.jsonl").write_text('{"a": 1, "y": 2}\n{"a": 1\n')
    with pytest.raises(UserError, match=r"t\.jsonl: cannot be read \(Malformed JSON"):
        read(tmp_path / "t.jsonl")


def test_ends_of_lines_may_differ(tmp_path: Path) -> None:
    for ends in (["\r\n"], ["\r"], ["\n", "\r\n"], ["\r\n", "\n", "\r"]):
        lines = [HEADER, *LINES]
        text = "".join(line + ends[place % len(ends)] for place, line in enumerate(lines))
        (tmp_path / "t.csv").write_bytes(text.encode())
        same(read(tmp_path / "t.csv"))


def test_links_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", LINES)
    for name in ("x", "y", "z"):
        (tmp_path / name).symlink_to(tmp_path)
    same(read(tmp_path / "**" / "a.csv"))


@pytest.mark.parametrize("path", ["a" * 5000, "~nobody-of-this-name/x.csv", "a\0b.csv"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(UserError, match=r"^data\.path: .*valid: a CSV"):
        read(path)


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress("\n".join([HEADER, *LINES * 50]).encode()))
    packed[len(packed) // 2 : len(packed) // 2 + 20] = b"\xff" * 20
    (tmp_path / "a.csv.gz").write_bytes(packed)
    with pytest.raises(UserError, match=r"a\.csv\.gz: cannot be read"):
        read(tmp_path / "a.csv.gz")


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UserError, match=r"pipe\.csv: is no regular file"):
        read(tmp_path / "pipe.csv")
    with pytest.raises(UserError, match=r"pipe\.csv: is no regular file"):
        read(tmp_path)  # one of a folder
    (tmp_path / "pipe.csv").unlink()
    write(tmp_path / "a.csv", LINES)
    exported(tmp_path / "b.parquet", "FORMAT parquet", tmp_path / "a.csv")
    with pytest.raises(UserError, match=r"holds csv \(a\.csv\) and parquet \(b\.parquet\); valid"):
        read(tmp_path)
    labels = [f"{r},label {r}" for r in range(100_000)]
    write(tmp_path / "a.csv", labels, "a,y")
    with pytest.raises(UserError, match=r"100,000 different texts .* too many to be classes"):
        read(tmp_path / "a.csv")
    for content, said in (
        (f"{HEADER}\n{LINES[0]}\n", "too few to share|every row has the same target"),
        (f"{HEADER}\n", "has no rows"),
        ("", "is empty"),
    ):
        (tmp_path / "a.csv").write_text(content)
        with pytest.raises(UserError, match=said):
            load_data(DataSettings(source="table", path=str(tmp_path / "a.csv")), seed=0)


def shared_case(case: str) -> Path:
    if not (CASES / case).exists():
        pytest.skip(f"needs {case} of the shared cases")
    return CASES / case


def test_labels_are_texts_of_the_file() -> None:
    path = shared_case("labels_versions.csv")
    data = load_data(DataSettings(source="csv", path=str(path), task="multiclass"), seed=0)
    assert data.class_names == ("1.1", "1.10", "1.2")


def test_long_integers_are_groups_of_their_own(tmp_path: Path) -> None:
    lines = [f"{r % 7},{2**60 + r // 2},{r % 2}" for r in range(ROWS)]
    write(tmp_path / "t.csv", lines, "a,person,y")
    groups = read(tmp_path / "t.csv", group="person").groups
    assert groups is not None
    assert groups.tolist() == [r // 2 for r in range(ROWS)]


def test_na_is_a_label_where_a_setting_says_so() -> None:
    path = shared_case("label_NA.csv")
    found = read(path, target="region")
    assert found.table is not None
    notice = next(text for text in found.table.notices if "without a value" in text)
    setting = re.search(r"\('NA'\); (data\.\w+)=false makes a label of it", notice)
    assert setting is not None
    assert setting[1] == "data.default_missing"
    kept = read(path, target="region", default_missing=False)
    assert "NA" in kept.y
    assert len(set(kept.y)) == len(set(found.y)) + 1


@pytest.mark.parametrize("case", ["header_zero_width.csv", "header_decomposed.csv"])
def test_names_are_found_as_they_look(case: str) -> None:
    path = shared_case(case)
    names = read(path).table.columns  # type: ignore[union-attr]
    header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    for given, column in zip(header, names, strict=True):
        for name in {given, column.name}:  # as it stands in the file, and as it looks
            assert read(path, target=name).table.target.name == column.name  # type: ignore[union-attr]


def test_a_column_may_be_called_no(tmp_path: Path) -> None:
    path = shared_case("column_called_no.csv")
    header = path.read_text().splitlines()[0].split(",")
    assert "no" in header
    given = [f"data.path={path}", "data.source=csv", "data.target=no"]
    for name in header[:-1]:
        for drop in (f"data.drop=[{name}]", f"data.columns.{name}=drop"):
            dataset = table(load_config(None, [*given, drop]).data, seed=0)
            assert dataset.table is not None
            assert (dataset.table.target.name, name in dataset.feature_names) == ("no", False)
    written = tmp_path / "own.yaml"
    written.write_text("data: {target: no, drop: [on, 1, 1.10], columns: {yes: drop}, group: 007}")
    data = load_config(written).data
    assert (data.target, data.drop, data.group) == ("no", ("on", "1", "1.10"), "007")
    assert dict(data.columns) == {"yes": "drop"}
    assert load_config(written, ["data.target=null"]).data.target is None
