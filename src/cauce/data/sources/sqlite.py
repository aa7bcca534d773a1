"""SQLite: a file read with Python's own sqlite3, never written to.

SQLite types values, not columns: a column's type is decided by all of its values, and by its declaration where that
says a date, a time or a truth that SQLite itself can only keep as text or number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from cauce.data.columns import quoted
from cauce.data.faults import find_file
from cauce.data.sources.landing import BATCH, land, landed, plain
from cauce.data.sources.local import stat_mark
from cauce.data.sources.source import Asked, Raw
from cauce.data.sources.tables import no_such_table, table_needed

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE = 300
"""Columns asked about in one query: SQLite takes 2,000 results."""
_EXACT = 2**53
"""Whole numbers up to which each is a double too."""
_DIGITS = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_DAY, _MOMENT = "____-__-__", "____-__-__%__:__%"


class _Column(NamedTuple):
    name: str
    kind: str
    """integer, real, text, blob, mixed, empty; or boolean, date, moment by declaration."""


class Sqlite:
    """An SQLite file."""

    keys = frozenset({"table"})

    def mark(self, asked: Asked) -> str:
        """Say size and time of change of the file, and of its journal where writers keep one beside it."""
        path = asked.folder / asked.spec.source
        beside = path.with_name(path.name + "-wal")
        return stat_mark(path, beside) if beside.exists() else stat_mark(path)

    @contextmanager
    def opened(self, asked: Asked) -> Iterator[Raw]:
        """Read the table into the spill folder; see `Source`."""
        path = find_file(asked.folder, asked.spec.source, where=asked.at("source"))
        with _sqlite_errors(asked), closing(_connect(path)) as connection:
            table = _table(connection, asked)
            columns = _columns(connection, table)
            schema = _schema(columns)
            file = land(
                asked, schema, _batches(connection, f"{quoted(table)}{_wanted(columns, asked)}", columns, schema)
            )
        with landed(asked, file, names=[column.name for column in columns], casts=_casts(columns)) as rows:
            yield rows


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=30.0)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")  # a view of a stranger's file runs harmless functions only
    connection.execute("BEGIN")  # types and rows are those of one moment
    return connection


@contextmanager
def _sqlite_errors(asked: Asked) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        hint = "Check that the file is whole, an SQLite database, and its texts UTF-8."
        if "locked" in str(error):
            hint = "Another program is writing: close it, or wait, and run the same command again."
        raise asked.fault(f"the SQLite database cannot be read: {str(error)[:200]}", hint=hint) from error


def _table(connection: sqlite3.Connection, asked: Asked) -> str:
    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    known = sorted(str(name) for (name,) in connection.execute(query))
    if asked.spec.table is None:
        raise table_needed(asked, known)
    # SQLite's names ignore the case of ASCII letters.
    found = [name for name in known if name.lower() == asked.spec.table.lower().removeprefix("main.")]
    found = found or [name for name in known if name.lower() == asked.spec.table.lower()]
    if not found:
        raise no_such_table(asked, known)
    return found[0]


def _columns(connection: sqlite3.Connection, table: str) -> list[_Column]:
    declared = {
        str(name): str(kind or "").upper()
        for name, kind in connection.execute("SELECT name, type FROM pragma_table_info(?)", [table])
    }
    names = [str(column[0]) for column in connection.execute(f"SELECT * FROM {quoted(table)} LIMIT 0").description]  # noqa: S608
    found: list[_Column] = []
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        asked = ", ".join(_questions(name) for name in some)
        answers = connection.execute(f"SELECT {asked} FROM {quoted(table)}").fetchone()  # noqa: S608 - names are quoted
        for i, name in enumerate(some):
            found.append(_Column(name, _kind(declared.get(name, ""), *answers[6 * i : 6 * i + 6])))
    return found


def _questions(name: str) -> str:
    column = quoted(name)
    kinds = ", ".join(f"max(typeof({column}) = '{kind}')" for kind in ("integer", "real", "text", "blob"))
    return (
        f"{kinds}, min({column} IN (0, 1)), "
        f"min(CASE WHEN {column} IS NULL OR {column} LIKE '{_DAY}' THEN 2 WHEN {column} LIKE '{_MOMENT}' THEN 1 "
        f"ELSE 0 END)"
    )


def _kind(declared: str, *answers: Any) -> str:
    whole, real, words, blob, truths, days = answers
    if blob:
        return "blob"
    if words:
        if whole or real:
            return "mixed"
        if ("DATE" in declared or "TIME" in declared) and days:
            return "date" if days == 2 and "TIME" not in declared else "moment"
        return "text"
    if whole and not real:
        return "boolean" if "BOOL" in declared and truths else "integer"
    return "real" if real else "empty"


def _schema(columns: Sequence[_Column]) -> pa.Schema:
    import pyarrow as pa

    kinds = {"integer": pa.int64(), "real": pa.float64(), "boolean": pa.bool_(), "blob": pa.binary()}
    return pa.schema(
        [(name, kinds.get(column.kind, pa.string())) for name, column in zip(plain(len(columns)), columns, strict=True)]
    )


def _casts(columns: Sequence[_Column]) -> dict[str, str]:
    types = {"date": "DATE", "moment": "TIMESTAMPTZ"}
    named = zip(plain(len(columns)), columns, strict=True)
    return {name: types[column.kind] for name, column in named if column.kind in types}


def _batches(
    connection: sqlite3.Connection, wanted: str, columns: Sequence[_Column], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    cursor = connection.execute(f"SELECT * FROM {wanted}")  # noqa: S608 - names are quoted
    while rows := cursor.fetchmany(BATCH):
        arrays = [
            pa.array(_values(values, column.kind), field.type)
            for values, column, field in zip(zip(*rows, strict=True), columns, schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _wanted(columns: Sequence[_Column], asked: Asked) -> str:
    """Return how rows below the watermark are left out, with all whose value SQLite might read otherwise than DuckDB.

    A text that says a moment may have a zone: days are compared, with one to spare; the rest is compared in DuckDB.
    """
    limit = "" if asked.most is None else f" LIMIT {asked.most}"
    name, bound = asked.since or ("", None)
    kind, column = {column.name: column.kind for column in columns}.get(name, ""), quoted(name)
    if kind in {"integer", "real"} and isinstance(bound, int | float) and abs(bound) <= _EXACT:
        # The sign takes away what the column's declaration would make of the number.
        return f" WHERE (+{column} >= {bound!r} OR {column} IS NULL){limit}"
    if kind in {"date", "moment"} and isinstance(bound, date):
        start = bound.date() if isinstance(bound, datetime) else bound
        day = f"substr({column}, 1, 10)"
        least = start - timedelta(days=1) if start > date.min else start
        return f" WHERE ({day} >= '{least.isoformat()}' OR {day} NOT GLOB '{_DIGITS}' OR {column} IS NULL){limit}"
    return limit


def _values(values: Sequence[Any], kind: str) -> Sequence[Any]:
    """Bring the values of a batch to the one type of their column."""
    if kind == "mixed":
        return [None if value is None else str(value) for value in values]
    if kind == "boolean":
        return [None if value is None else bool(value) for value in values]
    if kind == "real":
        return [None if value is None else float(value) for value in values]
    if kind == "blob":
        return [
            value.encode() if isinstance(value, str) else None if value is None else bytes(value) for value in values
        ]
    return values
