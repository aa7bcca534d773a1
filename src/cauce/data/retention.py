"""Retention: versions that nobody needs any more are forgotten, and the files that only they had deleted.

A version's age counts from when another took its place, so that a bad load can be gone back from for as long as `keep`
says, however rarely data is loaded. Never forgotten: the newest version, those the caller pins (releases name them),
and those that somebody reads at this moment.

Order matters, so that a kill at any moment loses nothing: versions are noted as forgotten, from then on nobody can
begin to read them; then files are deleted; then the part of the log that no version left needs.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from cauce.core.errors import Locked
from cauce.core.files import disk_errors, sync_folder, write_bytes
from cauce.core.names import check_name
from cauce.core.specs import seconds
from cauce.data import readers
from cauce.data.log import commits, last_version, records
from cauce.data.recovery import recover
from cauce.data.replay import replay
from cauce.data.versions import FORGOTTEN, forgotten


@dataclass(frozen=True)
class Vacuumed:
    """What retention did, or would do."""

    data: str
    forgotten: tuple[int, ...]
    """Versions that can no longer be read, ascending."""
    n_files: int
    """Files deleted."""
    n_bytes: int
    """Bytes freed."""
    released: tuple[int, ...]
    """Versions old enough that stay because a release was trained on them."""
    read_now: tuple[int, ...]
    """Versions old enough that stay because somebody reads them; the next run takes them."""
    dry_run: bool


def vacuum(
    lake: Path, name: str, *, keep: str | None, now: datetime, pinned: Collection[int], dry_run: bool = False
) -> Vacuumed:
    """Forget versions that were replaced longer ago than `keep`, and delete what only they had.

    Parameters
    ----------
    lake
        `.cauce/lake`.
    name
        The data set.
    keep
        A duration such as ``90d``; every version stays where None, and only what killed loads left is deleted.
    now
        UTC.
    pinned
        Versions that stay: those that registered releases were trained on.
    dry_run
        Say what would go, and change nothing.

    Raises
    ------
    UserError
        The lake may not be written.
    """
    table = lake / check_name(name)
    if not dry_run:
        recover(table, thorough=True)
    old = _replaced_longer_ago(table, seconds(keep), now) if keep is not None else []
    old = sorted(set(old) - forgotten(table))
    loose = [version for version in old if version not in pinned]
    gone, busy = (loose, []) if dry_run else _forget(table, loose)
    n_files, n_bytes = _sweep(table, forgotten(table).union(gone), dry_run=dry_run)
    if not dry_run:
        _expire_log(table)
    released = tuple(version for version in old if version in pinned)
    return Vacuumed(name, tuple(gone), n_files, n_bytes, released, tuple(busy), dry_run)


def keep_newest_only(table: Path) -> None:
    """Forget every version but the newest, and delete what only the others had, and what killed writers left.

    Raises
    ------
    Locked
        Somebody reads an older version: the same call goes on later.
    """
    recover(table, thorough=True)
    older = [version for version, _ in commits(table)[:-1]]
    _, busy = _forget(table, [version for version in older if version not in forgotten(table)])
    if busy:
        raise Locked("a version that is to be erased is being read", where=str(table), hint="Give the command again.")
    _sweep(table, forgotten(table), dry_run=False)
    _expire_log(table)
    sync_folder(table / "_delta_log")
    sync_folder(table)


def _replaced_longer_ago(table: Path, age_s: float, now: datetime) -> list[int]:
    """Return the versions whose successor was made more than `age_s` seconds before `now`."""
    made = [(record.snapshot.version, record.made_at) for record in records(table)]
    return [older for (_, at), (older, _) in pairwise(made) if (now - at).total_seconds() > age_s]


def _forget(table: Path, versions: Iterable[int]) -> tuple[list[int], list[int]]:
    """Note versions as forgotten, but for those being read; return both."""
    gone, busy, held = list[int](), list[int](), list[readers.Held]()
    try:
        for version in versions:
            lock = readers.alone(table, version)
            if lock is None:
                busy.append(version)
            else:
                held.append(lock)
                gone.append(version)
        if gone:
            _note(table, forgotten(table).union(gone))
    finally:
        for lock in held:
            lock.close()
    for version in gone:
        readers.forget(table, version)
    return gone, busy


def _note(table: Path, versions: Iterable[int]) -> None:
    write_bytes(table / FORGOTTEN, json.dumps(sorted(versions)).encode())


def _sweep(table: Path, without: Collection[int], *, dry_run: bool) -> tuple[int, int]:
    """Delete the files that only forgotten versions have; return how many, and their bytes."""
    if not without:
        return 0, 0
    played = replay(table)
    left = [version for version in played.versions if version not in without]
    n_files = n_bytes = 0
    with disk_errors(table):
        for path, life in sorted(played.lives.items()):
            if life.within(left) or not (table / path).exists():
                continue
            n_files, n_bytes = n_files + 1, n_bytes + life.n_bytes
            if not dry_run:
                (table / path).unlink()
    return n_files, n_bytes


def _expire_log(table: Path) -> None:
    """Delete commits older than the oldest version that can be read; a checkpoint takes their place.

    Ascending, after the checkpoint is synced: a kill in between leaves commits that nobody asks for.
    """
    from deltalake import DeltaTable

    from cauce.data.lake import lake_errors, synced

    gone = forgotten(table)
    present = [version for version, _ in commits(table)]
    left = [version for version in present if version not in gone]
    if not left or left[0] == present[0]:
        return
    log = table / "_delta_log"
    with lake_errors(table):
        DeltaTable(str(table), version=left[0]).create_checkpoint()
        if left[0] != last_version(table):
            DeltaTable(str(table)).create_checkpoint()  # the pointer to the newest checkpoint moves back to the newest
        synced([log / f"{left[0]:020}.checkpoint.parquet", log / "_last_checkpoint"])
        _unlink_before(log, left[0], present)
    _note(table, [version for version in gone if version > left[0]])


def _unlink_before(log: Path, first: int, present: Sequence[int]) -> None:
    for version in present:
        if version < first:
            (log / f"{version:020}.json").unlink()
    for path in log.glob("*.checkpoint.parquet"):
        if int(path.name[:20]) < first:
            path.unlink()
