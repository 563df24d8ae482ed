"""The result of a query: of a DuckDB or SQLite file, of a server, or of the files of a path."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
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
_SELECT = re.compile(r"(?i)(\s|\()*(select|with|from|values)\b")
_NO_SELECT = "data.query: is no SELECT, or several statements; valid: one SELECT"

Pieces = Iterator[tuple[list[str], list[Any]]]
"""Names of columns, and some rows; the first piece may have none."""


def sql(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001 (one signature for all)
    """Returns the rows of `data.query`, one SELECT, as a table.

    It runs on `data.database`, which nothing writes to; without one, on the files of `data.path`,
    by their names: `SELECT … FROM 'a.csv' JOIN 'b.parquet' USING (id)`. Raises `UserError` naming
    the key, what the database says, and what is valid.
    """
    refuse_unused(settings, [key for key in USED_BY if "sql" in USED_BY[key]])
    if settings.query is None:
        raise UserError("data.query: data.source=sql needs it; valid: one SELECT")
    if (settings.database is None) == (settings.path is None):
        raise UserError(
            "data.database: data.source=sql needs it, or data.path for a query over files; valid: "
            "one of the two"
        )
    query = settings.query.strip().rstrip("; \n")
    encoded = query.encode()  # DuckDB counts bytes
    signs = [at for at, kind in duckdb.tokenize(query) if kind == duckdb.token_type.operator]
    if any(encoded[at : at + 1] == b";" for at in signs) or not _SELECT.match(query):
        raise UserError(_NO_SELECT)
    if settings.database is None:
        return dataset_of(_of_files(query, settings), settings, "query")
    if re.match(r"(?i)(sqlite|duckdb)\b.*://", settings.database):
        raise UserError(
            f"data.database: {settings.database}: is a URL of a file, which SQLAlchemy would open "
            "for writing; valid: the path of the file"
        )
    if is_url(settings.database):
        return dataset_of(_of_texts(_server_rows(settings.database, query)), settings, "query")
    path = Path(settings.database).expanduser()
    [path] = files_of(str(path), f"data.database: {path}")
    with reading_errors(f"data.database: {path}"):
        with path.open("rb") as file:
            is_sqlite = file.read(16) == b"SQLite format 3\0"
        if is_sqlite:
            return dataset_of(_of_texts(_sqlite_rows(path, query)), settings, "query")
        connection = connect([path, Path(f"{path}.wal")], attached=path, threads=1)
    return dataset_of(_result(connection, query), settings, "query")


def _of_files(query: str, settings: DataSettings) -> OpenTable:
    """The result over files, each a view with its name, whose columns have types."""
    files = files_of(str(settings.path), f"data.path: {settings.path}")
    tables = [open_files([file], f"data.path: {file}", dialect(settings)) for file in files]
    names = [file.name.lower() for file in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(
            f"data.path: {settings.path}: several files are called {listed(twice)}; valid for a "
            "query: files with different names, in lower case too"
        )
    connection = connect([path for table in tables for path in table.paths], threads=1)
    preferred = formats.preferred(settings.decimal, settings.date_order)
    for file, table in zip(files, tables, strict=True):
        table = replace(table, missing=missing_texts(settings))
        lowered = [name.lower() for name in table.names]
        if alike := sorted({name for name in lowered if lowered.count(name) > 1}):
            raise UserError(
                f"{table.where}: several columns are called {listed(alike)} in lower case; valid "
                "for a query: names that differ in more, as SQL does not tell capitals"
            )
        kinds = ((name, settings.columns.get(name)) for name in table.names)
        wanted = {name: formats.TEXT if kind == "categorical" else None for name, kind in kinds}
        columns = []
        for name, format_ in column_formats(table, wanted, preferred).items():
            value = table.cell(table.text(name))
            if format_ != formats.TEXT:
                value = table.number(name, format_)
            if formats.is_date_format(format_):
                value = f"make_timestamp(CAST({value} * 86400e6 AS BIGINT))"
            columns.append(f"{value} AS {formats.identifier(name)}")
        view = formats.identifier(file.name)
        connection.execute(f"CREATE VIEW {view} AS SELECT {', '.join(columns)} FROM {table.sql}")
    try:
        return _result(connection, query)
    except UserError as error:
        known = listed(f"'{file.name}'" for file in files)
        raise UserError(f"{error}; the files of data.path are {known}") from error


def _result(connection: duckdb.DuckDBPyConnection, query: str) -> OpenTable:
    """The result of a query, kept in memory, so that each pass reads the same rows.

    The connection has one thread: with more, the order of the rows of a join may change.
    """
    with reading_errors("data.query"):
        kinds = [statement.type for statement in connection.extract_statements(query)]
        if kinds != [duckdb.StatementType.SELECT]:
            raise UserError(_NO_SELECT)
        relation = connection.sql(query)
        names, types = relation.columns, [str(type_) for type_ in relation.types]
        columns = ", ".join(f"#{place + 1} AS c{place}" for place in range(len(names)))
        relation.project(columns).create("memory.main.result")
    connection.execute("USE memory")
    names = [plain_name(name) for name in names]
    table = OpenTable(connection, "memory.main.result", tuple(names), tuple(types), "data.query")
    return single_values(table)


def _of_texts(pieces: Pieces) -> OpenTable:
    """A table of texts, as of a CSV file, from rows of Python's values."""
    connection = connect()
    names: list[str] = []
    for found, rows in pieces:
        names = [plain_name(name) for name in found]
        aliases = [f"c{place}" for place in range(len(names))]
        texts = [[None if v is None else _text(v) for v in row] for row in rows]
        frame = pd.DataFrame(texts, columns=aliases, dtype="string")
        columns = ", ".join(f"{name} VARCHAR" for name in aliases)
        connection.execute(f"CREATE TABLE IF NOT EXISTS result ({columns})")
        connection.register("piece", frame)
        connection.execute("INSERT INTO result SELECT * FROM piece")
    types = ("VARCHAR",) * len(names)
    return single_values(OpenTable(connection, "result", tuple(names), types, "data.query"))


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _sqlite_rows(path: Path, query: str) -> Pieces:
    try:
        uri = f"file:{quote(str(path.resolve()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            # With mode=ro alone, ATTACH would make other files.
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            cursor = connection.execute(query)
            if cursor.description is None:
                raise UserError(_NO_SELECT)
            names = [str(column[0]) for column in cursor.description]
            yield names, []
            while rows := cursor.fetchmany(_PIECE):
                yield names, rows
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        raise UserError(
            f"data.database: {path}: {error}; valid: one SELECT in data.query"
        ) from error


def _server_rows(url: str, query: str) -> Pieces:
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
    options: dict[str, Any] = {"stream_results": True, "max_row_buffer": _PIECE}
    if full.startswith("postgres"):
        options["postgresql_readonly"] = True
    try:
        engine = sqlalchemy.create_engine(full, poolclass=sqlalchemy.pool.NullPool)
        with engine.connect().execution_options(**options) as connection:
            result = connection.exec_driver_sql(query)
            if not result.returns_rows:
                raise UserError(_NO_SELECT)
            columns = list(result.keys())
            yield columns, []
            for rows in result.partitions(_PIECE):
                yield columns, [tuple(row) for row in rows]
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError, OSError) as error:
        text = str(getattr(error, "orig", None) or error).strip()
        for secret in filter(None, (full, *(os.environ[name] for name in names))):
            for form in (secret, quote(secret, safe=""), repr(secret)[1:-1]):
                text = text.replace(form, "…")
        raise UserError(f"data.database: {url}: {text.splitlines()[0]}") from None
