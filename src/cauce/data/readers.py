"""Who is reading which version: retention forgets none that somebody has open.

A reader holds a shared flock on a small file of its version, which the kernel frees when it ends or dies; retention
takes the exclusive one before it forgets. No clock decides how long a reading may last.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from cauce.core.errors import UserError


class Held:
    """A lock on a version, given back by `close`, at the end of a `with` block, or when nobody has the object.

    A stream of batches that was asked for and never begun has no other end than the last.
    """

    def __init__(self, handle: int | None) -> None:
        self._handle = handle

    def close(self) -> None:
        """Give the lock back; more than once is fine."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __enter__(self) -> Held:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the lock back."""
        self.close()

    def __del__(self) -> None:
        """Give the lock back."""
        self.close()


def begin(folder: Path, version: int) -> Held:
    """Hold a version of a table readable.

    Nothing is held where there is no such version, nor where the lake may not be written: nobody can remove anything
    there either.
    """
    if not (folder / "_delta_log" / f"{version:020}.json").exists():
        return Held(None)
    try:
        handle = _open(folder, version)
    except OSError:
        return Held(None)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return Held(handle)


def alone(folder: Path, version: int) -> Held | None:
    """Keep readers out of a version; None where one reads it now.

    Raises
    ------
    UserError
        The folder may not be written.
    """
    try:
        handle = _open(folder, version)
    except OSError as error:
        hint = "Check the folder's owner and mode."
        raise UserError("may not be written", where=str(folder), hint=hint) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return Held(handle)


def forget(folder: Path, version: int) -> None:
    """Remove the version's lock file; who opened it before finds the version forgotten."""
    with suppress(OSError):
        _lock(folder, version).unlink(missing_ok=True)


def _open(folder: Path, version: int) -> int:
    path = _lock(folder, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _lock(folder: Path, version: int) -> Path:
    return folder.parent / ".readers" / folder.name / str(version)
