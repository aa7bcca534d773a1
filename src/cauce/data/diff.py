"""What lies between two versions of a data set: columns, rows, and values by column.

DuckDB joins the two by the key, or by a hash of whole rows where there is no key that names a row in both, and spills
to disk what does not fit into memory. Values are compared in the columns that both versions have; those whose type
changed meet as numbers where both are, as text otherwise. A hash of 64 bits stands for a row: that two different rows
of ten million share one has a chance of about three in a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.names import check_name
from cauce.data import readers
from cauce.data.columns import ROW, quoted
from cauce.data.loading import changed
from cauce.data.versions import Stored, open_version

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

SHOWN = 3
"""First examples of each kind."""
_WIDTH = 60


@dataclass(frozen=True)
class Changed:
    """One value before and after."""

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ColumnChange:
    """A column in which rows with the same key have other values."""

    column: str
    n_rows: int
    examples: tuple[Changed, ...]


@dataclass(frozen=True)
class RowChanges:
    """How rows differ."""

    key: str | None
    """The column that rows were matched by; None where whole rows were."""
    added: int
    removed: int
    changed: int | None
    """Rows with the same key and other values; None without a key."""
    columns: tuple[ColumnChange, ...]
    """Most changed first; empty without a key."""
    first_added: tuple[str, ...]
    """Keys; row numbers from 0 in the later version without a key."""
    first_removed: tuple[str, ...]
    """Keys; row numbers from 0 in the earlier version without a key."""


@dataclass(frozen=True)
class Compared:
    """What lies between two versions, but for summaries."""

    columns: tuple[str, ...]
    """``"added: x"``, ``"gone: y"``, ``"retyped: z int64 → string"``."""
    rows: RowChanges


def compare_columns(before: Stored, after: Stored) -> tuple[str, ...]:
    """Say which columns were added, went, or have another type."""
    types = [
        {field.name: str(field.type) for field in stored.schema if field.name != ROW} for stored in (before, after)
    ]
    return changed(types[0], types[1])


def compare_versions(lake: Path, name: str, before: int, after: int, *, key: str | None = None) -> Compared:
    """Compare two versions of a data set: columns and rows.

    Parameters
    ----------
    lake
        `.cauce/lake`.
    name
        Of the data set.
    before, after
        Versions.
    key
        Column that names a row; used where it does so in both versions.

    Raises
    ------
    UserError
        No such version.
    """
    from cauce.data.duck import connect
    from cauce.data.relation import add_view

    folder = lake / check_name(name)
    with readers.begin(folder, before), readers.begin(folder, after):
        old, new = open_version(folder, before), open_version(folder, after)
        with closing(connect(lake / ".spill")) as connection:
            add_view(connection, "old", old)
            add_view(connection, "new", new)
            common = [n for n in new.schema.names if n in old.schema.names and n != ROW]
            values = [(n, *_alike(n, old.schema.field(n).type, new.schema.field(n).type)) for n in common]
            if key is not None and key in common and _names_rows(connection, key):
                rows = _by_key(connection, key, values)
            else:
                rows = _by_content(connection, values)
    return Compared(compare_columns(old, new), rows)


def _alike(name: str, old: pa.DataType, new: pa.DataType) -> tuple[str, str]:
    """Return SQL for a column's values of both sides, in one type."""
    import pyarrow as pa

    column = quoted(name)
    if old == new:
        return f"o.{column}", f"n.{column}"
    numbers = all(pa.types.is_integer(k) or pa.types.is_floating(k) or pa.types.is_decimal(k) for k in (old, new))
    kind = "DOUBLE" if numbers else "VARCHAR"
    return f"CAST(o.{column} AS {kind})", f"CAST(n.{column} AS {kind})"


def _names_rows(connection: DuckDBPyConnection, key: str) -> bool:
    column = quoted(key)
    return all(
        connection.execute(f"SELECT count(DISTINCT {column}) = count(*) FROM {side}").fetchall()[0][0]  # noqa: S608
        for side in ("old", "new")
    )


def _by_key(connection: DuckDBPyConnection, key: str, values: Sequence[tuple[str, str, str]]) -> RowChanges:
    old_key, new_key = next((old, new) for name, old, new in values if name == key)
    both = f"o.{quoted(ROW)} IS NOT NULL AND n.{quoted(ROW)} IS NOT NULL"
    others = [value for value in values if value[0] != key]
    differs = [f"{both} AND {old} IS DISTINCT FROM {new}" for _, old, new in others]
    asked = [
        f"count(*) FILTER (o.{quoted(ROW)} IS NULL)",
        f"count(*) FILTER (n.{quoted(ROW)} IS NULL)",
        f"count(*) FILTER ({' OR '.join(f'({one})' for one in differs) or 'false'})",
        _first(_text(new_key), f"n.{quoted(ROW)}", f"o.{quoted(ROW)} IS NULL"),
        _first(_text(old_key), f"o.{quoted(ROW)}", f"n.{quoted(ROW)} IS NULL"),
    ]
    for (_, old, new), one in zip(others, differs, strict=True):
        example = f"[{_text(new_key)}, {_text(old)}, {_text(new)}]"
        asked += [f"count(*) FILTER ({one})", _first(example, f"n.{quoted(ROW)}", one)]
    query = f"SELECT {', '.join(asked)} FROM old o FULL JOIN new n ON {old_key} = {new_key}"  # noqa: S608
    added, removed, n_changed, first_added, first_removed, *rest = connection.execute(query).fetchall()[0]
    columns = [
        ColumnChange(name, n_rows, tuple(Changed(*example) for example in examples or ()))
        for (name, _, _), n_rows, examples in zip(others, rest[::2], rest[1::2], strict=True)
        if n_rows
    ]
    columns.sort(key=lambda column: -column.n_rows)
    return RowChanges(
        key, added, removed, n_changed, tuple(columns), tuple(first_added or ()), tuple(first_removed or ())
    )


def _by_content(connection: DuckDBPyConnection, values: Sequence[tuple[str, str, str]]) -> RowChanges:
    if not values:
        (n_old,), (n_new,) = (connection.execute(f"SELECT count(*) FROM {s}").fetchall()[0] for s in ("old", "new"))  # noqa: S608
        return RowChanges(None, n_new, n_old, None, (), (), ())
    sides = []
    for side, place in (("old", 1), ("new", 2)):
        hashed = f"hash([{', '.join(f'hash({value[place]})' for value in values)}])"
        sides.append(
            f"(SELECT {hashed} AS h, count(*) AS times, min({quoted(ROW)}) AS first FROM {side} {side[0]} GROUP BY h)"  # noqa: S608
        )
    more, fewer = "coalesce(n.times, 0) - coalesce(o.times, 0)", "coalesce(o.times, 0) - coalesce(n.times, 0)"
    query = (
        f"SELECT coalesce(sum(greatest({more}, 0)), 0)::BIGINT, coalesce(sum(greatest({fewer}, 0)), 0)::BIGINT, "  # noqa: S608
        f"{_first('n.first::VARCHAR', 'n.first', f'{more} > 0')}, "
        f"{_first('o.first::VARCHAR', 'o.first', f'{fewer} > 0')} "
        f"FROM {sides[0]} o FULL JOIN {sides[1]} n ON o.h = n.h"
    )
    added, removed, first_added, first_removed = connection.execute(query).fetchall()[0]
    return RowChanges(None, added, removed, None, (), tuple(first_added or ()), tuple(first_removed or ()))


def _first(value: str, row: str, condition: str) -> str:
    return f"min_by({value}, {row}, {SHOWN}) FILTER ({condition})"


def _text(value: str) -> str:
    text = f"CAST({value} AS VARCHAR)"
    return f"CASE WHEN length({text}) > {_WIDTH} THEN {text}[:{_WIDTH}] || '…' ELSE {text} END"


@dataclass(frozen=True)
class SummaryChange:
    """A column's summary before and after."""

    column: str
    type: str
    """Arrow type in the later version."""
    missing: tuple[float, float]
    """Shares of rows."""
    mean: tuple[float | None, float | None]
    """Of numbers; of texts, their length; of moments, seconds since 1970 (UTC)."""
    distinct: tuple[int, int]


def compare_summaries(before: Any, after: Any) -> tuple[SummaryChange, ...]:
    """Return the columns of both profiles whose missing values, mean or distinct values differ, in order."""
    found = []
    for name, new in after.columns.items():
        old = before.columns.get(name)
        if old is None:
            continue
        change = SummaryChange(
            name,
            new.type,
            (old.n_missing / max(old.n_rows, 1), new.n_missing / max(new.n_rows, 1)),
            (old.mean, new.mean),
            (old.n_distinct, new.n_distinct),
        )
        if any(one != other for one, other in (change.missing, change.mean, change.distinct)):
            found.append(change)
    return tuple(found)
