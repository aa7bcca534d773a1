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

    keys = list(stored.files[0].values)
    with closing(connect(spill)) as connection:
        # Partition values come from the log as a small table, by file: the paths' spelling of them is not trusted.
        values = pa.table(
            {
                "__cauce_file": [str(file.path) for file in stored.files],
                **{
                    key: pa.array([file.values[key] for file in stored.files], stored.schema.field(key).type)
                    for key in keys
                },
            }
        )
        connection.register("__cauce_values", values)
        of = {name: "v" if name in keys else "f" for name in stored.schema.names}
        chosen = ", ".join(f"{of[name]}.{quoted(name)}" for name in [*names, ROW])
        condition, params = sql(filters, stored.schema, of)
        query = (
            f"SELECT {chosen} FROM read_parquet($files, hive_partitioning=false, filename='__cauce_file') f "  # noqa: S608
            f'JOIN __cauce_values v USING ("__cauce_file") WHERE {condition} ORDER BY f.{quoted(ROW)}'
        )
        result = connection.sql(query, params={"files": [str(file.path) for file in stored.files], **params})
        for batch in result.to_arrow_reader(size):
            yield complete(pa.Table.from_batches([batch]), {}, stored.schema, names)
