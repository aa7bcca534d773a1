"""Bytes → document, with the faults that keep a file from being TOML at all, each with its line and what to do."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from cauce.core.errors import UserError

_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")

_HINTS = (
    (r"[“”„«»‘’]", "Use straight quotation marks: \" or '."),
    (r"=\s*(None|null|nil|NULL)\b", "TOML has no empty value: leave the key out."),
    (r"=\s*(True|False|TRUE|FALSE)\b", "Write true or false in lower case."),
    (r"=\s*[0-9]+,[0-9]+\s*(#.*)?$", "Write decimals with a point: 0.02."),
    (r"^\s*\[[^\]]*$", "Close the table's name with ]."),
    (r"^[^=]*[A-Za-z0-9_\"'-]\s*:\s", "Put = between key and value, not a colon."),
    (r"=\s*\"[^\"]*\\[^\"]*\"", "Put a path with backslashes between single quotes: 'C:\\data\\rows.csv'."),
    (r"=\s*(\"[^\"]*|'[^']*)$", "Close the quotation mark."),
    (r"=\s*(#.*)?$", "Write a value after the =, or leave the key out."),
    (r"=\s*[A-Za-z./~][^\"'\[\]{}]*$", 'Put text between quotes: key = "text".'),
    (r"^\s*[^=\[#\s][^=]*$", 'Write key = value, such as source = "rows.csv".'),
)


def decode(raw: bytes, name: str) -> str:
    """Return a file's text; a byte order mark is dropped.

    Raises
    ------
    UserError
        Not UTF-8, or nothing in it.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        hint = "Save the file as UTF-8; `iconv -f latin1 -t utf-8` converts an older one."
        wide = raw[:2] in {b"\xff\xfe", b"\xfe\xff"}
        received = "a UTF-16 file" if wide else raw[error.start : error.start + 1]
        raise UserError("not UTF-8", where=f"{name}:{line}", received=received, hint=hint) from error
    if not text.strip():
        hint = "Run `cauce init NAME` in a new folder for one to start from."
        raise UserError("the file is empty", where=name, hint=hint)
    return text


def parse(text: str, name: str) -> dict[str, Any]:
    """Return the document of a TOML text.

    Raises
    ------
    UserError
        Not TOML: the line, what it holds, and what to do about it.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(text, name, str(error)) from error


def read(path: Path) -> str:
    """Return the text of cauce.toml.

    Raises
    ------
    UserError
        No such file, a folder, not readable, not UTF-8, or empty.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError("no such file", where=str(path), hint="Run `cauce init NAME` to make a project.") from error
    except IsADirectoryError as error:
        raise UserError("a folder, not a file", where=str(path), hint="Name the cauce.toml in it.") from error
    except PermissionError as error:
        raise UserError("may not be read", where=str(path), hint="Check the file's owner and mode.") from error
    return decode(raw, path.name)


def _syntax_error(text: str, name: str, message: str) -> UserError:
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    position = _POSITION.search(message)
    number = int(position.group(1)) if position and position.group(1) else len(lines)
    line = lines[min(number, len(lines)) - 1].strip()
    what = _POSITION.sub("", message)
    return UserError(
        f"not TOML: {what[:1].lower()}{what[1:]}", where=f"{name}:{number}", received=line, hint=_hint(line, what)
    )


def _hint(line: str, what: str) -> str:
    if "twice" in what or "overwrite" in what or "already" in what:
        return "The same name stands twice; keep one of them."
    for word, mark in (("array", "]"), ("inline table", "}")):
        if f"unclosed {word}" in what.lower():
            return f"Close it with {mark}."
    if "nterminated string" in what or "character '\\n'" in what:
        return "Close the quotation mark."
    if "llegal character" in what:
        return "Remove the invisible character from this line."
    fitting = (hint for pattern, hint in _HINTS if re.search(pattern, line))
    return next(fitting, "Look at this line and at the one above it.")
