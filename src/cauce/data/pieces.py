"""The rows of one file of a version: the row groups that a filter leaves, the columns asked for, in their types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cauce.data.columns import ROW
from cauce.data.filters import Bounds, Filter, comparable, mask, may_hold

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from cauce.data.versions import DataFile, Stored


def pruned(stored: Stored, filters: Sequence[Filter]) -> Stored:
    """Return the version without the files that cannot hold a row that fulfils the filters."""
    if not filters:
        return stored
    known = {one.column: stored.bounds(one.column) for one in filters}
    left = [
        row
        for row in range(len(stored.files))
        if may_hold(filters, lambda column, row=row: known[column][row], stored.schema)  # type: ignore[misc]
    ]
    return stored.only(left)


def read_piece(file: DataFile, schema: pa.Schema, wanted: Sequence[str], filters: Sequence[Filter]) -> pa.Table:
    """Read the `wanted` columns of the rows of one file that fulfil the filters."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    inside = [one for one in filters if one.column not in file.values]
    with pq.ParquetFile(file.path) as opened:
        groups = row_groups(opened, inside, schema)
        # A column "a" is also asked for as the parent of "a.b"; `complete` takes the exact one.
        table = opened.read_row_groups(groups, columns=_stored_columns(file, wanted, inside))
    return complete(_kept(pa.table(table), inside, schema), file.values, schema, wanted)


def stream_piece(
    file: DataFile, schema: pa.Schema, wanted: Sequence[str], filters: Sequence[Filter], *, size: int
) -> Iterator[pa.Table]:
    """Yield what `read_piece` gives, at most `size` rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    inside = [one for one in filters if one.column not in file.values]
    # Ahead-of-time buffers would stay until the file is closed: a stream would hold all that was read.
    with pq.ParquetFile(file.path, pre_buffer=False) as opened:
        groups = row_groups(opened, inside, schema)
        # The row number is read along, so that a batch has its length even if only partition columns are asked for.
        columns = _stored_columns(file, [ROW, *wanted], inside)
        for batch in opened.iter_batches(size, row_groups=groups, columns=columns):
            kept = _kept(pa.Table.from_batches([batch]), inside, schema)
            if kept.num_rows:
                yield complete(kept, file.values, schema, wanted)


def _stored_columns(file: DataFile, wanted: Sequence[str], filters: Sequence[Filter]) -> list[str]:
    names = [*wanted, *(one.column for one in filters)]
    return [name for name in dict.fromkeys(names) if name not in file.values]


def _kept(table: pa.Table, filters: Sequence[Filter], schema: pa.Schema) -> pa.Table:
    if not filters:
        return table
    names = dict.fromkeys(one.column for one in filters)
    return table.filter(mask(complete(table, {}, schema, list(names)), filters))


def row_groups(opened: pq.ParquetFile, filters: Sequence[Filter], schema: pa.Schema) -> list[int]:
    """Return the numbers of the row groups that may hold a row that fulfils the filters."""
    footer = opened.metadata
    if not filters:
        return list(range(footer.num_row_groups))
    places = {footer.schema.column(place).path: place for place in range(footer.num_columns)}
    return [
        group
        for group in range(footer.num_row_groups)
        if may_hold(filters, lambda column, group=group: _bounds(footer, group, places, schema.field(column)), schema)  # type: ignore[misc]
    ]


def _bounds(footer: pq.FileMetaData, group: int, places: Mapping[str, int], field: pa.Field) -> Bounds:
    import pyarrow as pa

    column = footer.row_group(group).column(places[field.name])
    found = column.statistics
    if found is None:
        return Bounds()
    n_missing = found.null_count if found.has_null_count else None
    if not found.has_min_max:
        return Bounds(n_missing=n_missing, n_rows=column.num_values)
    try:
        lower, upper = comparable(pa.array([found.min, found.max], field.type))
    except (pa.ArrowException, OverflowError, ValueError, TypeError):  # a moment that Python cannot hold, a cut text
        return Bounds(n_missing=n_missing, n_rows=column.num_values)
    return Bounds(lower, upper, n_missing, column.num_values)


def complete(table: pa.Table, values: Mapping[str, Any], schema: pa.Schema, wanted: Sequence[str]) -> pa.Table:
    """Add partition columns, put columns in order, and cast to the snapshot's types."""
    import pyarrow as pa

    target = pa.schema([schema.field(name) for name in wanted])
    arrays = [
        pa.chunked_array([pa.repeat(pa.scalar(values[name], schema.field(name).type), table.num_rows)])
        if name in values
        else table[name].cast(schema.field(name).type)
        for name in wanted
    ]
    return pa.Table.from_arrays(arrays, schema=target)
