"""Files that are written whole, and never over somebody else's: what Cauce wrote bears a mark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cauce.core.errors import UserError
from cauce.core.files import write_bytes

MARK = "Written by cauce export"
"""Stands in every file of ours: one that bears it may be replaced."""


def check_writable(paths: Mapping[Path, object] | tuple[Path, ...], *, force: bool = False) -> None:
    """Raise where one of the files is there and not ours.

    Raises
    ------
    UserError
        It is somebody else's, a folder, or was edited so that its mark is gone.
    """
    for path in paths:
        if path.is_dir():
            raise UserError("is a folder", where=str(path), hint="Name a file.")
        if not force and path.exists() and MARK.encode() not in path.read_bytes():
            hint = "Name another place, or give --force to replace it."
            raise UserError("is there already, and Cauce did not write it", where=str(path), hint=hint)


def write(files: Mapping[Path, bytes], *, force: bool = False) -> tuple[Path, ...]:
    """Write files, each whole or not at all; return their paths. Nothing is written where one may not be replaced.

    Parameters
    ----------
    force
        Replace files that Cauce did not write, too.

    Raises
    ------
    UserError
        One is there and not ours; the disk is full; the folder may not be written.
    """
    check_writable(files, force=force)
    for path, content in files.items():
        write_bytes(path, content)
    return tuple(files)
