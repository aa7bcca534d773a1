"""A data set's versions, newest first, and the way back to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from cauce.core.artefacts import Snapshot
from cauce.core.errors import Refused, UserError
from cauce.core.names import check_name
from cauce.data.lake import bring_back
from cauce.data.loading import changed
from cauce.data.log import Operation, Record, encode, record_of, records
from cauce.data.recovery import recover
from cauce.data.replay import replay
from cauce.data.versions import forgotten, removed


@dataclass(frozen=True)
class Entry:
    """One version, as the log tells it."""

    version: int
    operation: Operation
    at: datetime
    n_rows: int
    fingerprint: str
    """Of the content: cluster and compact leave it."""
    columns: tuple[str, ...]
    """Columns against the version before: ``"added: x"``, ``"gone: y"``, ``"retyped: z int64 → string"``."""
    restored: int | None
    """The version whose content a restore brought back."""
    n_bytes: int
    """Size of its files; files that several versions share count in each."""
    readable: bool
    """False where `keep` has removed it."""
    late: int = 0
    """Rows that this increment took in although newer ones had come before."""
    missed: int = 0
    """Rows of the source that were new by then and too late for this increment; known of files alone."""


@dataclass(frozen=True)
class Restored:
    """A version brought back."""

    version: int
    """The new newest version."""
    restored: int
    """The version whose content it has."""
    before: int
    """The version that was the newest: `cauce data restore` with it is the way back."""
    held: bool
    """Whether the source, as it is now, is kept from being loaded over it."""
    snapshot: Snapshot


def entries(lake: Path, name: str) -> tuple[Entry, ...]:
    """Return a data set's versions, newest first; those whose log was expired are not among them.

    Raises
    ------
    UserError
        Never loaded.
    """
    table = lake / check_name(name)
    known = list(records(table))
    if not known:
        raise never_loaded(lake, name)
    sizes, gone = replay(table).n_bytes(), forgotten(table)
    before: dict[int, Mapping[str, str]] = {
        newer.snapshot.version: older.snapshot.types for newer, older in pairwise(known)
    }
    return tuple(_entry(record, before, sizes, gone) for record in known)


def _entry(
    record: Record, before: Mapping[int, Mapping[str, str]], sizes: Mapping[int, int], gone: frozenset[int]
) -> Entry:
    snapshot = record.snapshot
    older = before.get(snapshot.version)
    return Entry(
        version=snapshot.version,
        operation=record.operation,
        at=record.made_at,
        n_rows=snapshot.n_rows,
        fingerprint=snapshot.fingerprint,
        columns=changed(older, snapshot.types) if older is not None else (),
        restored=record.restored,
        n_bytes=sizes.get(snapshot.version, 0),
        readable=snapshot.version not in gone,
        late=record.late,
        missed=record.missed,
    )


def never_loaded(lake: Path, name: str) -> UserError:
    """Return the error for a data set without a version."""
    hint = "Run `cauce up --once`, or `cauce audit " + name + "`."
    return UserError("the data set was never loaded", where=str(lake), received=name, hint=hint)


def snapshot_of(lake: Path, name: str, version: int | None) -> Snapshot:
    """Return the snapshot of a version, the newest where None.

    Raises
    ------
    UserError
        Never loaded, no such version, or one that `keep` removed.
    """
    return _record(lake, name, version).snapshot


def _record(lake: Path, name: str, version: int | None) -> Record:
    table = lake / check_name(name)
    newest = next(records(table), None)
    if newest is None:
        raise never_loaded(lake, name)
    if version is None or version == newest.snapshot.version:
        return newest
    found = record_of(table, version)
    if version in forgotten(table) or (found is None and 0 <= version < newest.snapshot.version):
        raise removed(table, version)
    if found is None:
        hint = f"The newest version is {newest.snapshot.version}; `cauce data log {name}` lists them."
        raise UserError("no such version of the data set", where=name, received=version, hint=hint)
    return found


def restore(lake: Path, name: str, version: int, *, now: datetime, mark: str = "") -> Restored:
    """Make a version's content the newest version; later ones stay as they are.

    What the source gave last is noted as held: as long as it gives that, `load` keeps the restored version. Callers
    hold the project's lock.

    Parameters
    ----------
    lake
        `.cauce/lake`.
    name
        The data set.
    version
        Whose content is wanted.
    now
        UTC; noted as the time of the restore.
    mark
        The source's mark as it is now, or nothing where there is none.

    Raises
    ------
    UserError
        Never loaded, no such version, or one that `keep` removed.
    Refused
        The version, or one with the same content, is the newest.
    """
    table = lake / check_name(name)
    if table.exists():
        recover(table)
    newest, wanted = _record(lake, name, None), _record(lake, name, version)
    if wanted.snapshot.fingerprint == newest.snapshot.fingerprint and wanted.settings == newest.settings:
        which = "is the newest" if version == newest.snapshot.version else "has the newest version's content"
        raise Refused(f"version {version} of {name!r} {which} already")
    source = newest.held or newest.snapshot.fingerprint
    held = source if source != wanted.snapshot.fingerprint else ""
    snapshot = replace(
        wanted.snapshot, version=-1, loaded_at=now, changes=changed(newest.snapshot.types, wanted.snapshot.types)
    )
    record = replace(
        wanted,
        snapshot=snapshot,
        operation="restore",
        late=0,
        missed=0,
        at=now,
        restored=version,
        held=held,
        held_mark=mark if held else "",
    )
    number = bring_back(table, version, record=encode(record))
    return Restored(number, version, newest.snapshot.version, bool(held), replace(snapshot, version=number))


def held_by(lake: Path, name: str) -> tuple[Snapshot, str] | None:
    """Return the newest snapshot and the source's mark at its restore, where a restore holds the source back."""
    newest = next(records(lake / check_name(name)), None)
    return (newest.snapshot, newest.held_mark) if newest is not None and newest.held else None
