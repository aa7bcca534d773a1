"""The Delta log, read as the JSON lines that it is: which versions are Cauce's, which files belong to any of them.

A snapshot's record stands inside the commit that made its version (`commitInfo`, key ``cauce``), so that no crash can
part the two. Log files are expired by `retention` alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from cauce.core.artefacts import Snapshot
from cauce.core.files import from_json, to_json

KEY = "cauce"
Operation = Literal["load", "merge", "cluster", "compact", "restore"]


@dataclass(frozen=True)
class Record:
    """What a commit says of its snapshot."""

    snapshot: Snapshot
    settings: str
    """How the data set was asked to be prepared: condition, partitions, clustering; a change makes a new version."""
    to_cluster: tuple[str, ...] = ()
    """Columns by which the version is still to be Z-ordered."""
    operation: Operation = "load"
    """What made the version; cluster and compact move rows between files and change no content."""
    at: datetime | None = None
    """When the version was made; None in versions older than this key, which were made when they were loaded."""
    restored: int | None = None
    """The version whose content this one brought back."""
    held: str = ""
    """Fingerprint of the source's content that a restore put aside: as long as the source gives it, nothing is
    loaded over the restored version."""
    held_mark: str = ""
    """The source's mark (size, time of change …) at that restore, where the caller knew one."""

    @property
    def made_at(self) -> datetime:
        """When the version was made."""
        return self.at or self.snapshot.loaded_at

    def stands_for(self, content: str, settings: str) -> bool:
        """Whether the source's `content` needs no new version: it is this one's, or that over which it was restored.

        Parameters
        ----------
        content
            Fingerprint of what the source gives now.
        settings
            Fingerprint of how it is to be stored.
        """
        if self.held:
            return content == self.held
        return self.snapshot.fingerprint == content and self.settings == settings


def encode(record: Record) -> dict[str, str]:
    """Return the record as Delta commit metadata."""
    return {KEY: to_json(record).decode()}


def records(table: Path) -> Iterator[Record]:
    """Yield the records of a table's versions, newest first; a table that is not there has none."""
    for version, path in sorted(_commits(table), reverse=True):
        for action in _actions(path):
            text = action.get("commitInfo", {}).get(KEY)
            if text is not None:
                record = from_json(text, Record, where=str(path))
                yield replace(record, snapshot=replace(record.snapshot, version=version))


def last_version(table: Path) -> int:
    """Return the newest version of a table, -1 where there is none."""
    return max((version for version, _ in _commits(table)), default=-1)


def remove_orphans(table: Path) -> int:
    """Delete data files that no version names: what a killed load left. Return how many.

    Only for the one writer of the table: its caller holds the project's lock.
    """
    known = {
        unquote(action["add"]["path"]) for _, path in _commits(table) for action in _actions(path) if "add" in action
    }
    strays = [
        path for path in table.rglob("part-*") if path.is_file() and path.relative_to(table).as_posix() not in known
    ]
    strays += list((table / "_delta_log").glob("*.tmp"))
    for path in strays:
        path.unlink(missing_ok=True)
    return len(strays)


def _commits(table: Path) -> list[tuple[int, Path]]:
    folder = table / "_delta_log"
    return [(int(path.stem), path) for path in folder.glob("*.json") if path.stem.isdigit()]


def _actions(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)
