"""Rows that DuckDB cannot fetch itself: written into the spill folder as Parquet, batch by batch, and viewed there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.data.columns import check_names, quoted
from cauce.data.faults import duckdb_errors
from cauce.data.sources.backend import connected, text, viewed
from cauce.data.sources.source import Asked, Raw

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 65_536
"""Rows that are in memory at a time."""
FILE = "landed.parquet"


def land(asked: Asked, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Path:
    """Write batches into one Parquet file in the spill folder, saying how far it has come."""
    import pyarrow.parquet as pq

    path, n_rows = asked.spill / FILE, 0
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        for batch in batches:
            writer.write_batch(batch)
            n_rows += batch.num_rows
            asked.progress(f"load {asked.name}", 0, 1, f"fetching: {n_rows:,} rows")
    return path


@contextmanager
def landed(
    asked: Asked, path: Path, *, names: Sequence[str], casts: Mapping[str, str] | None = None, sort: bool = False
) -> Iterator[Raw]:
    """Open what `land` wrote.

    Parameters
    ----------
    names
        The source's column names: in the file they are `c0`, `c1`…, so that no name can clash or be misread.
    casts
        Column of the file → the DuckDB type that its text is brought to.
    sort
        Put rows in an order of their own: those of a source that gives them in any order.
    """
    check_names(names, where=asked.at("source"))
    with (
        duckdb_errors(path, "rows", None, where=asked.at("source")),
        connected(asked.spill, folders=asked.reads, threads=asked.threads) as backend,
    ):
        file = f"read_parquet({text(str(path))}, hive_partitioning = false)"
        columns = [_cast(name, (casts or {}).get(name)) for name in plain(len(names))]
        relation = f"(SELECT {', '.join(columns)} FROM {file}{' ORDER BY ALL' if sort else ''})"  # noqa: S608
        yield Raw(backend, viewed(backend, relation, names=names, in_text=False), "duckdb")


def plain(n: int) -> list[str]:
    """Return the names `c0`, `c1`… of the file's columns."""
    return [f"c{i}" for i in range(n)]


def _cast(name: str, kind: str | None) -> str:
    return quoted(name) if kind is None else f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}"
