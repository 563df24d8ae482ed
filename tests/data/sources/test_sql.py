"""Queries: over files, DuckDB, SQLite and a PostgreSQL server; what they cannot reach."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from src.config import load_config
from src.config.dump import dump_config
from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.sources.sql import sql
from src.errors import UserError

ROWS = 40
VALUES = [(r, r / 4, "xy"[r % 2], f"2024-01-{r % 28 + 1:02}") for r in range(ROWS)]


def read(query: str, **settings: Any) -> Dataset:
    return sql(DataSettings(source="sql", query=query, **settings), seed=0)


def refused(query: str, **settings: Any) -> str:
    with pytest.raises(UserError) as raised:
        read(query, **settings)
    return str(raised.value)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with two tables that share the column `id`."""
    (tmp_path / "a.csv").write_text("id,size\n" + "".join(f"{r},{s}\n" for r, s, *_ in VALUES))
    duckdb.sql(
        f"COPY (SELECT i AS id, i % 2 = 0 AS even, i * 3 AS y FROM range({ROWS}) t(i)) "
        f"TO '{tmp_path / 'b.parquet'}'"
    )
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text("a,b\n1,2\n")
    return tmp_path


def test_files_are_joined_by_their_names_and_have_types(files: Path) -> None:
    query = "SELECT size, even, y + 1 AS y FROM 'a.csv' JOIN 'b.parquet' USING (id) WHERE size > 2"
    dataset = read(query, path=str(files))
    assert dataset.feature_names == ("size", "even")
    assert dataset.table is not None
    assert [column.kind for column in dataset.table.columns] == ["numeric", "boolean", "target"]
    np.testing.assert_array_equal(dataset.x[:, 0], [r / 4 for r in range(9, ROWS)])
    np.testing.assert_array_equal(dataset.y, [3 * r + 1 for r in range(9, ROWS)])
    pattern = read(query + ";", path=str(files / "*.*"))  # as a pattern, and with a semicolon
    np.testing.assert_array_equal(pattern.x, dataset.x)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM 'a.csv'; DROP VIEW \"a.csv\"", "is no SELECT, or several statements"),
        ("COPY (SELECT 1) TO 'new.csv'", "is no SELECT"),
        ("ATTACH 'new.duckdb'", "is no SELECT"),
        ("SET threads = 1", "is no SELECT"),
        ("SELECT * FROM read_csv('{folder}/outside/secret.csv')", "operations are disabled"),
        ("SELECT * FROM '{folder}/outside/secret.csv'", "operations are disabled"),
        ("SELECT * FROM read_text('/etc/passwd')", "operations are disabled"),
        ("SELECT * FROM glob('{folder}/*')", "operations are disabled"),
        ("SELECT * FROM files", "Table with name files does not exist"),
        ("SELECT size FROM 'c.csv'", "operations are disabled"),
        ("SELECT sizes FROM 'a.csv'", 'Referenced column "sizes" not found'),
        ("SELECT size, size FROM 'a.csv'", "several columns are called size"),
        ("SELECT * FROM 'a.csv' WHERE id < 0", "has no rows"),
    ],
)
def test_a_query_reads_nothing_else_and_writes_nothing(query: str, said: str, files: Path) -> None:
    before = sorted(files.rglob("*"))
    assert said in refused(query.replace("{folder}", str(files)), path=str(files))
    assert sorted(files.rglob("*")) == before


def test_a_query_may_hold_any_letters(files: Path) -> None:
    query = "SELECT size AS \"größe\", 'é; ü' AS t, even FROM 'a.csv' JOIN 'b.parquet' USING (id)"
    assert read(query, path=str(files)).feature_names == ("größe",)
    assert "several statements" in refused("SELECT 'éé' AS a; SELECT 2", path=str(files))


def test_what_differs_in_capitals_alone_is_refused(files: Path) -> None:
    (files / "case.csv").write_text("a,A,y\n1,2,3\n")
    assert "several columns are called a in lower case" in refused("SELECT 1", path=str(files))
    (files / "case.csv").unlink()
    (files / "more").mkdir()
    (files / "more" / "A.csv").write_text("a,y\n1,2\n")
    assert "several files are called a.csv" in refused("SELECT 1", path=f"{files}/**/*.csv")


def test_a_url_of_a_file_is_refused(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/new.db", f"duckdb:///{tmp_path}/new.db", "sqlite+x://"):
        assert "is a URL of a file" in refused("SELECT 1", database=url)
    assert list(tmp_path.iterdir()) == []


def test_settings_that_do_not_go_together_are_refused(files: Path) -> None:
    assert "data.query: data.source=sql needs it" in refused(None, path=str(files))  # type: ignore[arg-type]
    assert "valid: one of the two" in refused("SELECT 1")
    assert "valid: one of the two" in refused("SELECT 1", path=str(files), database="a.sqlite")
    assert "there is no such file" in refused("SELECT 1", database=str(files / "no.sqlite"))


def database(path: Path, connection: Any) -> Path:
    connection.execute("CREATE TABLE t (id INTEGER, size DOUBLE PRECISION, kind TEXT, day TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", VALUES)
    connection.commit()
    connection.close()
    return path


@pytest.mark.parametrize("connect", [sqlite3.connect, duckdb.connect])
def test_databases_are_read_and_never_written(connect: Any, tmp_path: Path) -> None:
    path = database(tmp_path / "rows.db", connect(str(tmp_path / "rows.db")))
    before = path.read_bytes()
    query = "SELECT size, day, kind FROM t WHERE id < 30 ORDER BY id DESC"
    dataset = read(query, database=str(path))
    assert dataset.table is not None
    assert [column.kind for column in dataset.table.columns] == ["numeric", "date", "target"]
    np.testing.assert_array_equal(dataset.x[:, 0], [r / 4 for r in range(29, -1, -1)])
    assert dataset.y.tolist() == ["xy"[r % 2] for r in range(29, -1, -1)]
    for attack in (
        "DELETE FROM t",
        "DROP TABLE t",
        f"ATTACH '{tmp_path / 'other.db'}' AS o",
        "INSERT INTO t VALUES (1, 1, 'x', '')",
        "PRAGMA journal_mode = WAL",
        f"COPY t TO '{tmp_path / 'out.csv'}'",
        "SELECT load_extension('x')",
        f"SELECT * FROM read_text('{tmp_path}/rows.db')",
        "SELECT writefile('x', 'y')",
        "SELECT * FROM nothing",
    ):
        assert refused(attack, database=str(path)).startswith("data.")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_texts_of_a_database_stay_what_they_are(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "t.db")
    connection.execute("CREATE TABLE t (a, b, y)")
    rows = [(r, None if r % 5 else b"\xc3\xa4", ("1.1", "1.10", "NA")[r % 3]) for r in range(30)]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connection.commit()
    dataset = read("SELECT * FROM t", database=str(tmp_path / "t.db"), default_missing=False)
    assert sorted(set(dataset.y)) == ["1.1", "1.10", "NA"]
    assert dataset.table is not None
    assert dataset.table.columns[1].categories == ("ä",)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server on this machine, with `${PASSWORD}` in it."""
    pytest.importorskip("sqlalchemy", reason="needs the package sqlalchemy")
    pytest.importorskip("psycopg", reason="needs the package psycopg")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed:
        pytest.skip("needs a PostgreSQL server: apt install postgresql")
    programs = installed[-1].parent
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        user = None
        if os.geteuid() == 0:  # the server refuses to run as root
            user = "postgres"
            shutil.chown(name, user)
        folder, data = Path(name), f"{name}/data"
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()

        def call(*command: Any) -> None:
            subprocess.run(
                command, check=True, capture_output=True, user=user, cwd=name, timeout=90
            )

        (folder / "password").write_text("s3cret&word")
        secret = f"--pwfile={folder / 'password'}"
        call(programs / "initdb", "-D", data, "-U", "me", "-A", "password", secret)
        options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        )
        control = (programs / "pg_ctl", "-D", data, "-w", "-t", "60")
        call(*control, "-o", options, "-l", f"{data}/log", "start")
        try:
            yield f"postgresql+psycopg://me:${{PASSWORD}}@127.0.0.1:{port}/postgres"
        finally:
            call(*control, "-m", "immediate", "stop")


def test_a_server_is_read_in_pieces_without_showing_the_password(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    monkeypatch.setenv("PASSWORD", "s3cret&word")
    monkeypatch.setattr("src.data.sources.sql._PIECE", 7)
    address = server.replace("postgresql+psycopg://me:${PASSWORD}@", "postgresql://")
    with psycopg.connect(address, user="me", password="s3cret&word") as connection:
        connection.execute("CREATE TABLE t (id INT, size FLOAT8, ok BOOL, n NUMERIC(9, 2), d DATE)")
        for r in range(ROWS):
            row = (r, None if r == 3 else r / 4, r % 3 == 0, f"{r % 4}.10", f"2024-02-{r % 28 + 1}")
            connection.execute("INSERT INTO t VALUES (%s, %s, %s, %s, %s)", row)
    query = "SELECT size, ok, d, n FROM t ORDER BY id"
    dataset = read(query, database=server, task="multiclass")
    assert dataset.table is not None
    kinds = [column.kind for column in dataset.table.columns]
    assert kinds == ["numeric", "boolean", "date", "target"]
    assert sorted(set(dataset.y)) == ["0.10", "1.10", "2.10", "3.10"]
    np.testing.assert_array_equal(dataset.x[:, 0], [np.nan if r == 3 else r / 4 for r in range(40)])
    for attack in ("DELETE FROM t", "DROP TABLE t", "SELECT 'é'; DROP TABLE t"):
        assert "is no SELECT, or several statements" in refused(attack, database=server)
    attack = "WITH gone AS (DELETE FROM t RETURNING id) SELECT * FROM gone"
    assert "must not contain data-modifying" in refused(attack, database=server)
    assert len(read(query, database=server).y) == ROWS
    said = [refused("SELECT nothing FROM t", database=server)]
    monkeypatch.setenv("PASSWORD", "wr0ng")
    said.append(refused(query, database=server))
    monkeypatch.delenv("PASSWORD")
    said.append(refused(query, database=server))
    assert 'column "nothing" does not exist' in said[0]
    assert "password authentication failed" in said[1]
    assert "the environment has no variable PASSWORD" in said[2]
    assert not any("s3cret" in text or "wr0ng" in text for text in said)


def test_a_url_in_a_file_is_used_only_when_it_is_repeated(tmp_path: Path) -> None:
    url = "postgresql://me:${PASSWORD}@db.example.org/x"
    overrides = ["data.source=sql", "data.query=SELECT 1", f"data.database={url}"]
    config = load_config(None, overrides)
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(config, {}))
    assert url in path.read_text()  # but not what the variable holds
    with pytest.raises(UserError, match=r"data\.database: the URL in .*config\.yaml is not used"):
        load_config(path)
    assert load_config(path, [f"data.database={url}"]) == config
    with pytest.raises(UserError, match="is not used"):
        load_config(path, ["data={target: y}"])
    for other in ("data.database=rows.duckdb", f"data={{database: '{url}'}}"):
        assert load_config(path, [other]).data.query == "SELECT 1"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@host/db",
        "postgresql://host/db?user=me&password=s3cret",
        "mysql://host/db?ssl_key=s3cret",
        "mysql://host/db?p%61ssword=s3cret",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Ds3cret",
        "postgresql://me:pre${PASSWORD}s3cret@host/db",
    ],
)
def test_a_secret_in_a_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UserError) as raised:
        load_config(None, [f"data.database={url}"])
    assert "Write ${NAME} in its place" in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_the_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert "pip install sqlalchemy" in refused("SELECT 1", database="postgresql://host/db")
