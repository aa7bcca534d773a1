"""Which versions of a data set may go: `keep` says how old, the registry says which are still named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cauce.core.errors import UserError
from cauce.loop.context import Loop

if TYPE_CHECKING:
    from cauce.data import Vacuumed


def trained_on(loop: Loop, name: str) -> Mapping[int, list[str]]:
    """Return for each version of a data set the releases that were trained on it, also of models gone from the file.

    Raises
    ------
    Tampered
        A release's package cannot be trusted to say what it was trained on.
    """
    found: dict[int, list[str]] = {}
    folder = loop.state.models
    models = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.exists() else []
    for model in models:
        for number in loop.tracker.versions(model):
            snapshot = loop.tracker.release(model, number).training.snapshot
            if snapshot.data == name:
                found.setdefault(snapshot.version, []).append(f"{model} {number}")
    return found


def vacuum(loop: Loop, name: str, *, dry_run: bool = False) -> Vacuumed:
    """Remove what `keep` no longer keeps; versions that any registered release was trained on stay.

    Raises
    ------
    UserError
        Never loaded; or a release does not say what it was trained on, so that nothing is removed.
    """
    from cauce import data

    spec = loop.data(name)
    data.snapshot_of(loop.state.lake, name, None)
    pinned = set(trained_on(loop, name)) if spec.keep is not None else set()
    return data.vacuum(loop.state.lake, name, keep=spec.keep, now=loop.now(), pinned=pinned, dry_run=dry_run)


def vacuum_after_load(loop: Loop, name: str) -> None:
    """Do the same at the end of a load, where `keep` is set; what keeps it from being done does not stop the load."""
    if loop.data(name).keep is None:
        return
    try:
        vacuum(loop, name)
    except UserError as error:  # a damaged release, say: `cauce data vacuum` tells the same as an error
        loop.progress(f"vacuum {name}", 1, 1, str(error))
