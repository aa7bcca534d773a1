"""The log of administrative acts: who did what, and when. One JSON line each, appended and synced, never changed.

It holds what opens or closes the service and what changes who answers: tokens, sign-ins, promotions, pauses, erasures.
It holds no secret. Why a release was promoted stands in the record of decisions.
"""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cauce.core.files import append_line, disk_errors, from_json, to_json, whole_lines

FILE = "admin.jsonl"


@dataclass(frozen=True)
class Act:
    """One administrative act."""

    at: datetime
    who: str
    """``token ana``, or ``command line, ana (uid 1000)``."""
    what: str
    """The verb: ``token add``, ``sign in``, ``promote``."""
    about: str = ""
    """What it was done to: a token's or a model's name."""
    detail: str = ""
    """What else matters: scopes, version, reason, the address it came from."""


def append(folder: Path, act: Act) -> None:
    """Append an act to the log in `folder`, synced before this returns.

    Raises
    ------
    UserError
        The disk is full or the folder may not be written.
    """
    path = folder / FILE
    with disk_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        # Addresses and accounts are nobody else's business.
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    append_line(path, to_json(act, indent=None))


def read(folder: Path, limit: int | None = None) -> list[Act]:
    """Return the acts, newest first, at most `limit`; none where nothing was done yet.

    Raises
    ------
    UserError
        A whole line is no act: edited by hand, or written by a newer Cauce.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    found: list[Act] = []
    for place, line in whole_lines(content):
        if limit is not None and len(found) >= limit:
            break
        found.append(from_json(line, Act, where=f"{path}:{place}"))
    return found


def person() -> str:
    """Return the name of the account that gives the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def command_line() -> str:
    """Return who gives the command, as the log names them.

    Examples
    --------
    >>> command_line().startswith("command line, ")
    True
    """
    # The name comes from the environment, which its user may set; the number comes from the kernel.
    return f"command line, {person()} (uid {os.getuid()})"
