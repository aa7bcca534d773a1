"""Delta: a table that somebody else writes, at its newest version, read from the files that its log names.

Partition values come from the log, never from the spelling of a path. Rows that deletion vectors strike out are left
out; tables whose columns are mapped to other names in the files are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from cauce.core.files import fingerprint
from cauce.data.columns import check_names, quoted
from cauce.data.faults import duckdb_errors
from cauce.data.sources.backend import connected, viewed
from cauce.data.sources.source import Asked, Raw

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from ibis.backends.duckdb import Backend

_FILE, _ROW = "__cauce_file", "file_row_number"
_READ = {"deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}
"""Features of a table that this reader minds, or that change nothing for a reader."""


class Delta:
    """A folder with a `_delta_log`."""

    keys: frozenset[str] = frozenset()

    def mark(self, asked: Asked) -> str:
        """Say which commits there are: every change of a Delta table is a new one."""
        log = asked.folder / asked.spec.source / "_delta_log"
        try:
            return fingerprint(*sorted((entry.name, entry.stat().st_mtime_ns) for entry in log.iterdir()))
        except OSError:
            return ""

    @contextmanager
    def opened(self, asked: Asked) -> Iterator[Raw]:
        """Open the newest version; see `Source`."""
        # Resolved, as deltalake names the files of deletion vectors: behind a link they would strike out nothing.
        folder = (asked.folder / asked.spec.source).resolve()
        table = _table(asked, folder)
        names = [field.name for field in table.schema().fields]
        check_names(names, where=asked.at("source"))
        with (
            duckdb_errors(folder, "delta", None, where=asked.at("source")),
            connected(asked.spill, folders=[folder, *asked.reads], threads=asked.threads) as backend,
        ):
            relation = _relation(backend, table, folder, asked)
            yield Raw(backend, viewed(backend, relation, names=names, in_text=False), "duckdb")


def _table(asked: Asked, folder: Path) -> DeltaTable:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    if not (folder / "_delta_log").is_dir():
        raise asked.fault("no Delta table: the folder has no _delta_log", hint="Name the folder that holds it.")
    try:
        table = DeltaTable(folder)
        features = set(table.protocol().reader_features or ())
    except (DeltaError, OSError, ValueError) as error:
        hint = "Check that the folder was copied whole, its _delta_log included."
        raise asked.fault(f"the Delta table cannot be read: {str(error)[:200]}", hint=hint) from error
    mapped = table.metadata().configuration.get("delta.columnMapping.mode", "none") not in {None, "none"}
    unread = sorted((features - _READ) | ({"columnMapping"} if mapped else set()))
    if unread:
        hint = "Write the rows into a table without it, or export them as Parquet."
        raise asked.fault(f"a Delta table that needs {', '.join(unread)}, which Cauce does not read", hint=hint)
    return table


def _relation(backend: Backend, table: DeltaTable, folder: Path, asked: Asked) -> str:
    """Return SQL for the rows: files in the order of their names, each with the partition values that the log says."""
    import pyarrow as pa

    schema = pa.schema(table.schema().to_arrow())
    keys = list(table.metadata().partition_columns)
    adds = pa.table(table.get_add_actions()).to_pylist()
    adds.sort(key=lambda add: str(add["path"]))
    paths = [_inside(folder, str(add["path"]), asked) for add in adds]
    if not paths:
        backend.con.register("__cauce_empty", schema.empty_table())
        return quoted("__cauce_empty")
    struck = _struck(table, folder)
    if not keys and not struck.num_rows:  # DuckDB keeps the order of files and rows where nothing is joined: no sort
        chosen = ", ".join(quoted(field.name) for field in schema)
        return f"(SELECT {chosen} FROM read_parquet({_list(paths)}, hive_partitioning = false, union_by_name = true))"  # noqa: S608
    places = {_FILE: pa.array(paths, pa.string()), "__cauce_order": pa.array(range(len(paths)), pa.int64())}
    values = {key: pa.array([add["partition"][key] for add in adds], schema.field(key).type) for key in keys}
    backend.con.register("__cauce_files", pa.table({**places, **values}))
    backend.con.register("__cauce_struck", struck)
    chosen = ", ".join(_column(field, keys) for field in schema)
    return (
        f"(SELECT {chosen} FROM read_parquet({_list(paths)}, hive_partitioning = false, union_by_name = true, "  # noqa: S608
        f"filename = '{_FILE}', file_row_number = true) f JOIN __cauce_files v USING ({_FILE}) "
        f"ANTI JOIN __cauce_struck s USING ({_FILE}, {_ROW}) ORDER BY v.__cauce_order, f.{_ROW})"
    )


def _column(field: pa.Field, keys: Sequence[str]) -> str:
    return f"{'v' if field.name in keys else 'f'}.{quoted(field.name)}"


def _list(paths: Sequence[str]) -> str:
    from cauce.data.sources.backend import text

    return "[" + ", ".join(map(text, paths)) + "]"


def _inside(folder: Path, address: str, asked: Asked) -> str:
    """Return a file's path, which lies in the table's folder: a log could name any file of the machine."""
    path = Path(unquote(urlsplit(address).path)) if "://" in address else folder / unquote(address)
    if folder.resolve() not in path.resolve().parents:
        hint = "Copy the table with its files into one folder."
        raise asked.fault("the table's log names a file outside of its folder", received=address, hint=hint)
    return str(path)


def _struck(table: DeltaTable, folder: Path) -> pa.Table:
    """Return which rows of which files the deletion vectors strike out."""
    import numpy as np
    import pyarrow as pa

    files: list[Any] = []
    rows: list[Any] = []
    for batch in table.deletion_vectors():
        struck = pa.record_batch(batch)
        for address, kept in zip(struck["filepath"].to_pylist(), struck["selection_vector"], strict=True):
            path = Path(unquote(urlsplit(str(address)).path)) if "://" in str(address) else folder / str(address)
            gone = np.flatnonzero(~np.asarray(kept.values.to_numpy(zero_copy_only=False), dtype=bool))
            files.extend([str(path)] * len(gone))
            rows.extend(gone.tolist())
    return pa.table({_FILE: pa.array(files, pa.string()), _ROW: pa.array(rows, pa.int64())})
