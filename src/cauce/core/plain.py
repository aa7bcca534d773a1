"""Plain Python values of a column ↔ Arrow: what `Online` takes, and what `Fitted.predict` takes of the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cauce.core.artefacts import Kind, Schema

if TYPE_CHECKING:
    import pyarrow as pa


EXTREMES: Mapping[Kind, tuple[Any, Any]] = {
    "integer": (-(2**63), 2**63 - 1),
    "number": (-1e300, 5e-324),
    "boolean": (False, True),
    "datetime": (-62_135_596_800_000_000, 253_402_300_799_999_999),
    "category": ('never "seen"\n🎓', ""),
    "text": ('never "seen"\u2003🎓', ""),
}
"""Kind of a column → values at the ends of what a service lets through."""


def to_arrow(values: Sequence[Any], kind: Kind) -> pa.Array:
    """Return the typed array that a model's `predict` takes for a column of checked values.

    Examples
    --------
    >>> to_arrow([0, None], "datetime").type
    TimestampType(timestamp[us, tz=UTC])
    """
    import pyarrow as pa

    if kind == "datetime":
        return pa.array(values, pa.int64()).cast(pa.timestamp("us", "UTC"))
    types = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    return pa.array(values, types.get(kind, pa.string()))


def to_table(rows: Sequence[Sequence[Any]], schema: Schema, names: Sequence[str] | None = None) -> pa.Table:
    """Return rows of plain values, in the order of `schema`, as a table: all columns, or those named."""
    import pyarrow as pa

    wanted = set(schema.names if names is None else names)
    return pa.table(
        {
            column.name: to_arrow([row[place] for row in rows], column.kind)
            for place, column in enumerate(schema)
            if column.name in wanted
        }
    )


def to_rows(table: pa.Table, schema: Schema) -> list[list[Any]]:
    """Return the rows of a table as plain values in the order of `schema`.

    Raises
    ------
    pa.ArrowInvalid
        A value is none of its column's kind.
    """
    import pyarrow as pa

    columns: list[list[Any]] = []
    for column in schema:
        wanted = to_arrow([], column.kind).type
        values = table.column(column.name).cast(wanted)
        columns.append((values.cast(pa.int64()) if column.kind == "datetime" else values).to_pylist())
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in range(table.num_rows)]
