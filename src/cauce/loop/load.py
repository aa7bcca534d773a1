"""Stage 1, data: a data set's source becomes a snapshot in the lake."""

from __future__ import annotations

from cauce.core.artefacts import Snapshot
from cauce.loop.context import Loop


def load(loop: Loop, name: str) -> Snapshot:
    """Load `[data.name]` and return its snapshot; a new version only where the content changed."""
    from cauce import data

    def where(*keys: str) -> str:
        return loop.project.where("data", name, *keys)

    return data.load(
        name,
        loop.data(name),
        loop.project.folder,
        loop.state.lake,
        now=loop.now(),
        where=where,
        progress=loop.progress,
    )
