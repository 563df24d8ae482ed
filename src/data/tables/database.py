"""Tables as DuckDB reads them: files that are opened once, and nothing beside them."""

import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from src.data.tables import formats
from src.data.tables.files import one_format
from src.data.tables.text_form import (
    BLANKS,
    GZIP,
    ZSTD,
    Dialect,
    TextForm,
    distinct_names,
    find_form,
    write_plain,
)
from src.errors import UserError, listed

CHUNK_CELLS = 1_000_000  # fetched at a time
_VECTOR = 2048  # rows in which DuckDB counts what it fetches
_INDEX = re.compile(r"__index_level_\d+__")  # pandas stores the labels of rows so
_NESTED = re.compile(r"STRUCT|MAP|UNION|VARIANT|.*\]$")
_SEVERAL = "json_type(c{0}) IN ('OBJECT', 'ARRAY')"


@dataclass(frozen=True, eq=False)
class OpenTable:
    """A table that is open for reading."""

    connection: duckdb.DuckDBPyConnection
    sql: str  # of a table with the columns c0, c1 and so on
    names: tuple[str, ...]  # of those columns, distinct
    types: tuple[str, ...]  # as DuckDB calls them
    where: str  # the key and the path, for messages
    form: TextForm | None = None  # of the first file, if it is a CSV file
    notices: tuple[str, ...] = ()  # what a user should know of its form, a sentence each
    left_out: tuple[str, ...] = ()  # columns that hold several values a row
    missing: tuple[str, ...] = formats.MISSING
    paths: tuple[Path, ...] = ()  # the files that DuckDB reads
    # Copies of files that DuckDB cannot read; deleted with this object.
    folder: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def type_of(self, name: str) -> str:
        """DuckDB's type of a column."""
        return self.types[self._places[name]]

    def raw(self, name: str) -> str:
        """The expression of a column."""
        return f"c{self._places[name]}"

    def text(self, name: str) -> str:
        """The expression of a column's texts as the file has them, with blanks around them."""
        return formats.text_sql(self.raw(name), self.type_of(name))

    def is_missing(self, text: str, *, is_label: bool = False) -> str:
        """The condition that a text stands for no value; `none` is a label like any other."""
        missing = [known for known in self.missing if not (is_label and known == "none")]
        return formats.missing_sql(text, missing)

    def cell(self, text: str, *, is_label: bool = False) -> str:
        """The expression of the cell that a text makes: NULL for missing values."""
        return (
            f"CASE WHEN {self.is_missing(text, is_label=is_label)} THEN NULL ELSE bare({text}) END"
        )

    def number(self, name: str, format_name: str) -> str:
        """The expression of a column's numbers, or days, as DOUBLE."""
        raw, type_ = self.raw(name), self.type_of(name)
        if formats.is_time_type(type_):
            return f"days({raw})"
        is_plain = format_name == formats.PLAIN and self.missing == formats.MISSING
        if is_plain and (type_ == "VARCHAR" or formats.is_number_type(type_)):
            return f"plain({raw})"  # no missing text is a number
        return formats.number_sql(self.cell(self.text(name)), format_name)

    def chunks(
        self, columns: Mapping[str, str], limit: int | None = None
    ) -> Iterator[pd.DataFrame]:
        """Gives expressions of all rows, or of the first `limit`, in pieces, by their names."""
        # Names of columns are no part of the query: they may hold anything.
        chosen = ", ".join(f"{sql} AS v{place}" for place, sql in enumerate(columns.values()))
        end = "" if limit is None else f" LIMIT {limit}"
        vectors = max(1, CHUNK_CELLS // _VECTOR // max(1, len(columns)))
        with reading_errors(self.where):
            result = self.connection.execute(f"SELECT {chosen} FROM {self.sql}{end}")
            while len(frame := result.fetch_df_chunk(vectors)):
                frame.columns = list(columns)
                yield frame

    def one(self, sql: str, end: str = "") -> tuple[Any, ...]:
        """Returns the first row of `SELECT {sql} FROM` the table."""
        with reading_errors(self.where):
            row = self.connection.execute(f"SELECT {sql} FROM {self.sql} {end}").fetchone()
        assert row is not None
        return row


@contextmanager
def reading_errors(where: str) -> Iterator[None]:
    """Turns DuckDB's errors, raised while a table is read, into a `UserError`."""
    try:
        yield
    except (duckdb.Error, OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(f"{where}: cannot be read ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    """The first sentence of an error of DuckDB, with the line where that is known."""
    text = str(error)
    if line := re.search(r"CSV Error on Line: (\d+)", text):
        rest = re.search(r"\n((?:Expected Number|Value with|Maximum line|Invalid).*)", text)
        return (
            f"line {line[1]}: {rest[1] if rest else 'unlike others'}. Valid: lines below 2 MB with "
            "as many fields as the first one, and closed quotes; mend the line, or take it out"
        )
    return re.sub(r"^[\w ]*Error: ", "", next(iter(text.strip().splitlines()), repr(error)))


def connect(
    files: Sequence[Path] = (), attached: Path | None = None, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Returns a database in memory that can read these files, and nothing else.

    `attached` is one of them that is a DuckDB database, whose tables are then known.
    """
    off: dict[str, Any] = dict.fromkeys(
        ("autoinstall_known_extensions", "autoload_known_extensions", "python_enable_replacements"),
        "false",
    )
    connection = duckdb.connect(config=off | ({} if threads is None else {"threads": threads}))
    connection.execute("SET TimeZone = 'UTC'")
    # It makes a join of a long IN (…), which loses the order of the rows.
    connection.execute("SET disabled_optimizers = 'in_clause'")
    connection.execute(formats.MACROS)
    # In this order: each of them takes away what the one before needs.
    connection.execute("SET allowed_paths = ?", [[str(file) for file in files]])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    if attached is not None:
        connection.execute(f"ATTACH {formats.quoted(str(attached))} AS given (READ_ONLY)")
        connection.execute("USE given")
    return connection


def open_files(files: Sequence[Path], where: str, dialect: Dialect) -> OpenTable:
    """Opens files of one format with the same columns.

    Raises `UserError` naming the file and what is valid; so do reads, with the line in a CSV file.
    """
    with reading_errors(where):
        kind = one_format(files, where)
        if kind == "csv":
            return _open_text(files, where, dialect)
    connection = connect(files)
    sqls, names = [], tuple[str, ...]()
    for file in files:
        of = formats.quoted(str(file.absolute()))
        sql = f"read_{kind}({of}{', maximum_depth=1, sample_size=-1' * (kind == 'json')})"
        described = _described(connection, sql, where if len(files) == 1 else f"{where}: {file}")
        given = [name for name, _ in described if not _INDEX.fullmatch(name)]
        found = distinct_names(given)
        names = names or found
        _check_same(names, found, file, where)
        columns = (formats.identifier(given[found.index(name)]) for name in names)
        sqls.append(f"SELECT {', '.join(columns)} FROM {sql}")
    union = _union(sqls, len(names))
    types = tuple(type_ for _, type_ in _described(connection, union, where))
    table = OpenTable(connection, union, names, types, where, paths=tuple(files))
    if kind == "json":  # whose values are texts as those of CSV files are
        places = range(len(names))
        several = table.one(
            ", ".join(f"coalesce(bool_or({_SEVERAL.format(i)}), false)" for i in places)
        )
        texts = ", ".join(f"c{i} ->> '$' AS c{i}" for i in places)
        types = tuple("STRUCT" if is_several else "VARCHAR" for is_several in several)
        table = replace(table, sql=f"(SELECT {texts} FROM {table.sql})", types=types)
    return single_values(table)


def _described(
    connection: duckdb.DuckDBPyConnection, sql: str, where: str
) -> list[tuple[str, str]]:
    """The names and types of a table's columns."""
    with reading_errors(where):
        rows = connection.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()
    return [(str(row[0]), str(row[1])) for row in rows]


def single_values(table: OpenTable) -> OpenTable:
    """Returns the table without columns that hold several values a row.

    Raises `UserError` if no column is left, or two columns have one name.
    """
    if twice := sorted(name for name, count in Counter(table.names).items() if count > 1):
        raise UserError(f"{table.where}: several columns are called {listed(twice)}; rename them")
    several = [bool(_NESTED.match(type_)) for type_ in table.types]
    kept = [place for place, is_several in enumerate(several) if not is_several]
    left = [(table.names[i], table.types[i]) for i, is_several in enumerate(several) if is_several]
    shown = listed(f"'{name}' ({type_})" for name, type_ in left)
    if not kept:
        raise UserError(
            f"{table.where}: has no column with one value a row, but {shown}; valid: numbers, "
            "texts, booleans, dates"
        )
    columns = ", ".join(f"c{old} AS c{new}" for new, old in enumerate(kept))
    return replace(
        table,
        sql=f"(SELECT {columns} FROM {table.sql})" if left else table.sql,
        names=tuple(table.names[place] for place in kept),
        types=tuple(table.types[place] for place in kept),
        notices=(f"left out, as they hold several values a row: {shown}",) if left else (),
        left_out=tuple(name for name, _ in left),
    )


def _open_text(files: Sequence[Path], where: str, dialect: Dialect) -> OpenTable:
    folder = tempfile.TemporaryDirectory(prefix="tables-")
    found: list[tuple[Path, TextForm]] = []
    for place, file in enumerate(files):
        plain = _unpacked(file, Path(folder.name) / f"{place}.txt")
        form = find_form(plain, where if len(files) == 1 else f"{where}: {file}", dialect)
        _check_same(found[0][1].names if found else form.names, form.names, file, where)
        found.append((plain, form))
    is_plain = all(f.separator != BLANKS and f.is_plain for _, f in found)
    if not is_plain:
        found = [write_plain(*pair, Path(folder.name) / f"{i}") for i, pair in enumerate(found)]
    names, paths = found[0][1].names, tuple(file for file, _ in found)
    types = ("VARCHAR",) * len(names)
    table = OpenTable(connect(paths), _text_sql(found, names), names, types, where)
    return single_values(replace(table, form=found[0][1], paths=paths, folder=folder))


def _unpacked(file: Path, target: Path) -> Path:
    """The file, or a copy of one that is packed by zstd, which Python cannot read."""
    with file.open("rb") as content:
        if content.read(4) != ZSTD:
            return file
    lines = duckdb.connect().execute(
        "SELECT line FROM read_csv(?, columns={'line': 'VARCHAR'}, auto_detect=false, header=false,"
        " delim=chr(1), quote='', escape='', compression='zstd')",
        [str(file)],
    )
    with target.open("w", encoding="utf-8") as copy:
        while rows := lines.fetchmany(100_000):
            copy.writelines(f"{line or ''}\n" for (line,) in rows)
    return target


def _text_sql(files: Sequence[tuple[Path, TextForm]], names: Sequence[str]) -> str:
    """The expression of CSV files; neighbours of the same form are read together."""
    sqls = []
    for (form, packed), group in groupby(files, key=_likeness):
        paths = ", ".join(formats.quoted(str(file.absolute())) for file, _ in group)
        types = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(form.names)))
        places = {name: place for place, name in enumerate(form.names)}
        columns = ", ".join(f"c{places[name]}" for name in names)
        sqls.append(
            f"SELECT {columns} FROM read_csv([{paths}], columns={{{types}}}, auto_detect=false, "
            f"delim={formats.quoted(form.separator)}, quote='\"', escape='\"', "
            f"header={str(form.has_header).lower()}, skip={form.skipped}, "
            f"compression='{packed}')"
        )
    return _union(sqls, len(names))


def _likeness(file: tuple[Path, TextForm]) -> tuple[TextForm, str]:
    """What files that are read together have in common."""
    with file[0].open("rb") as content:
        packed = "gzip" if content.read(2) == GZIP else "none"
    return replace(file[1], encoding="", remarks=(), looks_headed=False), packed


def _union(sqls: Sequence[str], columns: int) -> str:
    names = ", ".join(f"c{place}" for place in range(columns))
    return f"({' UNION ALL '.join(sqls)}) AS rows_({names})"


def _check_same(names: Sequence[str], found: Sequence[str], file: Path, where: str) -> None:
    if differ := sorted(set(names) ^ set(found)):
        raise UserError(
            f"{where}: {file} has other columns than the first file: they differ in "
            f"{listed(differ)}. Valid: files with the same columns"
        )
