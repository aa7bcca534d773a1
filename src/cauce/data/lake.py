"""The lake: Delta tables on disk, one folder a data set, written whole and read in the order of the source.

Written through deltalake, read through pyarrow from the files that a version names (`to_pyarrow_table` of deltalake 1.6
aborts the interpreter at exit). Callers hold the project's lock while they write.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cauce.core.artefacts import Snapshot
from cauce.core.errors import UserError, did_you_mean
from cauce.core.files import disk_errors, sync_folder, write_bytes
from cauce.core.names import check_name
from cauce.data import readers
from cauce.data.columns import ROW, quoted
from cauce.data.filters import Filter, checked
from cauce.data.log import ACKNOWLEDGED, last_version, records
from cauce.data.versions import open_version

if TYPE_CHECKING:
    import pyarrow as pa

_ROW_GROUP = 131_072
CLUSTERED_ROW_GROUP = 16_384
"""Rows of a group in a clustered file: the smallest piece that a filter on a clustered column reads."""


def latest(lake: Path, name: str) -> Snapshot | None:
    """Return the newest snapshot of a data set, or None when it was never loaded."""
    found = next(records(lake / check_name(name)), None)
    return found.snapshot if found else None


def read(
    lake: Path,
    name: str,
    *,
    version: int | None = None,
    columns: Sequence[str] | None = None,
    filters: Sequence[Filter] = (),
) -> pa.Table:
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
    filters
        Only rows that fulfil all of them. Partitions, files and row groups that cannot hold such a row are not read.

    Raises
    ------
    UserError
        Never loaded, no such version, one that retention removed, or no such column.
    """
    folder = lake / check_name(name)
    table = read_table(folder, _version(lake, name, version), columns, order=ROW, filters=filters)
    return table.drop_columns([ROW])


def batches(
    lake: Path,
    name: str,
    *,
    version: int | None = None,
    columns: Sequence[str] | None = None,
    filters: Sequence[Filter] = (),
    size: int = 65_536,
) -> Iterator[pa.RecordBatch]:
    """Stream a snapshot in the order of the source, at most `size` rows at a time, without holding it in memory.

    A partitioned or clustered table is sorted by DuckDB, which spills into the lake's folder.

    Raises
    ------
    UserError
        As `read`, at the call.
    """
    from cauce.data.pieces import pruned
    from cauce.data.stream import stream

    folder = lake / check_name(name)
    number = _version(lake, name, version)
    reading = readers.begin(folder, number)
    stored = open_version(folder, number)
    names = _checked(stored.schema, columns, folder)
    wanted = checked(filters, stored.schema, where=str(folder))
    return stream(pruned(stored, wanted), names, wanted, size=size, spill=lake / ".spill", reading=reading)


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


def read_table(
    folder: Path, version: int, columns: Sequence[str] | None, *, order: str, filters: Sequence[Filter] = ()
) -> pa.Table:
    """Read one version of any table of the lake, sorted by the row number, which stays as a column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce.data.pieces import pruned, read_piece

    with readers.begin(folder, version):
        stored = open_version(folder, version)
        wanted = [*_checked(stored.schema, columns, folder), order]
        conditions = checked(filters, stored.schema, where=str(folder))
        parts = [read_piece(file, stored.schema, wanted, conditions) for file in pruned(stored, conditions).files]
    empty = pa.schema([stored.schema.field(name) for name in wanted]).empty_table()
    table = pa.concat_tables([empty, *parts])
    rows = table[order].combine_chunks().to_numpy()
    if (rows[1:] >= rows[:-1]).all():
        return table
    return table.take(pc.sort_indices(table[order]))


def write(
    folder: Path,
    rows: pa.RecordBatchReader,
    *,
    mode: Literal["overwrite", "append"],
    partition_by: Sequence[str] = (),
    record: Mapping[str, str] | None = None,
    within: str | None = None,
) -> int:
    """Commit rows as the next version and return it; on any error the version before stays the newest.

    Parameters
    ----------
    within
        Condition on partition columns (`partitions`): the rows replace these partitions alone, and lie in them.

    Raises
    ------
    UserError
        The disk is full, or the folder may not be written.
    """
    from deltalake import CommitProperties, write_deltalake

    with lake_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        told: dict[str, Any] = {
            "commit_properties": CommitProperties(custom_metadata=dict(record or {})),
            "post_commithook_properties": _keep_log(),
            "writer_properties": writer(),
        }
        if mode == "append":
            write_deltalake(str(folder), rows, mode="append", schema_mode="merge", **told)
        elif within is not None:
            write_deltalake(str(folder), rows, mode="overwrite", predicate=within, **told)
        else:
            parts = list(partition_by)
            write_deltalake(str(folder), rows, mode="overwrite", schema_mode="overwrite", partition_by=parts, **told)
        return acknowledge(folder)


def partitions(values: pa.Table) -> str:
    r"""Return the condition that rows of some partitions fulfil: a row of `values` for each partition.

    Examples
    --------
    >>> import pyarrow as pa
    >>> partitions(pa.table({"year": [2025, None], "city": ["L'Hospitalet", "Roma"]}))
    '("year" = 2025 AND "city" = \'L\'\'Hospitalet\') OR ("year" IS NULL AND "city" = \'Roma\')'
    """
    return " OR ".join(
        f"({' AND '.join(_partition(name, value) for name, value in row.items())})" for row in values.to_pylist()
    )


def _partition(name: str, value: Any) -> str:
    column = quoted(name)
    if value is None:
        return f"{column} IS NULL"
    if isinstance(value, bool | int):
        return f"{column} = {str(value).lower()}"
    return f"{column} = '{str(value).replace(chr(39), chr(39) * 2)}'"


def cluster(folder: Path, columns: Sequence[str], *, record: Mapping[str, str]) -> int:
    """Z-order the newest version by `columns`, as a version of its own, and return it."""
    from deltalake import CommitProperties, DeltaTable

    with lake_errors(folder):
        DeltaTable(str(folder)).optimize.z_order(
            list(columns),
            commit_properties=CommitProperties(custom_metadata=dict(record)),
            post_commithook_properties=_keep_log(),
            writer_properties=writer(CLUSTERED_ROW_GROUP),
        )
        return acknowledge(folder)


def compact(folder: Path, *, record: Mapping[str, str], target: int) -> int:
    """Put small files of each partition together into files of about `target` bytes, as a version of its own."""
    from deltalake import CommitProperties, DeltaTable

    with lake_errors(folder):
        DeltaTable(str(folder)).optimize.compact(
            target_size=target,
            commit_properties=CommitProperties(custom_metadata=dict(record)),
            post_commithook_properties=_keep_log(),
            writer_properties=writer(),
        )
        return acknowledge(folder)


def bring_back(folder: Path, version: int, *, record: Mapping[str, str]) -> int:
    """Make the files of an earlier version the newest version's, as a version of its own; nothing is rewritten."""
    from deltalake import CommitProperties, DeltaTable

    with lake_errors(folder):
        DeltaTable(str(folder)).restore(
            version,
            commit_properties=CommitProperties(custom_metadata=dict(record)),
            post_commithook_properties=_keep_log(),
        )
        return acknowledge(folder)


def _keep_log() -> Any:
    from deltalake import PostCommitHookProperties

    return PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


def writer(row_group: int = _ROW_GROUP) -> Any:
    """Return how Parquet files of a table are written."""
    from deltalake import WriterProperties

    return WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=row_group)


def acknowledge(folder: Path) -> int:
    """Sync the newest version's files and note its number; until then a power cut may take it.

    Delta commits without syncing, checkpoints too.
    """
    version = last_version(folder)
    stored = open_version(folder, version)
    log = folder / "_delta_log"
    extra = [log / f"{version:020}.checkpoint.parquet", log / "_last_checkpoint"]
    paths = [file.path for file in stored.files] + [log / f"{version:020}.json"] + [p for p in extra if p.exists()]
    synced(paths)
    sync_folder(folder)
    sync_folder(folder.parent)
    write_bytes(folder / ACKNOWLEDGED, f"{version}\n".encode())
    return version


def synced(paths: Sequence[Path]) -> None:
    """Sync files and the folders that name them."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    for parent in sorted({path.parent for path in paths}):
        sync_folder(parent)


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
