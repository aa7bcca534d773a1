"""A version of a table as a stream of batches in the order of its source, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.data.columns import ROW, quoted
from cauce.data.lake import Stored, complete

if TYPE_CHECKING:
    import pyarrow as pa


def stream(stored: Stored, names: Sequence[str], *, size: int, spill: Path) -> Iterator[pa.RecordBatch]:
    """Yield the columns `names` of all rows by row number, at most `size` rows at a time."""
    ordered = _in_order(stored)
    source = _sorted(stored, names, size, spill) if ordered is None else _plain(ordered, names, size)
    for table in source:
        yield from table.combine_chunks().to_batches(max_chunksize=size)


def _in_order(stored: Stored) -> Stored | None:
    """Return the files in the order of their rows, or None when rows lie across files or out of order in one."""
    import pyarrow.parquet as pq

    spans = []
    for path, values in stored.files:
        with pq.ParquetFile(path) as file:
            rows = file.read(columns=[ROW])[ROW].to_numpy()
        if len(rows) == 0:
            continue
        if (rows[1:] < rows[:-1]).any():
            return None
        spans.append((int(rows[0]), int(rows[-1]), path, values))
    spans.sort(key=lambda span: span[0])
    if any(later[0] < earlier[1] for earlier, later in pairwise(spans)):
        return None
    return Stored(stored.schema, tuple((path, values) for _, _, path, values in spans))


def _plain(stored: Stored, names: Sequence[str], size: int) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path, values in stored.files:
        with pq.ParquetFile(path) as file:
            # The row number is read along, so that a batch has its length even if only partition columns are asked for.
            for batch in file.iter_batches(size, columns=[ROW, *(n for n in names if n not in values)]):
                yield complete(pa.Table.from_batches([batch]), values, stored.schema, names)


def _sorted(stored: Stored, names: Sequence[str], size: int, spill: Path) -> Iterator[pa.Table]:
    import pyarrow as pa

    from cauce.data.duck import connect

    keys = list(stored.files[0][1])
    with closing(connect(spill)) as connection:
        # Partition values come from the log as a small table, by file: the paths' spelling of them is not trusted.
        values = pa.table(
            {
                "__cauce_file": [str(path) for path, _ in stored.files],
                **{key: pa.array([v[key] for _, v in stored.files], stored.schema.field(key).type) for key in keys},
            }
        )
        connection.register("__cauce_values", values)
        chosen = ", ".join(f"{'v' if n in keys else 'f'}.{quoted(n)}" for n in [*names, ROW])
        query = (
            f"SELECT {chosen} FROM read_parquet($files, hive_partitioning=false, filename='__cauce_file') f "  # noqa: S608
            f'JOIN __cauce_values v USING ("__cauce_file") ORDER BY f.{quoted(ROW)}'
        )
        result = connection.sql(query, params={"files": [str(path) for path, _ in stored.files]})
        for batch in result.to_arrow_reader(size):
            yield complete(pa.Table.from_batches([batch]), {}, stored.schema, names)
