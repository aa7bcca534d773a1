"""The Delta log played from its beginning: which file belongs to which versions, and how large each version is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from cauce.data.log import actions, commits

ALWAYS = 1 << 62


@dataclass
class Life:
    """The versions that one file belongs to."""

    n_bytes: int
    spans: list[tuple[int, int]] = field(default_factory=list)
    """From the first version on, up to and without the second."""

    def within(self, versions: Iterable[int]) -> bool:
        """Say whether any of the versions has the file."""
        return any(start <= version < end for version in versions for start, end in self.spans)


@dataclass(frozen=True)
class Replay:
    """What a whole log says."""

    versions: tuple[int, ...]
    """Whose commits are there, ascending."""
    lives: Mapping[str, Life]
    """Path within the table's folder → its versions."""

    @property
    def paths(self) -> set[str]:
        """Files that any version names."""
        return set(self.lives)

    def n_bytes(self) -> dict[int, int]:
        """Return the size of each version's files; files of several versions count in each."""
        steps: dict[int, int] = {}
        for life in self.lives.values():
            for start, end in life.spans:
                steps[start] = steps.get(start, 0) + life.n_bytes
                steps[end] = steps.get(end, 0) - life.n_bytes
        sizes, size = dict[int, int](), 0
        for version in self.versions:
            size += steps.get(version, 0)
            sizes[version] = size
        return sizes


def replay(table: Path) -> Replay:
    """Play a table's log; one whose beginning was expired starts at the checkpoint that took its place."""
    lives: dict[str, Life] = {}
    alive: dict[str, int] = {}
    known = commits(table)
    start = _beginning(table, known[0][0]) if known else 0
    if start > 0:
        from cauce.data.versions import look_up

        for file in look_up(table, start).files:
            path = file.path.relative_to(table).as_posix()
            lives[path] = Life(file.n_bytes)
            alive[path] = start
    for version, commit in known:
        if version <= start > 0:
            continue
        for action in actions(commit):
            if "add" in action:
                path = unquote(action["add"]["path"])
                lives.setdefault(path, Life(action["add"]["size"]))
                alive.setdefault(path, version)
            elif "remove" in action:
                path = unquote(action["remove"]["path"])
                if path in alive:
                    lives[path].spans.append((alive.pop(path), version))
    for path, start in alive.items():
        lives[path].spans.append((start, ALWAYS))
    return Replay(tuple(version for version, _ in known), lives)


def _beginning(table: Path, first: int) -> int:
    """Return where to start: at version 0, or at the checkpoint that took the place of expired commits.

    Commits before it are what a killed expiry left: nobody can read their versions.
    """
    if first == 0:
        return 0
    checkpoints = (int(path.name[:20]) for path in (table / "_delta_log").glob("*.checkpoint.parquet"))
    return min((version for version in checkpoints if version >= first), default=first)
