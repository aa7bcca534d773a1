"""The console's style sheet, script and icon, by an exact list of names: nothing else can be asked for."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def static(name: str) -> tuple[bytes, str] | None:
    """Return a file of the console and its media type; None for any other name.

    Examples
    --------
    >>> static("../secrets/token") is None
    True
    """
    if name not in _TYPES:
        return None
    return (_FOLDER / name).read_bytes(), _TYPES[name]


def style_sheet() -> str:
    """Return the style sheet, for pages that carry their own."""
    return (_FOLDER / "console.css").read_text(encoding="utf-8")
