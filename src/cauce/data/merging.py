"""Incremental loads: what arrived since the newest watermark, merged by key with what the lake holds.

The newest watermark of a key wins, of equal ones the row that arrived last; rows marked as deleted leave. A row keeps
the place of its first arrival. Without a key rows are appended, those that the late stretch brings again once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.errors import UserError
from cauce.core.specs import DataSpec, seconds
from cauce.data.columns import ROW, quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from cauce.data.versions import Stored

Bound = datetime | date | int | float
"""From which watermark on rows are read."""
_KINDS = ("TIMESTAMP WITH TIME ZONE", "DATE", "BIGINT", "DOUBLE")


@dataclass(frozen=True)
class Merge:
    """What arrived rows do to a table."""

    connection: DuckDBPyConnection
    new: int
    updated: int
    deleted: int
    columns: tuple[str, ...]
    key: str
    """Quoted; empty where there is none."""
    late: int
    """Rows taken in whose watermark is older than the newest one that was there."""

    @property
    def only_new(self) -> bool:
        """Whether the rows that are there stay as they are."""
        return not self.updated and not self.deleted

    def gone(self, size: int) -> pa.RecordBatchReader:
        """Stream the rows as they were that are updated or deleted, without row numbers."""
        query = f"SELECT {self._list('k')} FROM kept k JOIN change c ON k.{quoted(ROW)} = c.kept_row"  # noqa: S608
        return self.connection.sql(query).to_arrow_reader(size)

    def come(self, size: int) -> pa.RecordBatchReader:
        """Stream the rows that are new or updated, with their row numbers, in their order."""
        return self.connection.sql(f"{self._come()} ORDER BY {quoted(ROW)}").to_arrow_reader(size)

    def touched(self, partition_by: Sequence[str]) -> pa.Table:
        """Return the partitions that rows leave or come into."""
        names, row = ", ".join(map(quoted, partition_by)), quoted(ROW)
        query = (
            f"SELECT {names} FROM kept k JOIN change c ON k.{row} = c.kept_row UNION "  # noqa: S608 - names are quoted
            f"SELECT {names} FROM arrived a JOIN change c ON a.{row} = c.arrived_row WHERE NOT c.gone ORDER BY ALL"
        )
        return self.connection.sql(query).to_arrow_table()

    def whole(self, size: int, within: str = "true") -> pa.RecordBatchReader:
        """Stream the merged table with its row numbers, in their order; or that of some partitions."""
        row = quoted(ROW)
        stay = f"SELECT {self._list('k')}, k.{row} FROM kept k ANTI JOIN change c ON k.{row} = c.kept_row"  # noqa: S608
        query = f"SELECT * FROM ({stay} UNION ALL {self._come()}) WHERE {within} ORDER BY {row}"  # noqa: S608
        return self.connection.sql(query).to_arrow_reader(size)

    def missed(self, beyond: Path) -> int:
        """Count the keys of rows from before the window that the table neither holds nor is given.

        Parameters
        ----------
        beyond
            A Parquet file of those rows' keys, as `key`, and whether they are `gone`: a key that is so once is none.
        """
        shown = str(beyond).replace("'", "''")
        query = (
            f"SELECT count(*) FROM (SELECT key FROM read_parquet('{shown}', hive_partitioning=false) "  # noqa: S608
            f"GROUP BY key HAVING NOT bool_or(gone)) b ANTI JOIN kept k ON k.{self.key} = b.key "
            f"ANTI JOIN arrived a ON a.{self.key} = b.key"
        )
        return int(self.connection.execute(query).fetchall()[0][0])

    def _come(self) -> str:
        row = quoted(ROW)
        return (
            f"SELECT {self._list('a')}, c.row_to AS {row} FROM arrived a JOIN change c ON a.{row} = c.arrived_row "  # noqa: S608
            f"WHERE NOT c.gone"
        )

    def _list(self, table: str) -> str:
        return ", ".join(f"{table}.{quoted(name)}" for name in self.columns)


def newest_seen(stored: Stored, spec: DataSpec, loaded_at: datetime, *, spill: Path) -> Bound | None:
    """Return the newest watermark that a version holds less the time within which rows may be late; None: no bound.

    A moment later than `loaded_at`, when the version was loaded, counts as that: one row dated 2999 by mistake would
    keep all others out for ever.
    """
    from cauce.data.duck import connect
    from cauce.data.relation import add_view

    assert spec.watermark is not None
    with closing(connect(spill)) as connection:
        add_view(connection, "kept", stored)
        # As Arrow: DuckDB's own moments with a zone need pytz.
        found = connection.sql(f"SELECT max({quoted(spec.watermark)}) AS newest FROM kept").to_arrow_table()  # noqa: S608
    newest = found["newest"][0].as_py()
    if newest is None:
        return None
    try:
        late = timedelta(seconds=seconds(spec.late))
        if isinstance(newest, datetime):
            return min(newest.astimezone(UTC), loaded_at) - late
        if isinstance(newest, date):
            return min(newest, loaded_at.date()) - timedelta(days=-(-late // timedelta(days=1)))
    except OverflowError:  # before the year 1: all rows
        return None
    bound: int | float = newest
    return bound


def since(table: Any, watermark: str, bound: Bound) -> Any:
    """Return the rows of an Ibis table from a watermark on, and those without one, which are then refused.

    The condition stands outside of every step of a preparation; the engine takes it inwards as far as that changes
    nothing, mostly into the reading of the source.
    """
    column = table[watermark]
    return table.filter((column >= _literal(bound, column.type())) | column.isnull())


def before(table: Any, watermark: str, bound: Bound) -> Any:
    """Return the other rows of an Ibis table: those from before a watermark."""
    column = table[watermark]
    return table.filter(column < _literal(bound, column.type()))


def _literal(bound: Bound, kind: Any) -> Any:
    import ibis

    value: object = bound
    if isinstance(bound, datetime):
        if kind.is_date():
            value = bound.date()
        elif kind.is_timestamp() and kind.timezone is None:
            value = bound.replace(tzinfo=None)
    return ibis.literal(value, type=kind)


def check_arrived(arrived: Path, name: str, spec: DataSpec, *, where: Callable[..., str], spill: Path) -> None:
    """Check the watermark, the marks of deletion and the key over all rows that arrived.

    Raises
    ------
    UserError
        The watermark or the key is missing in a row, or a column is of a type that does not serve.
    """

    def fault(key: str, what: str, received: object, hint: str) -> UserError:
        return UserError(what, where=where("data", name, key), received=received, hint=hint)

    with _arrived(arrived, spill) as connection:
        kinds = {str(row[0]): str(row[1]) for row in connection.execute("DESCRIBE arrived").fetchall()}
        if spec.deleted and kinds[spec.deleted] not in {"BOOLEAN", "BIGINT"}:
            hint = "Bring it to true and false, or 1 and 0, in `prepare`."
            raise fault("deleted", f"not a boolean column: {kinds[spec.deleted]}", spec.deleted, hint)
        if not spec.watermark:
            return
        kind = kinds[spec.watermark]
        if kind not in _KINDS and not kind.startswith("DECIMAL"):
            hint = "A watermark is a moment, a date or a number: CAST it in `prepare`."
            raise fault("watermark", f"a column of type {kind} cannot be a watermark", spec.watermark, hint)
        if seconds(spec.late) and kind not in _KINDS[:2]:
            hint = "Leave `late` out, or name a watermark of moments or dates."
            raise fault("late", f"the watermark is no moment: {kind}", spec.late, hint)
        for key, column in (("watermark", spec.watermark), ("key", spec.key)):
            if column is None:
                continue
            missing = connection.execute(f"SELECT count(*) - count({quoted(column)}) FROM arrived").fetchall()[0][0]  # noqa: S608
            if missing:
                what = f"the column has no value in {missing:,} rows that arrived"
                raise fault(key, what, column, "Drop those rows with `where`, or fill the column in `prepare`.")


@contextmanager
def _arrived(path: Path, spill: Path) -> Iterator[DuckDBPyConnection]:
    from cauce.data.duck import connect

    with closing(connect(spill)) as connection:
        shown = str(path).replace("'", "''")
        connection.execute(f"CREATE VIEW arrived AS FROM read_parquet('{shown}', hive_partitioning=false)")
        yield connection


@contextmanager
def settled(arrived: Path, spec: DataSpec, *, spill: Path, size: int) -> Iterator[pa.RecordBatchReader]:
    """Stream what arrived rows amount to on their own, in the order of first arrival: a full load."""
    with _arrived(arrived, spill) as connection:
        _last_of_each(connection, spec)
        row, out = quoted(ROW), f"EXCLUDE ({', '.join(map(quoted, [ROW, *([spec.deleted] if spec.deleted else [])]))})"
        query = (
            f"SELECT a.* {out} FROM arrived a JOIN last l ON a.{row} = l.arrived_row "  # noqa: S608
            f"WHERE NOT l.gone ORDER BY l.first_row"
        )
        yield connection.sql(query).to_arrow_reader(size)


def _last_of_each(connection: DuckDBPyConnection, spec: DataSpec) -> None:
    """Make the table `last`: for each key the row that counts, the first one's number, and whether it is deleted."""
    row = quoted(ROW)
    gone = f"coalesce(CAST({quoted(spec.deleted)} AS BOOLEAN), false)" if spec.deleted else "false"
    if spec.key is None or spec.watermark is None:
        query = f"SELECT {row} AS arrived_row, {row} AS first_row, {gone} AS gone FROM arrived"  # noqa: S608
    else:
        query = (
            f"SELECT {row} AS arrived_row, min({row}) OVER (PARTITION BY {quoted(spec.key)}) AS first_row, "  # noqa: S608
            f"{gone} AS gone FROM arrived QUALIFY row_number() OVER "
            f"(PARTITION BY {quoted(spec.key)} ORDER BY {quoted(spec.watermark)} DESC, {row} DESC) = 1"
        )
    connection.execute(f"CREATE TEMP TABLE last AS {query}")


@contextmanager
def merged(arrived: Path, stored: Stored, spec: DataSpec, bound: Bound | None, *, spill: Path) -> Iterator[Merge]:
    """Find what arrived rows change in a version of the table.

    Parameters
    ----------
    arrived
        A Parquet file of the rows, with their numbers and the marks of deletion.
    stored
        The version.
    bound
        From which watermark on the source was read.
    """
    from cauce.data.relation import add_view

    columns = tuple(name for name in stored.schema.names if name != ROW)
    with _arrived(arrived, spill) as connection:
        add_view(connection, "kept", stored)
        _last_of_each(connection, spec)
        found = _by_key(spec, columns) if spec.key else _appended(spec, columns)
        params = [] if spec.key else [bound]
        connection.execute(
            f"CREATE TEMP TABLE change AS SELECT arrived_row, kept_row, gone, coalesce(kept_row, "  # noqa: S608
            f"(SELECT coalesce(max({quoted(ROW)}), -1) FROM kept) + row_number() OVER "
            f"(PARTITION BY kept_row IS NULL ORDER BY first_row)) AS row_to FROM ({found})",
            params,
        )
        counts = connection.execute(
            "SELECT count(*) FILTER (kept_row IS NULL), count(*) FILTER (kept_row IS NOT NULL AND NOT gone), "
            "count(*) FILTER (gone) FROM change"
        ).fetchall()[0]  # all, so that the connection is free for the next query
        new, updated, deleted = map(int, counts)
        mark = quoted(spec.watermark or "")
        late = connection.execute(
            f"SELECT count(*) FROM change c JOIN arrived a ON a.{quoted(ROW)} = c.arrived_row "  # noqa: S608
            f"WHERE a.{mark} < (SELECT max({mark}) FROM kept)"
        ).fetchall()[0][0]
        yield Merge(connection, new, updated, deleted, columns, quoted(spec.key) if spec.key else "", int(late))


def _by_key(spec: DataSpec, columns: tuple[str, ...]) -> str:
    key, mark, row = quoted(spec.key or ""), quoted(spec.watermark or ""), quoted(ROW)
    differ = " OR ".join(f"a.{quoted(name)} IS DISTINCT FROM k.{quoted(name)}" for name in columns)
    return (
        f"SELECT l.arrived_row, k.{row} AS kept_row, l.gone, l.first_row FROM last l "  # noqa: S608
        f"JOIN arrived a ON a.{row} = l.arrived_row LEFT JOIN kept k ON k.{key} = a.{key} "
        f"WHERE CASE WHEN k.{row} IS NULL THEN NOT l.gone "
        f"ELSE a.{mark} >= k.{mark} AND (l.gone OR {differ}) END"
    )


def _appended(spec: DataSpec, columns: tuple[str, ...]) -> str:
    """Rows that the late stretch brings again are counted off against those that are there, equal ones one by one."""
    row, names = quoted(ROW), ", ".join(map(quoted, columns))
    count = f"row_number() OVER (PARTITION BY {names} ORDER BY {row}) AS __cauce_n"
    matched = " AND ".join(f"a.{quoted(name)} IS NOT DISTINCT FROM k.{quoted(name)}" for name in columns)
    return (
        f"SELECT a.{row} AS arrived_row, NULL::BIGINT AS kept_row, false AS gone, a.{row} AS first_row "  # noqa: S608
        f"FROM (SELECT *, {count} FROM arrived) a ANTI JOIN "
        f"(SELECT *, {count} FROM kept WHERE {quoted(spec.watermark or '')} >= ?) k "
        f"ON a.__cauce_n = k.__cauce_n AND {matched}"
    )
