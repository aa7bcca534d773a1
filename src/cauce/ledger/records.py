"""Journal records ↔ typed Arrow tables, and the column names that Delta tables use.

A record holds the rows of one batch and says each column's type, so that every release may have other inputs. It is
row by row (``"k": "r"``, see `head`); those of earlier versions are column by column (``"k": "p"``), and are read too.
On disk a column's name says its side and type (``in:int:age``, ``out:text:prediction``): two releases that disagree on
a type then get two columns instead of an error. Delta tells names apart without case, so capitals are written ``^a``.
The type ``hash`` is text that stands for a value which the ledger does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from cauce.ledger.head import ROWS_PER_LINE, SHADOW, Head, Keep, keyed_hash, policy, written
from cauce.ledger.journal import frame

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ROWS_PER_LINE", "SHADOW", "Head", "Keep", "keyed_hash", "policy", "written"]
TYPE_OF_KIND = {
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "category": "text",
    "text": "text",
    "datetime": "time",
}
"""Kind of a schema's column → type in the ledger."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Columns = Mapping[str, tuple[str, Sequence[Any]]]
"""Name → (type, values); times are microseconds since the epoch, UTC."""


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type of a ledger type."""
    import pyarrow as pa

    types = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "text": pa.string(), "hash": pa.string()}
    return types.get(kind, pa.timestamp("us", "UTC"))


def microseconds(moment: datetime) -> int:
    """Return microseconds since the epoch.

    Examples
    --------
    >>> microseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (moment - EPOCH) // timedelta(microseconds=1)


def prediction_lines(ids: Sequence[str], at: int, version: int, *, inputs: Columns, outputs: Columns) -> list[bytes]:
    """Return the journal lines of one answer, in the form of earlier versions; `at` in microseconds."""
    lines = []
    for start in range(0, len(ids), ROWS_PER_LINE):
        rows = slice(start, start + ROWS_PER_LINE)
        record = {
            "k": "p",
            "v": version,
            "at": at,
            "ids": ids[rows],
            "in": {name: (kind, values[rows]) for name, (kind, values) in inputs.items()},
            "out": {name: (kind, values[rows]) for name, (kind, values) in outputs.items()},
        }
        lines.append(frame(orjson.dumps(record)))
    return lines


def truth_line(id_: str, value: str | float, *, status: str, received: int, at: int | None) -> bytes:
    """Return the journal line of one truth; times in microseconds."""
    record = {"k": "t", "id": id_, "v": value, "s": status, "r": received, "at": at}
    return frame(orjson.dumps(record))


def predictions(records: Iterable[Mapping[str, Any]]) -> pa.Table | None:
    """Return the predictions among `records` as a table with disk names, or None when there are none."""
    return _table(record for record in records if is_answer(record))


def shadows(records: Iterable[Mapping[str, Any]]) -> pa.Table | None:
    """Return what challengers in shadow said, as a table with disk names, or None when they said nothing."""
    return _table(record for record in records if record["k"] == "r" and record["w"] == SHADOW)


def is_answer(record: Mapping[str, Any]) -> bool:
    """Whether a record holds predictions that somebody was given."""
    return bool(record["k"] == "p" or (record["k"] == "r" and record["w"] != SHADOW))


def _table(records: Iterable[Mapping[str, Any]]) -> pa.Table | None:
    import pyarrow as pa

    groups: dict[bytes, list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault(_shape(record), []).append(record)
    if not groups:
        return None
    return pa.concat_tables([_group(group) for group in groups.values()], promote_options="default")


def _shape(record: Mapping[str, Any]) -> bytes:
    if record["k"] == "r":
        return orjson.dumps([record["in"], record["out"], record.get("x")])
    return orjson.dumps([[(name, kind) for name, (kind, _) in record[side].items()] for side in ("in", "out")])


def _group(records: Sequence[Mapping[str, Any]]) -> pa.Table:
    import pyarrow as pa

    ids = [id_ for record in records for id_ in record["ids"]]
    hidden = records[0].get("x")
    columns = {
        "id": pa.array(ids, pa.string()),
        "at": pa.array([r["at"] for r in records for _ in r["ids"]], pa.int64()).cast(pa.timestamp("us", "UTC")),
        "day": pa.array([day_of(id_) for id_ in ids], pa.string()),
        "version": pa.array([r["v"] for r in records for _ in r["ids"]], pa.int64()),
        "variant": pa.array([r.get("w") for r in records for _ in r["ids"]], pa.string()),
        "unit": pa.array(_beside(records, "u"), pa.string()),
        "ms": pa.array(_beside(records, "ms"), pa.float64()),
        "withheld": pa.array([orjson.dumps(hidden).decode() if hidden else None] * len(ids), pa.string()),
    }
    for side, name, kind, values in _row_wise(records) if records[0]["k"] == "r" else _column_wise(records):
        columns[disk_name(side, kind, name)] = _array(values, kind)
    return pa.table(columns)


def _beside(records: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    """Return a value per row of what not every record says."""
    return [value for record in records for value in record.get(key) or [None] * len(record["ids"])]


def _row_wise(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, list[Any]]]:
    """Yield side, name, type and values of each column of records whose inputs are row by row."""
    first = records[0]
    columns = zip(*(row for record in records for row in record["rows"]), strict=True) if first["in"] else ()
    for (name, kind), values in zip(first["in"], columns, strict=True):
        yield "in", name, kind, list(values)
    for place, (name, kind) in enumerate(first["out"]):
        yield "out", name, kind, [value for record in records for value in record["y"][place]]


def _column_wise(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, list[Any]]]:
    for side in ("in", "out"):
        for name, (kind, _) in records[0][side].items():
            yield side, name, kind, [value for record in records for value in record[side][name][1]]


def _array(values: list[Any], kind: str) -> pa.Array:
    import pyarrow as pa

    if kind == "time":
        return pa.array(values, pa.int64()).cast(pa.timestamp("us", "UTC"))
    return pa.array(values, arrow_type(kind))


def truths(records: Iterable[Mapping[str, Any]]) -> pa.Table | None:
    """Return the truths among `records`, or None when there are none."""
    import pyarrow as pa

    found = [record for record in records if record["k"] == "t"]
    if not found:
        return None
    utc = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "id": pa.array([r["id"] for r in found], pa.string()),
            "received": pa.array([r["r"] for r in found], pa.int64()).cast(utc),
            "day": pa.array([day_of(r["id"]) for r in found], pa.string()),
            "at": pa.array([r["at"] for r in found], pa.int64()).cast(utc),
            "text": pa.array([r["v"] if isinstance(r["v"], str) else None for r in found], pa.string()),
            "number": pa.array([None if isinstance(r["v"], str) else r["v"] for r in found], pa.float64()),
            "status": pa.array([r["s"] for r in found], pa.string()),
        }
    )


def disk_name(side: str, kind: str, name: str) -> str:
    """Return the name of a column in the Delta table.

    Examples
    --------
    >>> disk_name("in", "int", "Age")
    'in:int:^age'
    """
    written = "".join("^^" if c == "^" else f"^{c.lower()}" if _is_capital(c) else c for c in name)
    return f"{side}:{kind}:{written}"


def plain_name(written: str) -> tuple[str, str, str]:
    """Return side, type and name of a column in the Delta table.

    Examples
    --------
    >>> plain_name("in:int:^age")
    ('in', 'int', 'Age')
    """
    side, kind, rest = written.split(":", 2)
    out, characters = [], iter(rest)
    for character in characters:
        if character == "^":
            after = next(characters)
            character = "^" if after == "^" else after.upper()
        out.append(character)
    return side, kind, "".join(out)


def _is_capital(character: str) -> bool:
    lower = character.lower()
    return lower != character and len(lower) == 1 and lower.upper() == character


def milliseconds_of(id_: str) -> int | None:
    """Return when a UUID version 7 was made, in milliseconds since the epoch, or None when it is not one.

    Examples
    --------
    >>> milliseconds_of("0195f0a8-7c00-7000-8000-000000000000")
    1743499328512
    >>> milliseconds_of("x") is None
    True
    """
    if len(id_) != 36 or id_[14] != "7" or id_[8] != "-" or id_[13] != "-":
        return None
    try:
        return int(id_[:8] + id_[9:13], 16)
    except ValueError:
        return None


def day_of(id_: str) -> str:
    """Return the day (UTC) on which a prediction was made, by its id; ``unknown`` for what is no id of ours.

    Examples
    --------
    >>> day_of("0195f0a8-7c00-7000-8000-000000000000")
    '2025-04-01'
    """
    moment = milliseconds_of(id_)
    if moment is None or moment > 250_000_000_000_000:
        return "unknown"
    return (EPOCH + timedelta(milliseconds=moment)).date().isoformat()


def types(columns: Columns) -> list[tuple[str, str]]:
    """Return the name and ledger type of each column."""
    return [(name, kind) for name, (kind, _) in columns.items()]


def columns(table: pa.Table) -> dict[str, tuple[str, Sequence[Any]]]:
    """Return each column of a table with its ledger type and its values."""
    return {name: _column(table[name]) for name in table.column_names}


def _column(values: pa.ChunkedArray) -> tuple[str, Sequence[Any]]:
    """Return a column's ledger type and values; what has no type of its own there becomes text."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_boolean(kind):
        return "bool", values.to_pylist()
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return "int", values.to_pylist()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_integer(kind):
        return "float", values.cast(pa.float64()).to_pylist()
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time", values.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return "text", [None if value is None else str(value) for value in values.to_pylist()]
    return "text", values.cast(pa.string()).to_pylist()
