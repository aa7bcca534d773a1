"""The console's style sheet, script and icon, by an exact list of names: nothing else can be asked for."""

from __future__ import annotations

from pathlib import Path

from cauce.core.errors import UserError

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def static(name: str) -> tuple[bytes, str]:
    """Return a file of the console and its media type.

    Raises
    ------
    UserError
        Not one of the console's files.

    Examples
    --------
    >>> static("console.js")[1]
    'text/javascript; charset=utf-8'
    """
    if name not in _TYPES:
        raise UserError("no such file", where="/console/static", received=name, hint=f"Known: {', '.join(_TYPES)}.")
    return (_FOLDER / name).read_bytes(), _TYPES[name]
