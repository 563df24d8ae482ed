"""The result of a query: of a DuckDB or SQLite file, of a server, or of the files of a path."""

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pandas as pd

from src.config.fields import is_url
from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.sources.checks import USED_BY, refuse_unused
from src.data.sources.table import dataset_of, dialect, missing_texts
from src.data.tables import formats
from src.data.tables.cells import column_formats
from src.data.tables.database import OpenTable, connect, open_files, reading_errors, single_values
from src.data.tables.files import files_of
from src.data.tables.text_form import plain_name
from src.errors import UserError, listed

_PIECE = 10_000  # rows fetched at a time
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_VALID = "a DuckDB file, a SQLite file, or a URL that SQLAlchemy knows, such as postgresql://…"


def sql(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001 (one signature for all)
    """Returns the rows of `data.query`, one SELECT, as a table.

    It runs on `data.database`, which nothing writes to; without one, on the files of `data.path`,
    by their names: `SELECT … FROM 'a.csv' JOIN 'b.parquet' USING (id)`.

    Raises:
        UserError: naming the key, what the database says, and what is valid.
    """
    refuse_unused(settings, [key for key in USED_BY if "sql" in USED_BY[key]])
    if settings.query is None:
        raise UserError("data.query: data.source=sql needs it; valid: one SELECT")
    if (settings.database is None) == (settings.path is None):
        raise UserError(
            "data.database: data.source=sql needs it, or data.path for a query over files; valid: "
            "one of the two"
        )
    query, database = _checked(settings.query), settings.database
    if database is None:
        table = _of_files(query, settings)
    elif is_url(database):
        table = _of_texts(_server_rows(database, query))
    else:
        path = Path(database).expanduser()
        with _start(path) as start:
            is_sqlite = start.startswith(b"SQLite format 3\0")
        table = _of_texts(_sqlite_rows(path, query)) if is_sqlite else _of_duckdb(path, query)
    return dataset_of(table, settings, "query")


def _checked(query: str) -> str:
    """The query without a semicolon at its end; refuses several statements."""
    query = query.strip().rstrip(";").rstrip()
    kinds = duckdb.tokenize(query)
    operators = [place for place, kind in kinds if kind == duckdb.token_type.operator]
    if any(query[place] == ";" for place in operators):
        raise UserError("data.query: holds several statements; valid: one SELECT")
    return query


@contextmanager
def _start(path: Path) -> Iterator[bytes]:
    where = f"data.database: {path}"
    if not path.is_file():
        found = "is no regular file" if path.exists() else "there is no such file"
        raise UserError(f"{where}: {found}; valid: {_VALID}")
    with reading_errors(where), path.open("rb") as file:
        yield file.read(16)


def _of_files(query: str, settings: DataSettings) -> OpenTable:
    """The result over files, each a view with its name, whose columns have types."""
    where = f"data.path: {settings.path}"
    files = files_of(str(settings.path), where)
    tables = [(file, open_files([file], f"data.path: {file}", dialect(settings))) for file in files]
    paths = [path for _, table in tables for path in table.paths]
    connection = connect(paths)
    preferred = formats.preferred(settings.decimal, settings.date_order)
    for file, table in tables:
        table = replace(table, missing=missing_texts(settings))
        texts = [name for name in table.names if settings.columns.get(name) == "categorical"]
        wanted = {name: formats.TEXT if name in texts else None for name in table.names}
        columns = []
        for name, format_ in column_formats(table, wanted, preferred).items():
            value = (
                table.cell(table.text(name))
                if format_ == formats.TEXT
                else table.number(name, format_)
            )
            if formats.is_date_format(format_):
                value = f"make_timestamp(CAST({value} * 86400e6 AS BIGINT))"
            columns.append(f"{value} AS {formats.identifier(name)}")
        view = formats.identifier(file.name)
        connection.execute(f"CREATE VIEW {view} AS SELECT {', '.join(columns)} FROM {table.sql}")
    try:
        return _result(connection, query, [table for _, table in tables])
    except UserError as error:
        names = listed(f"'{file.name}'" for file in files)
        raise UserError(f"{error}; the files of data.path are {names}") from error


def _of_duckdb(path: Path, query: str) -> OpenTable:
    with reading_errors(f"data.database: {path}"):
        connection = connect([path, Path(f"{path}.wal")], attached=path)
    return _result(connection, query)


def _result(
    connection: duckdb.DuckDBPyConnection, query: str, keep: Sequence[OpenTable] = ()
) -> OpenTable:
    """The result of a query, kept in memory, so that each pass reads the same rows."""
    with reading_errors("data.query"):
        statements = connection.extract_statements(query)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise UserError("data.query: is no SELECT; valid: one SELECT")
        relation = connection.sql(query)
        names, types = relation.columns, [str(type_) for type_ in relation.types]
        aliases = [f"c{place}" for place in range(len(names))]
        relation.project(", ".join(f"#{i + 1} AS {name}" for i, name in enumerate(aliases))).create(
            "memory.main.result"
        )
    connection.execute("USE memory")
    del keep  # their copies of files were needed until here
    return single_values(
        OpenTable(
            *(connection, "memory.main.result", tuple(map(plain_name, names)), tuple(types)),
            "data.query",
        )
    )


def _of_texts(pieces: Iterator[tuple[list[str], list[Any]]]) -> OpenTable:
    """A table of texts, as of a CSV file, from rows of Python's values."""
    connection = connect()
    names: list[str] = []
    for names, rows in pieces:
        aliases = [f"c{place}" for place in range(len(names))]
        frame = pd.DataFrame(
            [[None if v is None else _text(v) for v in row] for row in rows],
            columns=aliases,
            dtype="string",
        )
        columns = ", ".join(f"{name} VARCHAR" for name in aliases)
        connection.execute(f"CREATE TABLE IF NOT EXISTS result ({columns})")
        connection.register("piece", frame)
        connection.execute("INSERT INTO result SELECT * FROM piece")
    types = ("VARCHAR",) * len(names)
    return single_values(
        OpenTable(connection, "result", tuple(map(plain_name, names)), types, "data.query")
    )


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _pieces(cursor: Any) -> Iterator[tuple[list[str], list[Any]]]:
    if cursor.description is None:
        raise UserError("data.query: gives no rows; valid: one SELECT")
    names = [str(column[0]) for column in cursor.description]
    yield names, []
    while rows := cursor.fetchmany(_PIECE):
        yield names, rows


def _sqlite_rows(path: Path, query: str) -> Iterator[tuple[list[str], list[Any]]]:
    where = f"data.database: {path}"
    try:
        uri = f"file:{quote(str(path.resolve()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            # With mode=ro alone, ATTACH would make other files.
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            yield from _pieces(connection.execute(query))
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        raise UserError(f"{where}: {error}; valid: one SELECT in data.query") from error


def _server_rows(url: str, query: str) -> Iterator[tuple[list[str], list[Any]]]:
    """Rows of a database that SQLAlchemy reaches; secrets come from the environment."""
    try:
        import sqlalchemy
    except ModuleNotFoundError as error:
        raise UserError(
            "data.database: a URL needs the package sqlalchemy, which is not installed: pip "
            "install sqlalchemy, and the package of the database, such as psycopg"
        ) from error
    names = _VARIABLE.findall(url)
    if absent := [name for name in names if name not in os.environ]:
        raise UserError(
            f"data.database: {url}: the environment has no variable {', '.join(absent)}; set it"
        )
    full = _VARIABLE.sub(lambda match: quote(os.environ[match[1]], safe=""), url)
    try:
        options: dict[str, Any] = {"stream_results": True, "max_row_buffer": _PIECE}
        if full.startswith(("postgresql", "postgres")):
            options["postgresql_readonly"] = True
        engine = sqlalchemy.create_engine(full, poolclass=sqlalchemy.pool.NullPool)
        with engine.connect().execution_options(**options) as connection:
            result = connection.exec_driver_sql(query)
            if not result.returns_rows:
                raise UserError("data.query: gives no rows; valid: one SELECT")
            columns = list(result.keys())
            yield columns, []
            for rows in result.partitions(_PIECE):
                yield columns, [tuple(row) for row in rows]
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError, OSError) as error:
        text = str(getattr(error, "orig", None) or error).strip()
        for secret in (full, *(os.environ[name] for name in names)):
            text = (
                text.replace(secret, "…").replace(quote(secret, safe=""), "…") if secret else text
            )
        raise UserError(f"data.database: {url}: {text.splitlines()[0]}; valid: {_VALID}") from None
