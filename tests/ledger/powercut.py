"""A disk that loses its power: what was not synced may be there, be gone, or be torn.

The code under test runs on the real disk. Every call by which it changes or syncs that disk is a moment at which the
power may go; of each an image is kept: what was surely on the disk (a file's content as of its last sync, a folder's
entries as of its last), and what the system held besides. `write` makes a folder out of an image, with chance deciding
for each entry and file whether what was not synced came through.
"""

from __future__ import annotations

import os
import random
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHANGES = ("open", "write", "replace", "rename", "unlink", "remove", "ftruncate", "mkdir")
Entries = dict[int, dict[str, int]]
Contents = dict[int, bytes]


@dataclass(frozen=True)
class Image:
    """A moment."""

    call: str
    root: int
    synced_entries: Entries
    synced_contents: Contents
    entries: Entries
    contents: Contents
    note: Any
    """What the test said of that moment."""

    def write(self, target: Path, chance: random.Random, *, share: float) -> None:
        """Make `target` what a machine finds after the cut; `share` of what was not synced is there."""
        self._folder(self.root, target, chance, share)

    def _folder(self, number: int, target: Path, chance: random.Random, share: float) -> None:
        target.mkdir()
        before, now = self.synced_entries.get(number, {}), self.entries.get(number, {})
        for name in sorted(before.keys() | now.keys()):
            old, new = before.get(name), now.get(name)
            chosen = new if old == new or chance.random() < share else old
            if chosen is None:
                continue
            if chosen in self.entries or chosen in self.synced_entries:
                self._folder(chosen, target / name, chance, share)
            else:
                (target / name).write_bytes(self._content(chosen, chance, share))

    def _content(self, number: int, chance: random.Random, share: float) -> bytes:
        synced = self.synced_contents.get(number, b"")
        held = self.contents.get(number, synced)
        if held == synced or chance.random() >= share:
            return synced
        if chance.random() < 0.5:
            return held
        if held.startswith(synced):
            torn = held[len(synced) :]
            return synced + torn[: chance.randrange(len(torn) + 1)] + b"\0" * chance.randrange(50)
        return held[: chance.randrange(len(held) + 1)]


@dataclass
class PowerCut:
    """Records images of `root` while code runs."""

    root: Path
    note: Callable[[], Any]
    images: list[Image] = field(default_factory=list)
    _entries: Entries = field(default_factory=dict)
    _contents: Contents = field(default_factory=dict)
    _pins: dict[int, int] = field(default_factory=dict)
    """Inode → open handle: its number is not given to another file."""
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _busy: bool = False

    @contextmanager
    def watching(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Record for the block."""
        with patch.context() as patched:
            for name in CHANGES:
                patched.setattr(os, name, self._before(name, getattr(os, name)))
            for name in ("fsync", "fdatasync"):
                patched.setattr(os, name, self._syncing(name, getattr(os, name)))
            yield
        for handle in self._pins.values():
            os.close(handle)

    def _before(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            changes = name != "open" or (len(arguments) > 1 and arguments[1] & os.O_CREAT)
            with self._lock:
                if changes:
                    self._look(name)
                return real(*arguments, **named)

        return call

    def _syncing(self, name: str, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(handle: int) -> None:
            with self._lock:
                self._look(name)
                real(handle)
                about = os.fstat(handle)
                link = Path(f"/proc/self/fd/{handle}")
                self._pin(link, about.st_ino)
                if stat.S_ISDIR(about.st_mode):
                    self._entries[about.st_ino] = self._listed(link)
                else:
                    self._contents[about.st_ino] = link.read_bytes()
                self._look(f"after {name}")

        return call

    def _pin(self, path: Path, number: int) -> None:
        if number not in self._pins and not self._busy:
            self._busy = True
            self._pins[number] = os.open(path, os.O_PATH)
            self._busy = False

    def _listed(self, folder: Path) -> dict[str, int]:
        found = {}
        for entry in os.scandir(folder):
            found[entry.name] = entry.inode()
            self._pin(Path(entry.path), entry.inode())
        return found

    def _look(self, call: str) -> None:
        if self._busy:
            return
        entries: Entries = {}
        contents: Contents = {}
        self._scan(self.root, entries, contents)
        image = Image(
            call,
            self.root.stat().st_ino,
            {number: dict(names) for number, names in self._entries.items()},
            dict(self._contents),
            entries,
            contents,
            self.note(),
        )
        self.images.append(image)

    def _scan(self, folder: Path, entries: Entries, contents: Contents) -> None:
        found = entries.setdefault(folder.stat().st_ino, {})
        for entry in os.scandir(folder):
            found[entry.name] = entry.inode()
            if entry.is_dir():
                self._scan(Path(entry.path), entries, contents)
            else:
                content = Path(entry.path).read_bytes()
                known = self._contents.get(entry.inode())
                contents[entry.inode()] = known if known == content else content
