"""A profile as one Arrow IPC file: a row for each column, sketches as binary. Heavy: imported inside functions."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import datasketches as ds
import pyarrow as pa

from cauce.core.errors import UserError
from cauce.profile.column import ColumnProfile
from cauce.profile.profile import Profile

FORMAT = b"1"
_COUNT = pa.struct([pa.field("value", pa.string()), pa.field("count", pa.int64())])
_TYPES = {
    "str": pa.string(),
    "Family": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "float | None": pa.float64(),
    "bytes": pa.binary(),
    "bytes | None": pa.binary(),
    "bool": pa.bool_(),
    "Mapping[str, int]": pa.list_(_COUNT),
    "tuple[int, int, int]": pa.list_(pa.int64()),
}
SCHEMA = pa.schema([pa.field(item.name, _TYPES[str(item.type)]) for item in fields(ColumnProfile)])


def to_bytes(profile: Profile) -> bytes:
    """Return the profile as the bytes of an Arrow IPC file."""
    rows = [_row(column) for column in profile.columns.values()]
    schema = SCHEMA.with_metadata({b"cauce.profile": FORMAT, b"n_rows": str(profile.n_rows).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _row(column: ColumnProfile) -> dict[str, object]:
    row = {item.name: getattr(column, item.name) for item in fields(column)}
    return row | {"counts": [{"value": value, "count": n} for value, n in column.counts.items()]}


def from_bytes(content: bytes, *, where: str) -> Profile:
    """Read a profile; every sketch is opened once, so that a broken one is found here."""
    hint = "Run the audit again; it makes the profile."
    try:
        table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
        table.validate(full=True)
        metadata = table.schema.metadata or {}
        if metadata.get(b"cauce.profile") != FORMAT or table.schema.names != SCHEMA.names:
            raise UserError("not a profile that this Cauce reads", where=where, hint=hint)
        columns = [_column(row) for row in table.to_pylist()]
        return Profile(int(metadata[b"n_rows"]), {column.name: column for column in columns})
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, RuntimeError, IndexError) as error:
        raise UserError("not a readable profile", where=where, hint=hint) from error


def _column(row: dict[str, Any]) -> ColumnProfile:
    counts = {item["value"]: item["count"] for item in row.pop("counts")}
    first, second, third = row.pop("dates")
    column = ColumnProfile(**row, counts=counts, dates=(first, second, third))
    ds.kll_doubles_sketch.deserialize(column.kll)
    if column.hll is not None:
        ds.hll_sketch.deserialize(column.hll)
    if column.frequent is not None:
        ds.frequent_strings_sketch.deserialize(column.frequent)
    return column
