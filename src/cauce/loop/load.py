"""Stage 1, data: a data set's source becomes a snapshot in the lake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cauce.core.artefacts import Snapshot
from cauce.core.errors import UserError
from cauce.core.files import fingerprint, read_kept, write_artefact
from cauce.loop.context import Loop
from cauce.loop.retention import vacuum_after_load
from cauce.loop.rows import functions_of, while_loading

if TYPE_CHECKING:
    from cauce.data import Other


@dataclass(frozen=True)
class Seen:
    """A source as it was when it was last read: unchanged, it is not read again."""

    mark: str
    snapshot: Snapshot


def load(loop: Loop, name: str, *, full: bool = False) -> Snapshot:
    """Load `[data.name]` and return its snapshot; a new version only where the content changed.

    The data sets that it joins are loaded first. With `full`, the whole source is read even where a watermark, or the
    source's mark, would spare it.

    The source is not even opened where its mark (a file's size and time of change, an object's generation) is that of
    the last load, or of when a version was restored over it. Where `keep` is set, versions that are too old go.
    """
    from cauce import data

    spec = loop.data(name)
    functions = functions_of(loop, name)
    path = loop.state.runs / "load" / f"{name}.json"
    others = _others(loop, name)
    mark = _mark(loop, name, functions.digest)
    seen = read_kept(path, Seen)
    if (
        not full
        and seen is not None
        and mark
        and seen.mark == mark
        and data.latest(loop.state.lake, name) == seen.snapshot
    ):
        return seen.snapshot
    held = data.held_by(loop.state.lake, name)
    if not full and held is not None and mark and held[1] == mark:
        return held[0]
    snapshot = data.load(
        name,
        spec,
        loop.project.folder,
        loop.state.lake,
        now=loop.now(),
        where=loop.project.where,
        others=others,
        computed=while_loading(loop, name, functions),
        full=full,
        code=functions.digest,
        progress=loop.progress,
    )
    write_artefact(path, Seen(mark, snapshot))
    vacuum_after_load(loop, name)
    return snapshot


def source_mark(loop: Loop, name: str) -> str:
    """Return a text that changes when the source may have; empty where only reading it tells."""
    return _mark(loop, name, functions_of(loop, name).digest)


def _others(loop: Loop, name: str) -> dict[str, Other]:
    from cauce import data

    return {other: data.Other(load(loop, other), loop.data(other).time) for other in loop.data(name).join}


def _mark(loop: Loop, name: str, functions: str) -> str:
    from cauce import data
    from cauce.data import sources

    spec, folder = loop.data(name), loop.project.folder
    try:
        found = sources.mark(name, spec, folder, where=loop.project.where)
    except UserError:
        return ""  # the load itself says what is wrong
    shaped = data.shape(spec, folder, loop.state.lake)
    return fingerprint(spec, functions, shaped, found) if found else ""
