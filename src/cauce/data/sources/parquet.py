"""Parquet: one file, read by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cauce.data.columns import check_names, quoted
from cauce.data.faults import duckdb_errors
from cauce.data.sources.backend import connected, described, viewed
from cauce.data.sources.source import Asked, Raw


@contextmanager
def parquet_rows(asked: Asked, path: Path) -> Iterator[Raw]:
    """Open a Parquet file."""
    with duckdb_errors(path, "parquet", None, where=asked.at("source")):
        names = _names(path)
        check_names(names or (), where=asked.at("source"))
        with connected(asked.spill, files=[path], folders=asked.reads, threads=asked.threads) as backend:
            relation = quoted(backend.read_parquet(str(path), hive_partitioning=False).get_name())
            found = names or list(described(backend, relation))
            yield Raw(backend, viewed(backend, relation, names=found, in_text=False), "duckdb")


def _names(path: Path) -> list[str] | None:
    """Return the names as they are in the file: DuckDB renames the second of two that differ only in case."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return None  # DuckDB says what is wrong with it
