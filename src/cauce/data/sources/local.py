"""Files beside cauce.toml: found, marked by size and time of change, and read by the function of their format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cauce.core.files import fingerprint
from cauce.data.faults import find_file
from cauce.data.sources.source import Asked, Raw

Rows = Callable[[Asked, Path], AbstractContextManager[Raw]]
"""Opens one format, from a file that is there: for files beside cauce.toml and for those fetched from elsewhere."""


@dataclass(frozen=True)
class LocalFile:
    """A file of one format."""

    rows: Rows
    keys: frozenset[str] = frozenset()

    def mark(self, asked: Asked) -> str:
        """Say size, time of change and inode; a change within the same nanosecond and size is not seen."""
        return stat_mark(asked.folder / asked.spec.source)

    @contextmanager
    def opened(self, asked: Asked) -> Iterator[Raw]:
        """Open the file; see `Source`."""
        path = find_file(asked.folder, asked.spec.source, where=asked.at("source"))
        with self.rows(asked, without_pattern(path, asked.spill)) as rows:
            yield rows


def stat_mark(*paths: Path) -> str:
    """Return the mark of files, or an empty text when one is not there."""
    try:
        found = [path.stat() for path in paths]
    except (OSError, ValueError):
        return ""
    return fingerprint(*((one.st_size, one.st_mtime_ns, one.st_ino) for one in found))


def without_pattern(path: Path, spill: Path) -> Path:
    """Return the path, or a link to it where DuckDB would take its name for a pattern."""
    if not set(str(path)) & set("*?[{"):
        return path
    link = spill / f"source{''.join(path.suffixes[-2:])}"
    if set(link.name) & set("*?[{"):
        link = spill / "source"
    link.symlink_to(path)
    return link
