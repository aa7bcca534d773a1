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

from cauce.core.artefacts import Snapshot
from cauce.core.errors import UserError
from cauce.core.files import from_json, to_json

KEY = "cauce"
ACKNOWLEDGED = "_acknowledged"
"""Beside a table's files: the newest version that no power cut can take."""
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
    late: int = 0
    """Rows that this increment took in although newer ones had come before."""
    missed: int = 0
    """Keys that the source held then, from before the window of `late`, and the table did not."""

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
    """Yield the records of a table's versions, newest first; a table that is not there has none.

    A newest commit that a power cut tore, before anybody was told of it, counts as not there.
    """
    for version, path in reversed(commits(table)):
        try:
            found = _record(version, path)
        except ValueError as error:
            if version > acknowledged(table):
                continue
            hint = "Bring the file back from a backup."
            raise UserError("a version's commit is damaged", where=str(path), received=version, hint=hint) from error
        if found is not None:
            yield found


def record_of(table: Path, version: int) -> Record | None:
    """Return the record of one version, or None where there is none."""
    path = table / "_delta_log" / f"{version:020}.json"
    return _record(version, path) if version >= 0 and path.exists() else None


def _record(version: int, path: Path) -> Record | None:
    text = next((action["commitInfo"].get(KEY) for action in actions(path) if "commitInfo" in action), None)
    if text is None:
        return None
    record = from_json(text, Record, where=str(path))
    return replace(record, snapshot=replace(record.snapshot, version=version))


def last_version(table: Path) -> int:
    """Return the newest version of a table, -1 where there is none."""
    return max((version for version, _ in commits(table)), default=-1)


def acknowledged(table: Path) -> int:
    """Return the newest version that was synced to disk before its writer went on, -1 where none was."""
    try:
        return int((table / ACKNOWLEDGED).read_bytes())
    except (FileNotFoundError, ValueError):
        return -1


def commits(table: Path) -> list[tuple[int, Path]]:
    """Return version and file of each commit, oldest first."""
    folder = table / "_delta_log"
    return sorted((int(path.stem), path) for path in folder.glob("*.json") if path.stem.isdigit())


def actions(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the actions of a commit.

    Raises
    ------
    ValueError
        The file is torn.
    """
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)
