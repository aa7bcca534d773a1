"""The ledger's Delta tables: append exactly once, sync, compact, list files. Only this module knows deltalake here.

Files are read by their paths with pyarrow, never through `to_pyarrow_table` (it aborted the interpreter at exit). The
tables are written here alone, without deletion vectors.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.files import sync_folder

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

APP = "cauce-fold"
FILES_PER_DAY = 24
"""A day with more files than this is compacted."""
KEEP_HOURS = 1
"""Compacted files stay this long for those who are reading them."""


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a table."""

    path: Path
    day: str
    n_rows: int
    first: str
    """Smallest id."""
    last: str
    """Largest id."""


def open_table(folder: Path) -> DeltaTable | None:
    """Return the table, or None while nothing was ever folded."""
    from deltalake import DeltaTable

    return (
        DeltaTable(str(folder)) if (folder / "_delta_log").is_dir() and DeltaTable.is_deltatable(str(folder)) else None
    )


def append(folder: Path, rows: pa.Table, *, number: int) -> None:
    """Append `rows` as fold `number`, unless that fold is in the table already; synced before this returns."""
    from deltalake import CommitProperties, Transaction, write_deltalake

    table = open_table(folder)
    if table is not None and (table.transaction_version(APP) or 0) >= number:
        sync(folder)
        return
    with _disk_full(folder):
        write_deltalake(
            str(folder),
            rows.sort_by("id"),
            mode="append",
            partition_by=["day"],
            schema_mode="merge",
            configuration={"delta.checkpointInterval": "20", "delta.logRetentionDuration": "interval 1 days"},
            commit_properties=CommitProperties(app_transactions=[Transaction(APP, number)]),
        )
    sync(folder)


@contextmanager
def _disk_full(folder: Path) -> Iterator[None]:
    """Give a full disk as the OSError that it is; deltalake tells it in the text of errors of its own."""
    try:
        yield
    except Exception as error:
        # deltalake has no class for it: the text of its error is all there is.
        if "No space left" in str(error) or "os error 28" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device", str(folder)) from error
        raise


def compact(folder: Path) -> bool:
    """Merge the files of days that have many, and delete merged files after an hour; True where anything was merged."""
    table = open_table(folder)
    if table is None:
        return False
    crowded = [day for day, n in Counter(file.day for file in files(table)).items() if n > FILES_PER_DAY]
    with _disk_full(folder):
        for day in crowded:
            table.optimize.compact(partition_filters=[("day", "=", day)])
    if crowded:
        sync(folder)
        table.vacuum(retention_hours=KEEP_HOURS, enforce_retention_duration=False, dry_run=False)
    return bool(crowded)


def files(table: DeltaTable) -> list[DataFile]:
    """Return the table's files, those with the newest ids first."""
    import pyarrow as pa

    actions = pa.table(table.get_add_actions(flatten=True))
    root = Path(table.table_uri.removeprefix("file://"))
    columns: Sequence[Any] = [
        actions[name].to_pylist() for name in ("path", "partition.day", "num_records", "min.id", "max.id")
    ]
    found = [DataFile(root / path, *rest) for path, *rest in zip(*columns, strict=True)]
    return sorted(found, key=lambda file: (file.last, file.first), reverse=True)


def sync(folder: Path) -> None:
    """Sync every file of the last two minutes, its folder, and the log: deltalake itself syncs nothing.

    Older files were synced when they were new.
    """
    newest = max((entry.stat().st_mtime for entry in os.scandir(folder / "_delta_log")), default=0.0)
    for parent, _, entries in os.walk(folder):
        for name in entries:
            path = Path(parent) / name
            if path.stat().st_mtime >= newest - 120:
                _sync_file(path)
        sync_folder(Path(parent))
    sync_folder(folder.parent)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
