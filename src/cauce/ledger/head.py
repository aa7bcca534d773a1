"""Writing predictions into the journal quickly: what all lines of one release share is made once, with its checksum.

A line holds a batch, row by row as the request brought it. Personal data are kept out here, before anything is
written: a column may be left out, or stand as a keyed hash, which tells equal from unequal and nothing else.
"""

from __future__ import annotations

import hmac
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

ROWS_PER_LINE = 4_096
"""Most rows that one line ought to hold."""
SHADOW = "shadow"
UNIT = "unit"
"""The name under which a policy speaks of the request's unit."""
HASH_DIGITS = 32
Keep = Literal["keep", "drop", "hash"]
Rows = Sequence[Sequence[Any]]


def policy(log: Mapping[str, Literal[False, "hash"]]) -> dict[str, Keep]:
    """Return what `[models.NAME.log]` says, a word a column.

    Examples
    --------
    >>> policy({"email": False, "school": "hash"})
    {'email': 'drop', 'school': 'hash'}
    """
    return {name: "hash" if how == "hash" else "drop" for name, how in log.items()}


def written(value: Any) -> str:
    """Return a value as the text that is hashed: equal values of different types have the same.

    Examples
    --------
    >>> written(3), written(3.0), written(2.5), written(True)
    ('3', '3', '2.5', 'true')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def keyed_hash(key: bytes, column: str, value: Any) -> str | None:
    """Return HMAC-SHA256 of a column's value as 32 hexadecimal digits; None for a missing value.

    Examples
    --------
    >>> keyed_hash(b"key", "email", "ana@example.org") == keyed_hash(b"key", "email", "ana@example.org")
    True
    >>> keyed_hash(b"key", "email", "ana@example.org") == keyed_hash(b"other", "email", "ana@example.org")
    False
    """
    if value is None:
        return None
    return hmac.digest(key, f"{column}\0{written(value)}".encode(), "sha256").hex()[:HASH_DIGITS]


@dataclass(frozen=True)
class Head:
    """What all journal lines of one release have in common. Made once a release; safe for many threads.

    Parameters
    ----------
    version
        Of the release.
    inputs
        (name, type in the ledger) of each input, in the order of the rows' values.
    outputs
        The same of what the release gives.
    kept
        Input column, or ``unit``, → how it is kept; as it is, where it is not named.
    key
        Secret of the hashes.

    Examples
    --------
    >>> head = Head(3, (("age", "int"), ("email", "text")), (("prediction", "text"),), {"email": "drop"})
    >>> head.line(ids=["a"], at=0, rows=[[30, "ana@example.org"]], outputs={"prediction": ["yes"]})[22:108]
    b'{"k":"r","v":3,"in":[["age","int"]],"out":[["prediction","text"]],"x":["email"],"at":0'
    """

    version: int
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    kept: Mapping[str, Keep] = field(default_factory=dict)
    key: bytes = b""
    _names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _full: tuple[bytes, int] = field(init=False, repr=False, compare=False)
    """The beginning of every line, and its checksum."""
    _bare: tuple[bytes, int] = field(init=False, repr=False, compare=False)
    """The same without inputs, for shadows: their inputs stand in the line of the prediction."""
    _written: Callable[[Rows], Rows] = field(init=False, repr=False, compare=False)
    _unit: Keep = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make what is the same in every line."""
        how = [self.kept.get(name, "keep") for name, _ in self.inputs]
        if "hash" in self.kept.values() and not self.key:
            raise ValueError("hashes need a key")
        types = [
            (name, "hash" if keep == "hash" else kind)
            for (name, kind), keep in zip(self.inputs, how, strict=True)
            if keep != "drop"
        ]
        withheld = [name for (name, _), keep in zip(self.inputs, how, strict=True) if keep != "keep"]
        object.__setattr__(self, "_names", tuple(name for name, _ in self.outputs))
        object.__setattr__(self, "_full", self._begin(types, withheld))
        object.__setattr__(self, "_bare", self._begin([], []))
        object.__setattr__(self, "_written", _writer([name for name, _ in self.inputs], how, self.key))
        object.__setattr__(self, "_unit", self.kept.get(UNIT, "keep"))

    def _begin(self, inputs: Sequence[tuple[str, str]], withheld: Sequence[str]) -> tuple[bytes, int]:
        shared: dict[str, Any] = {"k": "r", "v": self.version, "in": inputs, "out": self.outputs}
        if withheld:
            shared["x"] = withheld
        content = orjson.dumps(shared)[:-1] + b","
        return content, zlib.crc32(content)

    def line(
        self,
        *,
        ids: Sequence[str],
        at: int,
        rows: Rows,
        outputs: Mapping[str, Sequence[Any]],
        variant: str = "champion",
        units: Sequence[str | None] = (),
        ms: Sequence[float] = (),
    ) -> bytes:
        """Return the journal line of a batch.

        Parameters
        ----------
        ids
            Of the predictions, shape (n_rows,); those of the champion's for a shadow.
        at
            When, in microseconds since the epoch.
        rows
            Values in the order of `inputs`, times in microseconds, shape (n_rows, n_inputs). A shadow's are not
            written: they stand with the prediction that it shadows.
        outputs
            Name → values, shape (n_rows,); has all names of `outputs`.
        variant
            ``champion``, ``challenger`` (it answered) or ``shadow``.
        units
            Whom each row is about, shape (n_rows,), or nothing.
        ms
            Milliseconds that each took, shape (n_rows,), or nothing.
        """
        tail: dict[str, Any] = {"at": at, "w": variant, "ids": ids, "y": [outputs[name] for name in self._names]}
        content, checksum = self._full
        if variant == SHADOW:
            content, checksum = self._bare
        else:
            tail["rows"] = self._written(rows)
            if units and self._unit != "drop":
                tail["u"] = units if self._unit == "keep" else [keyed_hash(self.key, UNIT, unit) for unit in units]
        if ms:
            tail["ms"] = ms
        end = orjson.dumps(tail)[1:]
        return b'{"crc":"%08x","r":%b%b}\n' % (zlib.crc32(end, checksum), content, end)


def _writer(names: Sequence[str], how: Sequence[Keep], key: bytes) -> Callable[[Rows], Rows]:
    """Return what gives rows as they are written."""
    if all(keep == "keep" for keep in how):
        return _as_they_are
    places = [place for place, keep in enumerate(how) if keep != "drop"]
    hashed = [(at, names[place]) for at, place in enumerate(places) if how[place] == "hash"]

    def write(rows: Rows) -> Rows:
        made = [[row[place] for place in places] for row in rows]
        for at, name in hashed:
            for row in made:
                row[at] = keyed_hash(key, name, row[at])
        return made

    return write


def _as_they_are(rows: Rows) -> Rows:
    return rows
