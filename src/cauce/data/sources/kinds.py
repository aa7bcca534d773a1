"""The table of kinds: which source reads what, by the key `format`, the address or the file's ending."""

from __future__ import annotations

from pathlib import Path

from cauce.core.errors import did_you_mean
from cauce.data.faults import find_file
from cauce.data.sources.delimited import csv_rows
from cauce.data.sources.jsonlines import jsonl_rows
from cauce.data.sources.local import LocalFile, Rows
from cauce.data.sources.parquet import parquet_rows
from cauce.data.sources.source import Asked, Source

FILES: dict[str, Rows] = {"csv": csv_rows, "parquet": parquet_rows, "jsonl": jsonl_rows}
"""Format → how a file of it is opened, wherever it came from."""
KINDS: dict[str, Source] = {
    "csv": LocalFile(csv_rows, frozenset({"delimiter"})),
    "parquet": LocalFile(parquet_rows),
    "jsonl": LocalFile(jsonl_rows),
}
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}


def source_of(asked: Asked) -> Source:
    """Return the source that reads what a data set names.

    Raises
    ------
    UserError
        Neither `format` nor the ending says a kind.
    """
    return KINDS[format_of(asked)]


def format_of(asked: Asked) -> str:
    """Return the kind, by the key `format` or the file's ending."""
    if asked.spec.format != "auto":
        return asked.spec.format
    path = Path(asked.spec.source)
    endings = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    ending = endings[-1] if endings else ""
    if ending not in ENDINGS:
        find_file(asked.folder, asked.spec.source, where=asked.at("source"))
        hint = f"{did_you_mean(ending, ENDINGS)} Or set `format`."
        raise asked.fault("the file's ending says no known format", received=path.name, hint=hint)
    return ENDINGS[ending]
