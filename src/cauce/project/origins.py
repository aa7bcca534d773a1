"""The line of every key in a TOML text: tomllib gives values without positions, and an error must name its line.

The text must have passed tomllib already; this scanner only finds out where things stand and checks nothing.
"""

from __future__ import annotations

import json
import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]
"""Keys from the root; a number is the position in an array or in an array of tables."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:'{0,2})|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''', re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\n]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def lines_of(text: str) -> dict[KeyPath, int]:
    r"""Return the line, from 1, of every table, key and array element of a valid TOML text.

    A table has the line of its header, or else of the first key that makes it.

    Examples
    --------
    >>> lines_of('[a.b]\nc.d = [1,\n  {e = 2}]\n[[x]]\ny = 1')[("a", "b", "c", "d", 1, "e")]
    3
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.lines


def header(keys: KeyPath) -> str:
    """Return a table's name as its header writes it.

    Examples
    --------
    >>> header(("models", "drop out"))
    '[models."drop out"]'
    """
    return f"[{_dotted(keys)}]"


def _dotted(keys: KeyPath) -> str:
    shown = ""
    for key in keys:
        if isinstance(key, int):
            shown += f"[{key}]"
        else:
            bare = key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)
            shown += f".{bare}" if shown else bare
    return shown


@dataclass(frozen=True)
class Origins:
    """Where each value came from: a line of the file, or an environment variable.

    Parameters
    ----------
    file
        The file's name as errors show it.
    lines
        As `lines_of` gives them.
    tables
        Paths that are tables.
    variables
        Path → environment variable that set it.
    """

    file: str
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    tables: frozenset[KeyPath] = frozenset()
    variables: Mapping[KeyPath, str] = field(default_factory=dict)

    def where(self, *keys: str | int) -> str:
        """Say where `keys` stands, or the nearest table around it.

        Examples
        --------
        >>> Origins("cauce.toml", {("serve",): 3, ("serve", "port"): 4}, frozenset({("serve",)})).where("serve", "port")
        'cauce.toml:4, [serve] port'
        """
        path: KeyPath = keys
        if path in self.variables:
            return f"environment variable {self.variables[path]}"
        while path and path not in self.lines:
            path = path[:-1]
        if not path:
            return self.file
        return f"{self.file}:{self.lines[path]}, {self._shown(path)}"

    def _shown(self, path: KeyPath) -> str:
        table = path
        while table and table not in self.tables:
            table = table[:-1]
        inner = _dotted(path[len(table) :])
        return " ".join(part for part in (header(table) if table else "", inner) if part)


def tables_of(document: object, prefix: KeyPath = ()) -> Iterator[KeyPath]:
    """Give the path of every table in a parsed document, without the root."""
    if isinstance(document, Mapping):
        if prefix:
            yield prefix
        for key, value in document.items():
            yield from tables_of(value, (*prefix, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from tables_of(value, (*prefix, index))


class _Scanner:
    """A cursor over one text; `lines` fills as it goes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self._arrays: dict[KeyPath, int] = {}
        self._breaks = [match.start() for match in re.finditer("\n", text)]

    def document(self) -> None:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _header(self) -> KeyPath:
        opening = "[[" if self.text.startswith("[[", self.at) else "["
        line = self._line()
        self.at += len(opening)
        keys = self._keys()
        self.at += len(opening)
        path = self._resolve(keys[:-1])
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], line)
        path = (*path, keys[-1])
        if opening == "[[":
            self.lines.setdefault(path, line)
            self._arrays[path] = self._arrays.get(path, 0) + 1
            path = (*path, self._arrays[path] - 1)
        self.lines[path] = line
        return path

    def _resolve(self, keys: tuple[str, ...]) -> KeyPath:
        """Put the newest element's number behind every array of tables on the way."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self._arrays:
                path = (*path, self._arrays[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += 1  # =
        self._skip(_SPACE)
        self._value(path)

    def _keys(self) -> tuple[str, ...]:
        """Read a dotted key, up to what follows it."""
        keys = []
        while True:
            self._skip(_SPACE)
            raw = self._take(_KEY)
            keys.append(tomllib.loads(f"k={raw}")["k"] if raw[0] in "\"'" else raw)
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return tuple(keys)
            self.at += 1

    def _value(self, path: KeyPath) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self._take(_STRING)
        elif first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            self._take(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        index = 0
        while self._next_item("]"):
            self.lines[(*path, index)] = self._line()
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        while self._next_item("}"):
            self._pair(path)

    def _next_item(self, closing: str) -> bool:
        """Step over the opening mark or the comma; whether another item follows."""
        self._skip(_BLANK)
        if self.text[self.at] in "[{,":
            self.at += 1
        self._skip(_BLANK)
        if self.text[self.at] != closing:
            return True
        self.at += 1
        return False

    def _line(self) -> int:
        return bisect_left(self._breaks, self.at) + 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:  # pragma: no cover - a text that tomllib refuses
            raise ValueError(f"not TOML at line {self._line()}")
        self.at = match.end()
        return match.group()
