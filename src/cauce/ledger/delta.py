"""The ledger's Delta tables: append exactly once, sync, compact, erase, list files. Only this module knows deltalake.

Deltalake syncs nothing, so a version counts once it was synced and its number stands in ``_acknowledged``. Readers open
that version; whoever writes first takes out what a power cut left behind it, of which the journals hold everything.
Whoever writes holds ``fold.lock``. Files are read by their paths with pyarrow, never through `to_pyarrow_table` (it
aborted the interpreter at exit). The tables are written here alone, without deletion vectors.
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
from urllib.parse import unquote

from cauce.core.files import sync_folder, write_bytes
from cauce.ledger.records import day_of

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

APP = "cauce-fold"
ACKNOWLEDGED = "_acknowledged"
PURGING = "_purging"
"""Is there from before an erasure until no older file or version is left."""
FILES_PER_DAY = 24
"""A day with more files than this is compacted."""
KEEP_HOURS = 1
"""Compacted files stay this long for those who are reading them."""
COMMITS_PER_CHECKPOINT = 20
IDS_AT_ONCE = 1_000
IDS_READ_AT_ONCE = 50_000


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
    """Return the table at the newest version that no power cut can take, or None while nothing was ever folded."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    if not (folder / "_delta_log").is_dir():
        return None
    version = acknowledged(folder)
    if version is not None and version < 0:
        return None
    if version is not None:
        try:
            return DeltaTable(str(folder), version=version)
        except DeltaError:
            if not _drop_hint(folder):
                raise
            return DeltaTable(str(folder), version=version)
    # A table of an earlier Cauce, which wrote no mark.
    return DeltaTable(str(folder)) if DeltaTable.is_deltatable(str(folder)) else None


def _drop_hint(folder: Path) -> bool:
    """Delete the pointer to the newest checkpoint, which a power cut may have left without it; False without one.

    It spares a listing of the log, no more, so a reader may delete it too, at any moment.
    """
    try:
        (folder / "_delta_log" / "_last_checkpoint").unlink()
    except FileNotFoundError:
        return False
    return True


def acknowledged(folder: Path) -> int | None:
    """Return the newest version that was synced before its writer went on, -1 for none yet; None without a mark."""
    try:
        return int((folder / ACKNOWLEDGED).read_bytes())
    except FileNotFoundError:
        return None


def gone(error: Exception) -> bool:
    """Whether reading failed because a file or version was erased in the meantime: what is there now can be read."""
    from deltalake.exceptions import DeltaError

    return isinstance(error, FileNotFoundError | DeltaError)


def append(folder: Path, rows: pa.Table, *, number: int) -> None:
    """Append `rows` as fold `number`, unless that fold is in the table already; synced before this returns."""
    from deltalake import CommitProperties, Transaction, write_deltalake

    recover(folder)
    table = open_table(folder)
    if table is not None and (table.transaction_version(APP) or 0) >= number:
        acknowledge(folder)
        return
    if table is None:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / ACKNOWLEDGED, b"-1\n")
    with _disk_full(folder):
        write_deltalake(
            str(folder),
            rows.sort_by("id"),
            mode="append",
            partition_by=["day"],
            schema_mode="merge",
            # Statistics are values of rows: none but the ids' may stand in the log.
            configuration={"delta.dataSkippingStatsColumns": "id"},
            commit_properties=CommitProperties(app_transactions=[Transaction(APP, number)]),
            post_commithook_properties=_nothing_after(),
        )
    acknowledge(folder)


def _nothing_after() -> Any:
    """Checkpoints are made, and commits trimmed, by `acknowledge`: in an order that a power cut cannot hurt."""
    from deltalake import PostCommitHookProperties

    return PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


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


def recover(folder: Path) -> None:
    """Take out versions that were never acknowledged: a killed writer's, or those that a power cut may have torn.

    Nothing is lost: segments are deleted after the version that holds them is acknowledged, and erasing or compacting
    is done again.
    """
    version = acknowledged(folder)
    log = folder / "_delta_log"
    if version is None or not log.is_dir():
        return
    late = sorted((path for path in log.iterdir() if _version_of(path) > version), reverse=True)
    for path in late:
        path.unlink()
    if _drop_hint(folder) or late:
        sync_folder(log)


def _version_of(path: Path) -> int:
    """Return the version that a file of the log belongs to, -1 for those that belong to none."""
    return int(path.name[:20]) if path.name[:20].isdigit() else -1


def acknowledge(folder: Path, *, checkpoint: bool = False) -> None:
    """Sync the newest version and note its number; from time to time, put a checkpoint in the place of the log before.

    Parameters
    ----------
    checkpoint
        Do so now.
    """
    from deltalake import DeltaTable

    log = folder / "_delta_log"
    names = os.listdir(log)  # noqa: PTH208 - names are enough
    newest = max(int(name[:20]) for name in names if name.endswith(".json") and name[:20].isdigit())
    before = max((int(name[:20]) for name in names if ".checkpoint" in name and name[:20].isdigit()), default=-1)
    mark = acknowledged(folder)
    # Of a version that is not acknowledged yet: a torn one is then taken out with it.
    checkpoint = (checkpoint or newest - before >= COMMITS_PER_CHECKPOINT) and (mark is None or newest > mark)
    if checkpoint:
        with _disk_full(folder):
            DeltaTable(str(folder), version=newest).create_checkpoint()
        _drop_hint(folder)
    sync(folder)
    if mark != newest:
        write_bytes(folder / ACKNOWLEDGED, b"%d\n" % newest)
    if checkpoint:
        for path in sorted(log.iterdir()):
            if 0 <= _version_of(path) < newest:
                path.unlink()
        sync_folder(log)


def compact(folder: Path) -> bool:
    """Merge the files of days that have many, and delete merged files after an hour; True where anything was merged."""
    recover(folder)
    table = open_table(folder)
    if table is None:
        return False
    if (folder / PURGING).exists():
        purge(folder)
        table = open_table(folder)
        assert table is not None
    crowded = [day for day, n in Counter(file.day for file in files(table)).items() if n > FILES_PER_DAY]
    if not crowded:
        return False
    with _disk_full(folder):
        for day in crowded:
            table.optimize.compact(partition_filters=[("day", "=", day)], post_commithook_properties=_nothing_after())
        acknowledge(folder)
        _vacuum(folder, KEEP_HOURS)
    acknowledge(folder)
    return True


def _vacuum(folder: Path, hours: int) -> None:
    """Delete files that the newest version has no longer, and those that a killed writer left."""
    from deltalake import DeltaTable

    DeltaTable(str(folder)).vacuum(
        retention_hours=hours,
        enforce_retention_duration=False,
        dry_run=False,
        full=True,
        post_commithook_properties=_nothing_after(),
    )


def begin_erasure(folder: Path) -> bool:
    """Note that `purge` is to come, whatever happens; False where there is no table."""
    recover(folder)
    if open_table(folder) is None:
        return False
    write_bytes(folder / PURGING, b"")
    return True


def erase(folder: Path, ids: Sequence[str]) -> int:
    """Delete the rows of `ids` from the newest version; return how many. `begin_erasure` goes before, `purge` after."""
    by_day: dict[str, list[str]] = {}
    for id_ in sorted(set(ids)):
        by_day.setdefault(day_of(id_), []).append(id_)
    n_rows = 0
    for day, wanted in sorted(by_day.items()):
        for start in range(0, len(wanted), IDS_AT_ONCE):
            listed = ", ".join(_quoted(id_) for id_ in wanted[start : start + IDS_AT_ONCE])
            n_rows += erase_where(folder, f"day = {_quoted(day)} AND id IN ({listed})")
    return n_rows


def erase_where(folder: Path, condition: str) -> int:
    """Delete the rows that fulfil a condition from the newest version; return how many."""
    from deltalake import DeltaTable

    with _disk_full(folder):
        done = DeltaTable(str(folder)).delete(condition, post_commithook_properties=_nothing_after())
    acknowledge(folder)
    return int(done["num_deleted_rows"] or 0)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def purge(folder: Path) -> None:
    """Delete every file and version but the newest, so that nothing holds what was erased."""
    with _disk_full(folder):
        _vacuum(folder, 0)
    acknowledge(folder, checkpoint=True)
    (folder / PURGING).unlink(missing_ok=True)
    sync_folder(folder)


def files(table: DeltaTable) -> list[DataFile]:
    """Return the table's files, those with the newest ids first."""
    import pyarrow as pa

    actions = pa.table(table.get_add_actions(flatten=True))
    root = Path(unquote(table.table_uri.removeprefix("file://")))  # a project's path may hold spaces
    columns: Sequence[Any] = [
        actions[name].to_pylist() for name in ("path", "partition.day", "num_records", "min.id", "max.id")
    ]
    found = [DataFile(root / path, *rest) for path, *rest in zip(*columns, strict=True)]
    return sorted(found, key=lambda file: (file.last, file.first), reverse=True)


def columns(path: Path) -> list[str]:
    """Return the names of a file's columns."""
    import pyarrow.parquet as pq

    names: list[str] = pq.read_schema(path).names
    return names


def read(path: Path, columns: Sequence[str] | None = None, *, low: str = "") -> pa.Table:
    """Return a file's rows with ids from `low` on. Columns that the file lacks are left out.

    Texts are plain whatever wrote the file: what deltalake rewrites, it stores as views, which few kernels take.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    wanted = None if columns is None else [name for name in columns if name in schema.names]
    views = any(pa.types.is_string_view(kind) for kind in schema.types)
    above = pc.field("id") >= low if low else None
    rows = pq.read_table(path, columns=wanted, filters=None if views else above, partitioning=None)
    if not views:
        return rows
    plain = [f.with_type(pa.string()) if pa.types.is_string_view(f.type) else f for f in rows.schema]
    rows = rows.cast(pa.schema(plain))
    return rows.filter(above) if above is not None else rows


def ids(path: Path) -> Iterator[list[str]]:
    """Yield a file's ids, in its order, so many at a time that memory does not grow with the file."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(IDS_READ_AT_ONCE, columns=["id"]):
            yield batch["id"].to_pylist()


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
