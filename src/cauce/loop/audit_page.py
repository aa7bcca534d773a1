"""What people see of an audit: its findings with the rows that they name, read from the lake."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from cauce.core.artefacts import Audit, Finding, Snapshot
from cauce.core.errors import UserError
from cauce.core.views import AuditView, ShownRows
from cauce.loop.audit import profile_path, recorded
from cauce.loop.context import Loop

if TYPE_CHECKING:
    from cauce.profile import Profile

MASK = "•••"
MOST_COLUMNS = 6
MOST_LETTERS = 60


class Page(NamedTuple):
    """What one page shows."""

    view: AuditView
    profile: Profile | None
    """None where the snapshot's profile was thrown away with `runs/`."""


def audit_page_of(loop: Loop, name: str) -> Page | None:
    """Return the newest audit of a model or data set, with rows of the version that it looked at.

    None where there is none, or where that version was removed. Nothing is audited anew.
    """
    from cauce import audit as room
    from cauce import profile

    found = recorded(loop.record(name) / "audit.json")
    snapshot = _audited(loop, found) if found else None
    if found is None or snapshot is None:
        return None
    private = {column for one in found.findings if one.code.startswith("personal") for column in one.columns}
    kept = profile_path(loop, snapshot)
    view = AuditView(
        name=name,
        audit=found,
        snapshot=snapshot,
        titles={code: check.title for code, check in room.CHECKS.items()},
        shown=_shown(loop, found, snapshot, private),
        private=tuple(sorted(private)),
    )
    return Page(view, profile.Profile.load(kept) if kept.exists() else None)


def _audited(loop: Loop, found: Audit) -> Snapshot | None:
    from cauce import data

    if found.version is None:  # of an earlier Cauce
        return None
    try:
        return data.snapshot_of(loop.state.lake, found.data, found.version)
    except UserError:  # `keep` removed it
        return None


def _shown(loop: Loop, found: Audit, snapshot: Snapshot, private: Collection[str]) -> tuple[ShownRows | None, ...]:
    asked = [_columns(loop, one, snapshot) if one.rows else () for one in found.findings]
    columns = list(dict.fromkeys(name for names in asked for name in names))
    wanted = {row for one in found.findings for row in one.rows}
    texts = _rows(loop, snapshot, columns, wanted) if wanted else {}

    def shown(finding: Finding, names: tuple[str, ...]) -> ShownRows | None:
        numbers = tuple(row for row in finding.rows if row in texts)
        values = [{**texts[row], **{name: MASK for name in private if texts[row].get(name)}} for row in numbers]
        return ShownRows(names, numbers, tuple(tuple(row[name] for name in names) for row in values)) if names else None

    return tuple(shown(finding, names) for finding, names in zip(found.findings, asked, strict=True))


def _columns(loop: Loop, finding: Finding, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the key and the columns concerned; the first ones where the finding concerns whole rows."""
    key = loop.data(snapshot.data).key
    named = [name for name in finding.columns if name in snapshot.types] or list(snapshot.types)
    with_key = [key, *named] if key is not None and key in snapshot.types else named
    return tuple(dict.fromkeys(with_key))[:MOST_COLUMNS]


def _rows(loop: Loop, snapshot: Snapshot, columns: list[str], wanted: Collection[int]) -> dict[int, dict[str, str]]:
    """Read some rows as texts; the pass ends at the last of them."""
    from cauce import data

    left, start = sorted(wanted), 0
    texts: dict[int, dict[str, str]] = {}
    for batch in data.batches(loop.state.lake, snapshot.data, version=snapshot.version, columns=columns):
        while left and left[0] < start + batch.num_rows:
            row = left.pop(0)
            texts[row] = {name: _text(batch.column(name)[row - start].as_py()) for name in columns}
        start += batch.num_rows
        if not left:
            break
    return texts


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"
