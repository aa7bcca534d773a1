"""Where the project is: the nearest cauce.toml, upwards."""

from __future__ import annotations

from pathlib import Path

from cauce.core.errors import UserError

FILE_NAME = "cauce.toml"


def find(start: Path) -> Path:
    """Return the path of cauce.toml in `start` or in the nearest folder above it.

    Parameters
    ----------
    start
        A folder, or a file: cauce.toml itself, or one beside which the search begins.

    Returns
    -------
    Path
        Absolute.

    Raises
    ------
    UserError
        There is none; the hint says how to make one.
    """
    begin = start.absolute()
    for folder in (begin, *begin.parents):
        if folder.name == FILE_NAME and folder.is_file():
            return folder
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    hint = "Run `cauce init NAME` to make a project, or go into its folder."
    raise UserError(f"no {FILE_NAME} here or in a folder above", where=str(start), hint=hint)
