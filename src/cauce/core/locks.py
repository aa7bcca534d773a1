"""Locks that the kernel frees when their holder dies: `loop.lock` and `serve.lock`."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from itertools import takewhile
from pathlib import Path

from cauce.core.errors import Locked
from cauce.core.files import disk_errors


@contextmanager
def hold(path: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path` for the block, waiting at most `wait_s` seconds for its holder.

    Raises
    ------
    Locked
        Another process holds it; the error names its pid and command.
    UserError
        The disk is full, or the folder may not be written.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab", buffering=0)
    with file:
        _acquire(file, path, time.monotonic() + wait_s)
        with disk_errors(path):
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "command": _command()}).encode())
        yield


def _acquire(file: FileIO, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise _refusal(path) from error
            time.sleep(0.05)
        else:
            return


def holder(path: Path) -> dict[str, object] | None:
    """Return ``{"pid", "command"}`` of the process that holds `path`, or None when nobody does."""
    try:
        with path.open("r", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return dict(json.loads(file.read() or "{}"))
            return None
    except FileNotFoundError:
        return None


def _command() -> str:
    """Return the command without its options: they may name a person, and the file stays."""
    return " ".join(["cauce", *takewhile(lambda word: not word.startswith("-"), sys.argv[1:])])


def _refusal(path: Path) -> Locked:
    try:
        who = json.loads(path.read_text(encoding="utf-8"))
        by = f"process {who['pid']} (`{who['command']}`) holds this project"
    except (ValueError, KeyError):
        by = "another process holds this project"
    return Locked(by, where=str(path), hint="Wait for it, or stop it.")
