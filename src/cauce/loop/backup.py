"""`cauce backup`: everything that a project remembers in one archive, taken while it may go on serving."""

from __future__ import annotations

import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cauce.core.errors import UserError
from cauce.core.files import disk_errors
from cauce.loop.context import Loop

LEFT_OUT = ("runs", "secrets", "address", "loop.lock", "serve.lock", "track.lock", "mlflow.db")
"""Rebuilt, private to this machine, or copied in its own way."""


@dataclass(frozen=True)
class Backup:
    """An archive that was written."""

    path: Path
    n_bytes: int


def backup(loop: Loop, output: Path) -> Backup:
    """Write `.cauce/` and cauce.toml into a `.tar.gz`; the token is left out, runs/ is rebuilt when needed.

    Unpacked beside the sources (``tar -xzf``), the project goes on from there, also in another folder.

    Raises
    ------
    UserError
        The output exists already or does not end in ``.tar.gz``.
    """
    if not output.name.endswith(".tar.gz"):
        raise UserError("not a name for a backup", received=str(output), hint="End it in .tar.gz.")
    if output.exists():
        raise UserError("is there already", where=str(output), hint="Choose another name.")
    root = loop.state.root
    with loop.locked(wait_s=60.0), disk_errors(output), tempfile.TemporaryDirectory(dir=output.parent) as scratch:
        database = Path(scratch) / "mlflow.db"
        if loop.state.mlflow.exists():
            loop.tracker.copy_database(database)
        partial = Path(scratch) / output.name
        with tarfile.open(partial, "w:gz", compresslevel=3) as archive:
            archive.add(loop.project.path, "cauce.toml")
            for child in sorted(root.iterdir()):
                if child.name not in LEFT_OUT:
                    archive.add(child, f".cauce/{child.name}", filter=_without_locks)
            if database.exists():
                archive.add(database, ".cauce/mlflow.db")
        partial.replace(output)
    return Backup(output, output.stat().st_size)


def _without_locks(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name.endswith(".lock") else member
