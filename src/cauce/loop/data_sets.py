"""`cauce data`: the data sets' versions, what lies between two of them, and the way back to one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from cauce.core.errors import UserError
from cauce.core.files import fingerprint, read_kept, write_artefact
from cauce.loop.audit import profile_of
from cauce.loop.context import Loop
from cauce.loop.doctor import size_of
from cauce.loop.load import source_mark
from cauce.loop.retention import trained_on

if TYPE_CHECKING:
    from cauce.core.artefacts import Snapshot
    from cauce.data import Compared, Entry, Restored, RowChanges, SummaryChange


@dataclass(frozen=True)
class Listed:
    """A data set of the project."""

    data: str
    source: str
    version: int | None
    """The newest; None where it was never loaded."""
    n_rows: int | None
    n_bytes: int
    """On disk, all versions."""
    loaded_at: datetime | None
    held: bool
    """Whether a restored version keeps the source, as it is, from being loaded."""


@dataclass(frozen=True)
class Logged:
    """A version, and what it changed."""

    entry: Entry
    rows: RowChanges | None
    """Against the version before; None for the first, and where the version before was removed."""
    releases: tuple[str, ...]
    """Trained on this version: ``"dropout 3"``."""


@dataclass(frozen=True)
class Diff:
    """What lies between two versions."""

    data: str
    before: int
    after: int
    n_rows: tuple[int, int]
    columns: tuple[str, ...]
    rows: RowChanges
    summaries: tuple[SummaryChange, ...]


def data_sets(loop: Loop) -> tuple[Listed, ...]:
    """Return every data set of cauce.toml, in its order."""
    from cauce import data

    found = []
    for name, spec in loop.project.file.data.items():
        newest = data.latest(loop.state.lake, name)
        found.append(
            Listed(
                name,
                spec.source,
                newest.version if newest else None,
                newest.n_rows if newest else None,
                size_of(loop.state.lake / name),
                newest.loaded_at if newest else None,
                newest is not None and data.held_by(loop.state.lake, name) is not None,
            )
        )
    return tuple(found)


def log(loop: Loop, name: str, *, limit: int | None = None) -> tuple[Logged, ...]:
    """Return a data set's versions, newest first, with the rows that each added and removed."""
    from cauce import data

    loop.data(name)
    entries = data.entries(loop.state.lake, name)
    shown = entries[:limit] if limit is not None else entries
    trained = trained_on(loop, name)
    found = []
    for place, entry in enumerate(shown):
        loop.progress(f"compare {name}", place, len(shown))
        older = entries[place + 1] if place + 1 < len(entries) else None
        comparable = older is not None and older.readable and entry.readable
        rows = _compared(loop, name, older.version, entry.version).rows if older and comparable else None
        found.append(Logged(entry, rows, tuple(trained.get(entry.version, ()))))
    loop.progress(f"compare {name}", len(shown), len(shown))
    return tuple(found)


def diff(loop: Loop, name: str, before: int | None = None, after: int | None = None) -> Diff:
    """Compare two versions: the newest with the one whose content it replaced, where none is named.

    Raises
    ------
    UserError
        No such version, or no earlier one with another content.
    """
    from cauce import data

    loop.data(name)
    new = data.snapshot_of(loop.state.lake, name, after)
    old = data.snapshot_of(loop.state.lake, name, before) if before is not None else _content_before(loop, new)
    loop.progress(f"compare {name}", 0, 1)
    compared = _compared(loop, name, old.version, new.version)
    loop.progress(f"compare {name}", 1, 1)
    summaries = data.compare_summaries(profile_of(loop, old), profile_of(loop, new))
    return Diff(name, old.version, new.version, (old.n_rows, new.n_rows), compared.columns, compared.rows, summaries)


def _content_before(loop: Loop, new: Snapshot) -> Snapshot:
    from cauce import data

    for entry in data.entries(loop.state.lake, new.data):
        if entry.version < new.version and entry.fingerprint != new.fingerprint and entry.readable:
            return data.snapshot_of(loop.state.lake, new.data, entry.version)
    hint = f"`cauce data log {new.data}` lists the versions."
    raise UserError("there is no earlier version with another content", where=new.data, received=new.version, hint=hint)


def _compared(loop: Loop, name: str, before: int, after: int) -> Compared:
    """Compare two versions once: what was found is kept under runs/."""
    from cauce import data

    key = loop.data(name).key
    old, new = (data.snapshot_of(loop.state.lake, name, version) for version in (before, after))
    seen = fingerprint(old.fingerprint, new.fingerprint, key or "", dict(old.types), dict(new.types))
    path = loop.state.runs / "diff" / f"{seen}.json"
    known = read_kept(path, data.Compared)
    if known is None:
        known = data.compare_versions(loop.state.lake, name, before, after, key=key)
        write_artefact(path, known)
    return known


def restore(loop: Loop, name: str, version: int) -> Restored:
    """Make a version's content the newest version; the source, as it is now, is not loaded over it."""
    from cauce import data

    loop.data(name)
    return data.restore(loop.state.lake, name, version, now=loop.now(), mark=source_mark(loop, name))


def ddl(loop: Loop, name: str, *, dialect: Literal["bigquery"] = "bigquery", table: str | None = None) -> str:
    """Return the statement that makes the data set's table in BigQuery."""
    from cauce import data

    return {"bigquery": data.bigquery_ddl}[dialect](loop.state.lake, name, loop.data(name), table=table)
