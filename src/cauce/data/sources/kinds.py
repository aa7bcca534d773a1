"""The table of kinds: which source reads what, by the key `format`, the address or the file's ending."""

from __future__ import annotations

from pathlib import PurePosixPath

from cauce.core.addresses import is_address, without_secret
from cauce.core.errors import did_you_mean
from cauce.data.faults import find_file
from cauce.data.sources.bigquery import BigQuery
from cauce.data.sources.delimited import csv_rows
from cauce.data.sources.delta import Delta
from cauce.data.sources.duckdb_file import DuckDBFile
from cauce.data.sources.excel import Excel
from cauce.data.sources.jsonlines import jsonl_rows
from cauce.data.sources.local import LocalFile
from cauce.data.sources.parquet import parquet_rows
from cauce.data.sources.postgres import Postgres, secret_in_address
from cauce.data.sources.source import Asked, Source
from cauce.data.sources.sqlite import Sqlite
from cauce.data.sources.storage import CloudObject

_DIALECT = frozenset({"delimiter", "encoding"})
LOCAL: dict[str, Source] = {
    "csv": LocalFile(csv_rows, _DIALECT),
    "parquet": LocalFile(parquet_rows),
    "jsonl": LocalFile(jsonl_rows),
    "excel": Excel(),
    "duckdb": DuckDBFile(),
    "sqlite": Sqlite(),
    "delta": Delta(),
}
"""Format → what reads a file or folder of it."""
CLOUD: dict[str, Source] = {
    "csv": CloudObject(csv_rows, _DIALECT),
    "parquet": CloudObject(parquet_rows),
    "jsonl": CloudObject(jsonl_rows),
}
"""Format → what reads an object of it from Cloud Storage."""
ADDRESSES = {"postgresql": "postgres", "postgres": "postgres", "bigquery": "bigquery", "gs": ""}
"""Scheme of an address → the format that it says; of an object, the ending says it."""
SERVERS: dict[str, Source] = {"postgres": Postgres(), "bigquery": BigQuery()}
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".duckdb": "duckdb",
    ".ddb": "duckdb",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}
TITLES = {
    "csv": "a CSV file",
    "parquet": "a Parquet file",
    "jsonl": "a JSON Lines file",
    "excel": "an Excel workbook",
    "duckdb": "a DuckDB database",
    "sqlite": "an SQLite database",
    "delta": "a Delta table",
    "postgres": "a PostgreSQL database",
    "bigquery": "BigQuery",
}


def source_of(asked: Asked) -> Source:
    """Return the source that reads what a data set names.

    Raises
    ------
    UserError
        A password stands in the address; the kind is none that is known; a key means nothing for it.
    """
    source = asked.spec.source
    if without_secret(source) != source:
        raise secret_in_address(source, where=asked.at("source"), name=asked.name)
    kind = format_of(asked)
    found = _found(asked, kind)
    for key in ("table", "delimiter", "encoding"):
        if getattr(asked.spec, key) is not None and key not in found.keys:
            raise asked.fault(f"the key `{key}` means nothing for {TITLES[kind]}", key=key, hint="Take it out.")
    return found


def format_of(asked: Asked) -> str:
    """Return the format, by the key `format`, the address or the file's ending."""
    scheme = _scheme(asked)
    said = ADDRESSES[scheme] if scheme else ""
    if asked.spec.format != "auto":
        return _fitting(asked, asked.spec.format, said, scheme)
    if said:
        return said
    path = PurePosixPath(asked.spec.source)
    if not scheme and (asked.folder / path / "_delta_log").is_dir():
        return "delta"
    endings = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    ending = endings[-1] if endings else ""
    if ending not in ENDINGS:
        if not scheme:
            find_file(asked.folder, asked.spec.source, where=asked.at("source"))
        hint = f"{did_you_mean(ending, ENDINGS)} Or set `format`."
        if ending == ".xls":
            hint = "Save it as .xlsx: the older format is not read."
        raise asked.fault("the file's ending says no known format", received=path.name, hint=hint)
    return ENDINGS[ending]


def _scheme(asked: Asked) -> str:
    """Return the address's scheme in lower case; an empty text for a file."""
    source = asked.spec.source
    if not is_address(source):
        return ""
    scheme = source.partition("://")[0].lower()
    if scheme not in ADDRESSES:
        hint = "Known: gs://, postgresql://, bigquery://. Or name a file."
        raise asked.fault("sources are not fetched from such an address", hint=hint)
    return scheme


def _fitting(asked: Asked, wanted: str, said: str, scheme: str) -> str:
    """Refuse a format that the source cannot have: a file as a server, a server as a file."""
    if (said and wanted != said) or (wanted in SERVERS and not said):
        start = {"postgres": "postgresql://user@host/database", "bigquery": "bigquery://project/dataset"}.get(wanted)
        hint = f"Its source is an address: {start}." if start else f"Leave `format` out: the address says {said}."
        raise asked.fault("the format does not fit the source", key="format", hint=hint)
    return wanted


def _found(asked: Asked, kind: str) -> Source:
    if kind in SERVERS:
        return SERVERS[kind]
    if is_address(asked.spec.source):
        if kind not in CLOUD:
            hint = f"From Cloud Storage, {', '.join(CLOUD)} are read. Export the rows as Parquet."
            raise asked.fault(f"{TITLES[kind]} is not read from Cloud Storage", hint=hint)
        return CLOUD[kind]
    return LOCAL[kind]
