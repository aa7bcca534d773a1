"""What every kind of schedule is made from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cauce.core.errors import UserError


@dataclass(frozen=True)
class Plan:
    """One project, how often it is watched, and the program that does it.

    Parameters
    ----------
    name
        The project's.
    folder
        The project's, absolute.
    every
        Interval as it was written: ``"1h"``.
    every_s
        The same in seconds.
    python
        Interpreter that has Cauce, absolute.
    model
        The one model that is watched; all when None.
    user
        Account that owns the project's folder.

    Raises
    ------
    UserError
        A path has a line break, which no unit and no crontab can hold.
    """

    name: str
    folder: Path
    every: str
    every_s: float
    python: Path
    model: str | None = None
    user: str = "root"

    def __post_init__(self) -> None:
        for path in (self.folder, self.python):
            if any(letter in str(path) for letter in "\n\r\0"):
                raise UserError("a path with a line break in it", received=str(path), hint="Move the project.")

    def command(self, *options: str) -> list[str]:
        """Return `cauce watch` with options, as a list of arguments."""
        about = [] if self.model is None else [self.model]
        return [str(self.python), "-m", "cauce", "watch", *about, *options, "--quiet", "--project", str(self.folder)]

    @property
    def jitter(self) -> int:
        """A number that the project's folder fixes: projects of one machine do not all begin at the full hour."""
        return int.from_bytes(hashlib.sha256(str(self.folder).encode()).digest()[:4], "big")

    @property
    def label(self) -> str:
        """The name as Kubernetes takes it: DNS-1123, at most 40 characters."""
        return f"cauce-{self.name.replace('_', '-')}"[:40].rstrip("-")
