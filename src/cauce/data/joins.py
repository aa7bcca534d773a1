"""`[data.NAME.join.OTHER]`: columns of another data set as they were known at each row's time.

Of the rows of OTHER that match, the one known last counts, if it was known by then: what came to be known after a row's
time is never seen. Without a match, and where the row's time is missing, the joined columns are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.artefacts import Snapshot
from cauce.core.errors import UserError, did_you_mean
from cauce.core.specs import DataSpec, JoinSpec, seconds
from cauce.data.columns import ROW, quoted

if TYPE_CHECKING:
    import pyarrow as pa

_MOMENTS = ("timestamp[us, tz=UTC]", "date32[day]")


@dataclass(frozen=True)
class Other:
    """A data set that is joined, as it lies in the lake."""

    snapshot: Snapshot
    time: str | None
    """Its own time column: since when a row was known, unless the join says otherwise."""


@dataclass(frozen=True)
class Join:
    """One join, held against the columns of both sides."""

    other: str
    by: tuple[str, ...]
    time: str
    known_at: str
    columns: Mapping[str, str]
    """Column of OTHER → its name in the result."""
    within_us: int | None
    """Microseconds."""


def plan(
    name: str,
    spec: DataSpec,
    types: Mapping[str, str],
    others: Mapping[str, Other],
    *,
    where: Callable[..., str],
) -> tuple[tuple[Join, ...], dict[str, str]]:
    """Check a data set's joins and return them, with the columns and Arrow types of the result.

    Parameters
    ----------
    types
        Columns and Arrow types of the prepared rows.
    others
        The data sets joined, by name.
    where
        Keys of cauce.toml → place.

    Raises
    ------
    UserError
        A column is not there, two that are matched differ in type, or the times cannot be compared.
    """
    joins = []
    result = dict(types)
    for other, asked in spec.join.items():
        one = _planned(name, spec, other, asked, result, others[other], where)
        joins.append(one)
        result |= {new: others[other].snapshot.types[old] for old, new in one.columns.items()}
    return tuple(joins), result


def _planned(
    name: str,
    spec: DataSpec,
    other: str,
    asked: JoinSpec,
    types: Mapping[str, str],
    joined: Other,
    where: Callable[..., str],
) -> Join:
    def fault(key: str, what: str, received: object, hint: str) -> UserError:
        return UserError(what, where=where("data", name, "join", other, key), received=received, hint=hint)

    theirs = joined.snapshot.types
    known_at = _check_times(name, spec, other, asked, types, joined, fault)
    for column in asked.by:
        for side, kinds in ((name, types), (other, theirs)):
            if column not in kinds:
                raise fault("by", f"no such column in {side!r}", column, did_you_mean(column, kinds))
        if types[column] != theirs[column]:
            what = f"the column is {types[column]} in {name!r} and {theirs[column]} in {other!r}"
            raise fault("by", what, column, "Bring both to one type in `prepare`.")
    named = _names(other, asked, types, theirs, fault)
    within = None if asked.within is None else round(seconds(asked.within) * 1_000_000)
    return Join(other, asked.by, spec.time or "", known_at, named, within)


_Fault = Callable[[str, str, object, str], UserError]


def _check_times(
    name: str,
    spec: DataSpec,
    other: str,
    asked: JoinSpec,
    types: Mapping[str, str],
    joined: Other,
    fault: _Fault,
) -> str:
    """Return the column that says since when a row of the other data set was known."""
    theirs, time, known_at = joined.snapshot.types, spec.time, asked.known_at or joined.time
    if time is None:
        raise fault("by", f"[data.{name}] names no time column", other, f'Add time = "column" to [data.{name}].')
    if known_at is None:
        hint = "Name the column of it that says since when a row was known; without it a join would look ahead."
        raise fault("known_at", f"missing, and [data.{other}] names no time column", None, hint)
    if known_at not in theirs:
        raise fault("known_at", f"no such column in {other!r}", known_at, did_you_mean(known_at, theirs))
    if time not in types:
        raise fault("by", "the time column is not there", time, did_you_mean(time, types))
    moments = types[time] in _MOMENTS and theirs[known_at] in _MOMENTS
    if not moments and (types[time] != "int64" or theirs[known_at] != "int64"):
        what = f"the times cannot be compared: {time!r} is {types[time]}, {known_at!r} is {theirs[known_at]}"
        hint = "Both must be dates or moments, or both whole numbers: CAST in `prepare`."
        raise fault("known_at", what, known_at, hint)
    if asked.within is not None and not moments:
        raise fault("within", "needs dates or moments", asked.within, "Leave `within` out, or CAST in `prepare`.")
    return known_at


def _names(
    other: str, asked: JoinSpec, types: Mapping[str, str], theirs: Mapping[str, str], fault: _Fault
) -> dict[str, str]:
    for column in asked.columns or ():
        if column not in theirs:
            raise fault("columns", f"no such column in {other!r}", column, did_you_mean(column, theirs))
    chosen = asked.columns or tuple(column for column in theirs if column not in asked.by)
    taken = {column.lower() for column in types}
    named = {old: old if old.lower() not in taken else f"{other}_{old}" for old in chosen}
    for old, new in named.items():
        if new.lower() in taken or list(named.values()).count(new) > 1:
            raise fault("columns", f"the name {new!r} is taken too", old, "Rename the column in `prepare`.")
    return named


def duckdb_sql(join: Join, left: str, right: str) -> str:
    """Return the join as DuckDB's SQL, an ASOF join; `left` and `right` are relations with the row number."""
    by, known, fresh = map(quoted, join.by), quoted(join.known_at), ""
    matched = " AND ".join(f"l.{column} = r.{column}" for column in by)
    if join.within_us is not None:
        age = f"date_diff('microsecond', r.{known}::TIMESTAMPTZ, l.{quoted(join.time)}::TIMESTAMPTZ)"
        fresh = f"{age} <= {join.within_us}"
    taken = [
        f"{f'CASE WHEN {fresh} THEN r.{quoted(old)} END' if fresh else f'r.{quoted(old)}'} AS {quoted(new)}"
        for old, new in join.columns.items()
    ]
    return (
        f"SELECT {', '.join(['l.*', *taken])} FROM {left} l ASOF LEFT JOIN ({_last_told(join, right)}) r "  # noqa: S608
        f"ON {matched} AND l.{quoted(join.time)} >= r.{known}"
    )


def _last_told(join: Join, right: str) -> str:
    """Of rows known at the same moment the one that arrived last: without this, ties are the engine's whim."""
    columns = list(dict.fromkeys([*join.by, join.known_at, *join.columns]))
    keys = ", ".join(quoted(column) for column in (*join.by, join.known_at))
    return (
        f"SELECT {', '.join(map(quoted, columns))} FROM {right} WHERE {quoted(join.known_at)} IS NOT NULL "  # noqa: S608
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {quoted(ROW)} DESC) = 1"
    )


def bigquery_sql(join: Join, left: str, right: str) -> str:
    """Return the same join as BigQuery's SQL, which knows no ASOF: each row of OTHER holds until the next is known.

    `left` and `right` are tables there, with the row number; the result is in no order.
    """
    import sqlglot

    keys, known = ", ".join(map(quoted, join.by)), quoted(join.known_at)
    time = f"l.{quoted(join.time)}"
    columns = ", ".join(quoted(c) for c in dict.fromkeys([*join.by, join.known_at, *join.columns]))
    until = f"lead({known}) OVER (PARTITION BY {keys} ORDER BY {known}) AS __cauce_until"
    spans = f"SELECT {columns}, {until} FROM ({_last_told(join, right)}) AS told"  # noqa: S608 - names are quoted
    matched = " AND ".join(f"l.{quoted(column)} = r.{quoted(column)}" for column in join.by)
    held = f"r.{known} <= {time} AND (r.__cauce_until IS NULL OR {time} < r.__cauce_until)"
    if join.within_us is not None:
        held += (
            f" AND CAST({time} AS TIMESTAMPTZ) <= "
            f"CAST(r.{known} AS TIMESTAMPTZ) + INTERVAL '{join.within_us}' MICROSECOND"
        )
    taken = ", ".join(f"r.{quoted(old)} AS {quoted(new)}" for old, new in join.columns.items())
    query = f"SELECT l.*, {taken} FROM {left} AS l LEFT JOIN ({spans}) AS r ON {matched} AND {held}"  # noqa: S608
    return str(sqlglot.transpile(query, read="duckdb", write="bigquery", pretty=True)[0])


@contextmanager
def joined(
    prepared: Path, joins: Sequence[Join], others: Mapping[str, Other], lake: Path, *, spill: Path, size: int
) -> Iterator[pa.RecordBatchReader]:
    """Stream prepared rows with the columns of other data sets, in their order.

    Parameters
    ----------
    prepared
        A Parquet file of the rows, with their numbers.
    spill
        Folder for what does not fit into memory.
    """
    from cauce.data.duck import connect
    from cauce.data.relation import add_view
    from cauce.data.versions import open_version

    with _memory_errors(joins), closing(connect(spill)) as connection:
        path = str(prepared).replace("'", "''")
        query = f"read_parquet('{path}', hive_partitioning=false)"
        for number, join in enumerate(joins):
            view = f"__cauce_other_{number}"
            add_view(connection, view, open_version(lake / join.other, others[join.other].snapshot.version))
            connection.execute(f"CREATE TEMP VIEW __cauce_joined_{number} AS {duckdb_sql(join, query, quoted(view))}")
            query = f"__cauce_joined_{number}"
        result = connection.sql(f"SELECT * EXCLUDE ({quoted(ROW)}) FROM {query} ORDER BY {quoted(ROW)}")  # noqa: S608
        yield result.to_arrow_reader(size)


@contextmanager
def _memory_errors(joins: Sequence[Join]) -> Iterator[None]:
    """Say what to do where a join does not fit; while rows stream, DuckDB's complaint comes through Arrow as well."""
    import duckdb
    import pyarrow as pa

    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if "Out of Memory" not in str(error):
            raise
        named = ", ".join(join.other for join in joins)
        hint = "Take fewer of its `columns`, load fewer rows with `where`, or close other programs."
        raise UserError("not enough memory for the join", where="join", received=named, hint=hint) from error
