"""What the watcher's files say of a model, for the gauges of /metrics: each state of a file is parsed once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.artefacts import Action, Decision, Experiment, Watched
from cauce.core.errors import UserError
from cauce.core.files import read_kept
from cauce.loop.context import Loop

if TYPE_CHECKING:
    from cauce.serve.service import Seen

Mark = tuple[int, int, int]
N_DECISIONS = 200
"""Newest decisions of the record that are read: an older roll-back alerts nobody."""


class SeenFiles:
    """Reads what is recorded of a model; called at every scrape, in a thread, by several workers."""

    def __init__(self, loop: Loop) -> None:
        self._record = loop.record
        self._kept: dict[Path, tuple[Mark | None, Any]] = {}

    def __call__(self, model: str) -> Seen:
        """Return what is on disk of one model; what cannot be read, or is of another Cauce, is left out."""
        from cauce.serve import Seen

        folder = self._record(model)
        return Seen(
            watched=self._read(folder / "watched.json", lambda path: read_kept(path, Watched)),
            decision=self._read(folder / "decision.json", lambda path: read_kept(path, Decision)),
            decided=self._read(folder / "decisions.jsonl", _decided) or {},
            experiment=self._read(folder / "experiment.json", lambda path: read_kept(path, Experiment)),
        )

    def _read(self, path: Path, read: Callable[[Path], Any]) -> Any:
        mark = _mark(path)
        kept = self._kept.get(path)
        if kept is None or kept[0] != mark:
            kept = self._kept[path] = mark, read(path) if mark is not None else None
        return kept[1]


def _mark(path: Path) -> Mark | None:
    """Return what changes whenever a file is replaced or appended to; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _decided(path: Path) -> dict[Action, datetime]:
    from cauce.renew import read

    newest: dict[Action, datetime] = {}
    try:
        decisions = read(path.parent, limit=N_DECISIONS)
    except UserError:  # a line of another Cauce: the other figures need not go with it
        return newest
    for decision in decisions:
        newest.setdefault(decision.action, decision.at)
    return newest
