"""Reading journal segments: whole lines only, a torn end is skipped, a corrupt line is told apart.

A line that was cut off by a crash was never acknowledged. A line that is whole and yet not what was written is
damage: it is reported and kept aside.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from cauce.ledger.journal import unframe


@dataclass(frozen=True)
class Corrupt:
    """A damaged line."""

    segment: str
    line: int
    """From 1."""
    content: bytes


@dataclass(frozen=True)
class Lines:
    """What a stretch of a segment holds."""

    records: tuple[dict[str, Any], ...]
    corrupt: tuple[Corrupt, ...]
    end: int
    """Offset behind the last whole line: where to read on."""


def names(folder: Path) -> list[str]:
    """Return the segments in `folder`, oldest first."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".jsonl"))  # noqa: PTH208 - hot path
    except FileNotFoundError:
        return []


def read(path: Path, *, start: int = 0) -> Lines | None:
    """Return the lines of a segment from offset `start` on, or None when it has been folded meanwhile."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
    except FileNotFoundError:
        return None
    whole, _, torn = content.rpartition(b"\n")
    if not whole:
        return Lines((), (), start)
    records: list[dict[str, Any]] = []
    corrupt: list[Corrupt] = []
    for number, line in enumerate(whole.split(b"\n"), start=1):
        record = unframe(line)
        if record is None:
            corrupt.append(Corrupt(path.name, number, line))
        else:
            records.append(orjson.loads(record))
    return Lines(tuple(records), tuple(corrupt), start + len(content) - len(torn))


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold a closed segment for the block; False where its writer has it open, or it is gone."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)
