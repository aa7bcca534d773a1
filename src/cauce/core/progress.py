"""How long work speaks: a callable that is told how far it has come. Light, since the command line imports it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told how far long work has come; never raises, may be called from one thread only."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Say that `done` of `total` steps of `stage` are finished; `note` names the step under way."""


def silent(stage: str, done: int, total: int, note: str = "") -> None:
    """Report nothing: the default Progress."""
