"""JSON Lines: one object a line, read by DuckDB, its types found in all lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cauce.data.columns import check_names, quoted
from cauce.data.faults import check_text, duckdb_errors, json_keys
from cauce.data.sources.backend import connected, described, viewed
from cauce.data.sources.source import Asked, Raw


@contextmanager
def jsonl_rows(asked: Asked, path: Path) -> Iterator[Raw]:
    """Open a JSON Lines file."""
    check_text(path, where=asked.at("source"))
    json_keys(path, where=asked.at("source"))
    with (
        duckdb_errors(path, "jsonl", None, where=asked.at("source")),
        connected(asked.spill, files=[path], folders=asked.reads, threads=asked.threads) as backend,
    ):
        view = backend.read_json(
            str(path),
            format="newline_delimited",
            records="true",
            sample_size=-1,
            map_inference_threshold=-1,
            hive_partitioning=False,
        )
        relation = quoted(view.get_name())
        names = list(described(backend, relation))
        check_names(names, where=asked.at("source"))
        yield Raw(backend, viewed(backend, relation, names=names, in_text=False), "duckdb")
