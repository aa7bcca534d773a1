"""The record of decisions: one JSON line each, appended and synced, never changed; and whether renewal is paused.

A crash while a line is written leaves a torn one: reading leaves it out, the next append starts a new line after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cauce.core.artefacts import Decision
from cauce.core.files import (
    append_line,
    disk_errors,
    from_json,
    read_artefact,
    sync_folder,
    to_json,
    whole_lines,
    write_artefact,
)
from cauce.renew.promote import check_reason

DECISIONS = "decisions.jsonl"
PAUSED = "paused.json"


@dataclass(frozen=True)
class Pause:
    """Who paused renewal, when and why."""

    reason: str
    by: str
    at: datetime


def append(folder: Path, decision: Decision) -> None:
    """Append a decision to the record in `folder`, synced before this returns.

    Raises
    ------
    UserError
        The disk is full or the folder may not be written; what was recorded before is untouched.
    """
    append_line(folder / DECISIONS, to_json(decision, indent=None))


def read(folder: Path, limit: int | None = None, newest_first: bool = True) -> list[Decision]:
    """Return the decisions recorded in `folder`; none when there is no record yet.

    Parameters
    ----------
    limit
        The newest ones, at most so many; all when None.
    newest_first
        Order of what is returned; what is returned is the same either way.

    Raises
    ------
    UserError
        A whole line is not a decision: edited by hand, or written by a newer Cauce.
    """
    path = folder / DECISIONS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    found: list[Decision] = []
    for place, line in whole_lines(content):
        if limit is not None and len(found) >= limit:
            break
        found.append(from_json(line, Decision, where=f"{path}:{place}"))
    return found if newest_first else found[::-1]


def newest(folder: Path, wanted: Callable[[Mapping[str, Any]], bool] = lambda line: True) -> Decision | None:
    """Return the newest decision whose line `wanted` takes, or None; lines that it refuses are not validated."""
    path = folder / DECISIONS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    for place, line in whole_lines(content):
        if wanted(json.loads(line)):
            return from_json(line, Decision, where=f"{path}:{place}")
    return None


def moves(line: Mapping[str, Any]) -> bool:
    """Whether a decision's line moves the alias `champion`."""
    return line.get("action") in {"promote", "roll back"}


def places(line: Mapping[str, Any]) -> bool:
    """Whether a decision's line says where an experiment stands."""
    return line.get("experiment") is not None


def pause(folder: Path, reason: str, by: str, now: datetime) -> None:
    """Pause renewal until `resume`: kept in `folder`, over restarts.

    Raises
    ------
    UserError
        The reason has fewer than 10 characters.
    """
    write_artefact(folder / PAUSED, Pause(check_reason(reason, "pause"), by, now))


def resume(folder: Path) -> bool:
    """End a pause; return whether there was one."""
    path = folder / PAUSED
    if not path.exists():
        return False
    with disk_errors(path):
        path.unlink(missing_ok=True)
        sync_folder(folder)
    return True


def paused(folder: Path) -> str | None:
    """Return why renewal is paused, with who said so, or None when it is not."""
    found = read_artefact(folder / PAUSED, Pause)
    return None if found is None else f"{found.reason} ({found.by})"
