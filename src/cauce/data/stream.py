"""A version of a table as a stream of batches in the order of its source, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.data.columns import ROW, quoted
from cauce.data.filters import Filter, sql
from cauce.data.pieces import complete, row_groups, stream_piece
from cauce.data.readers import Held
from cauce.data.versions import Stored

if TYPE_CHECKING:
    import pyarrow as pa


def stream(
    stored: Stored,
    names: Sequence[str],
    filters: Sequence[Filter],
    *,
    size: int,
    spill: Path,
    reading: Held,
) -> Iterator[pa.RecordBatch]:
    """Yield the columns `names` of the rows that fulfil the filters by row number, at most `size` rows at a time.

    `reading` is given back when the last row was yielded, or the iterator is given up.
    """
    with reading:
        ordered = _in_order(stored, filters)
        if ordered is None:
            source = _sorted(stored, names, filters, size, spill)
        else:
            source = (
                table
                for file in ordered.files
                for table in stream_piece(file, stored.schema, names, filters, size=size)
            )
        for table in source:
            yield from table.combine_chunks().to_batches(max_chunksize=size)


def _in_order(stored: Stored, filters: Sequence[Filter]) -> Stored | None:
    """Return the files in the order of their rows, or None when rows lie across files or out of order in one."""
    import pyarrow.parquet as pq

    spans = []
    for number, file in enumerate(stored.files):
        with pq.ParquetFile(file.path) as opened:
            inside = [one for one in filters if one.column not in file.values]
            groups = row_groups(opened, inside, stored.schema)
            rows = opened.read_row_groups(groups, columns=[ROW])[ROW].to_numpy()
        if len(rows) == 0:
            continue
        if (rows[1:] < rows[:-1]).any():
            return None
        spans.append((int(rows[0]), int(rows[-1]), number))
    spans.sort()
    if any(later[0] < earlier[1] for earlier, later in pairwise(spans)):
        return None
    return stored.only([number for _, _, number in spans])


def _sorted(
    stored: Stored, names: Sequence[str], filters: Sequence[Filter], size: int, spill: Path
) -> Iterator[pa.Table]:
    import pyarrow as pa

    from cauce.data.duck import connect
    from cauce.data.relation import add_view

    with closing(connect(spill)) as connection:
        add_view(connection, "stored", stored)
        condition, params = sql(filters, stored.schema, dict.fromkeys(stored.schema.names, "stored"))
        chosen = ", ".join(quoted(name) for name in [*names, ROW])
        query = f"SELECT {chosen} FROM stored WHERE {condition} ORDER BY {quoted(ROW)}"  # noqa: S608 - names are quoted
        result = connection.sql(query, params=params)
        for batch in result.to_arrow_reader(size):
            yield complete(pa.Table.from_batches([batch]), {}, stored.schema, names)
