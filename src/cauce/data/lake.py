"""The lake: Delta tables on disk, one folder a data set, written whole and read in the order of the source.

Written through deltalake, read through pyarrow from the files that a version names (`to_pyarrow_table` of deltalake 1.6
aborts the interpreter at exit). Callers hold the project's lock while they write.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from cauce.core.artefacts import Snapshot
from cauce.core.errors import UserError, did_you_mean
from cauce.core.files import disk_errors, sync_folder
from cauce.core.names import check_name
from cauce.data.columns import ROW
from cauce.data.log import last_version, records

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_ROW_GROUP = 131_072


@dataclass(frozen=True)
class Stored:
    """One version's files."""

    schema: pa.Schema
    """All columns, the row number included."""
    files: tuple[tuple[Path, Mapping[str, Any]], ...]
    """Path, and the value of each partition column in it."""


def latest(lake: Path, name: str) -> Snapshot | None:
    """Return the newest snapshot of a data set, or None when it was never loaded."""
    found = next(records(lake / check_name(name)), None)
    return found.snapshot if found else None


def read(lake: Path, name: str, *, version: int | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a snapshot, its rows in the order of the source.

    Parameters
    ----------
    lake
        `.cauce/lake`.
    name
        Of the data set.
    version
        Delta version; the newest snapshot's where None.
    columns
        In this order; all where None.

    Raises
    ------
    UserError
        Never loaded, no such version, or no such column.
    """
    folder = lake / check_name(name)
    return read_table(folder, _version(lake, name, version), columns, order=ROW).drop_columns([ROW])


def batches(
    lake: Path, name: str, *, version: int | None = None, columns: Sequence[str] | None = None, size: int = 65_536
) -> Iterator[pa.RecordBatch]:
    """Stream a snapshot in the order of the source, at most `size` rows at a time, without holding it in memory.

    A partitioned or clustered table is sorted by DuckDB, which spills into the lake's folder.

    Raises
    ------
    UserError
        As `read`, at the call.
    """
    from cauce.data.stream import stream

    folder = lake / check_name(name)
    stored = open_version(folder, _version(lake, name, version))
    names = _checked(stored.schema, columns, folder)
    return stream(stored, names, size=size, spill=lake / ".spill")


def _version(lake: Path, name: str, version: int | None) -> int:
    if version is not None:
        return version
    snapshot = latest(lake, name)
    if snapshot is None:
        raise UserError("the data set was never loaded", where=str(lake), received=name, hint="Run `cauce up --once`.")
    return snapshot.version


def _checked(schema: pa.Schema, columns: Sequence[str] | None, folder: Path) -> list[str]:
    known = [name for name in schema.names if name != ROW]
    for name in columns or ():
        if name not in known:
            raise UserError(
                "no such column in the snapshot", where=str(folder), received=name, hint=did_you_mean(name, known)
            )
    return known if columns is None else list(columns)


def read_table(folder: Path, version: int, columns: Sequence[str] | None, *, order: str) -> pa.Table:
    """Read one version of any table of the lake, sorted by the row number, which stays as a column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    stored = open_version(folder, version)
    wanted = [*_checked(stored.schema, columns, folder), order]
    parts = [read_file(path, values, stored.schema, wanted) for path, values in stored.files]
    empty = pa.schema([stored.schema.field(name) for name in wanted]).empty_table()
    table = pa.concat_tables([empty, *parts])
    rows = table[order].combine_chunks().to_numpy()
    if (rows[1:] >= rows[:-1]).all():
        return table
    return table.take(pc.sort_indices(table[order]))


def read_file(path: Path, values: Mapping[str, Any], schema: pa.Schema, wanted: Sequence[str]) -> pa.Table:
    """Read the `wanted` columns of one file; the partition columns come from `values`."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        # A column "a" is also asked for as the parent of "a.b"; the selection below takes the exact one.
        table = file.read(columns=[name for name in wanted if name not in values])
    return complete(table, values, schema, wanted)


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


def open_version(folder: Path, version: int) -> Stored:
    """Look up a version's schema and files.

    Raises
    ------
    UserError
        No such version.
    """
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        table = DeltaTable(str(folder), version=version)
    except (DeltaError, OSError) as error:
        hint = f"The newest version is {last_version(folder)}."
        raise UserError(
            f"no such version of the data set: {error}", where=str(folder), received=version, hint=hint
        ) from error
    actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    if any(action.get("deletion_vector.storage_type") for action in actions):
        raise UserError(
            "the table has deletion vectors, which Cauce does not read",
            where=str(folder),
            hint="Rewrite it with the tool that deleted rows from it.",
        )
    keys = table.metadata().partition_columns
    files = tuple(
        (folder / unquote(action["path"]), {key: action[f"partition.{key}"] for key in keys}) for action in actions
    )
    return Stored(_schema(table), files)


_ARROW = {
    "string": "large_string",
    "long": "int64",
    "integer": "int32",
    "short": "int16",
    "byte": "int8",
    "double": "double",
    "float": "float",
    "boolean": "bool",
    "date": "date32",
    "binary": "binary",
}


def _schema(table: DeltaTable) -> pa.Schema:
    import pyarrow as pa

    def arrow(kind: str) -> pa.DataType:
        if kind == "string":
            return pa.string()
        if kind in {"timestamp", "timestamp_ntz"}:
            return pa.timestamp("us", tz="UTC" if kind == "timestamp" else None)
        if digits := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", kind):
            return pa.decimal128(int(digits[1]), int(digits[2]))
        return pa.type_for_alias(_ARROW[kind])

    return pa.schema([pa.field(field.name, arrow(str(field.type.type))) for field in table.schema().fields])


def write(
    folder: Path,
    rows: pa.RecordBatchReader,
    *,
    mode: Literal["overwrite", "append"],
    partition_by: Sequence[str] = (),
    record: Mapping[str, str] | None = None,
) -> int:
    """Commit rows as the next version and return it; on any error the version before stays the newest.

    Raises
    ------
    UserError
        The disk is full, or the folder may not be written.
    """
    from deltalake import CommitProperties, write_deltalake

    with lake_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_deltalake(
            str(folder),
            rows,
            mode=mode,
            schema_mode="overwrite" if mode == "overwrite" else "merge",
            partition_by=list(partition_by) if mode == "overwrite" else None,
            commit_properties=CommitProperties(custom_metadata=dict(record or {})),
            post_commithook_properties=_keep_log(),
            writer_properties=_writer(),
        )
        return _synced(folder)


def cluster(folder: Path, columns: Sequence[str], *, record: Mapping[str, str]) -> int:
    """Z-order the newest version by `columns`, as a version of its own, and return it."""
    from deltalake import CommitProperties, DeltaTable

    with lake_errors(folder):
        DeltaTable(str(folder)).optimize.z_order(
            list(columns),
            commit_properties=CommitProperties(custom_metadata=dict(record)),
            post_commithook_properties=_keep_log(),
            writer_properties=_writer(),
        )
        return _synced(folder)


def _keep_log() -> Any:
    from deltalake import PostCommitHookProperties

    return PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


def _writer() -> Any:
    from deltalake import WriterProperties

    return WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=_ROW_GROUP)


def _synced(folder: Path) -> int:
    """Sync the newest version's files: Delta commits without it, and a power loss would take them."""
    version = last_version(folder)
    stored = open_version(folder, version)
    paths = [path for path, _ in stored.files] + [folder / "_delta_log" / f"{version:020}.json"]
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    for parent in sorted({path.parent for path in paths} | {folder, folder.parent}):
        sync_folder(parent)
    return version


@contextmanager
def lake_errors(folder: Path) -> Iterator[None]:
    """Translate a full disk or a forbidden folder, which deltalake reports as text, into a UserError."""
    from deltalake.exceptions import DeltaError

    with disk_errors(folder):
        try:
            yield
        except (DeltaError, OSError) as error:
            code = re.search(r"\(os error (\d+)\)", str(error))
            if code and not getattr(error, "errno", None):
                raise OSError(int(code[1]), os.strerror(int(code[1]))) from error
            raise
