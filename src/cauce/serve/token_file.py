"""The file of named tokens, `.cauce/secrets/tokens.json`: their hashes, scopes and ends; no token itself.

Changes are made whole, one at a time; a running service follows them. The owner's token lies beside it in plain, in
`token`: the person who starts the service, the demo and the curl of the documentation read it from there, and whoever
may read that file may read the ledger too. `retire_owner` takes it away.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cauce.core.errors import Refused, UserError, did_you_mean
from cauce.core.files import from_json, to_json, write_bytes
from cauce.core.locks import hold
from cauce.core.names import check_name
from cauce.serve.tokens import OWNER, TokenScope

FORMAT = 1
MOST = 1_000
"""Tokens that a project may have: each has a place in the shared limits."""
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One named token."""

    name: str
    scopes: tuple[TokenScope, ...]
    sha256: str
    """Of the token, hexadecimal."""
    slot: int
    """Its place in the shared limits, from 1 on."""
    created: datetime
    expires: datetime | None = None
    requests_per_second: float | None = None
    rotated: datetime | None = None
    before: str | None = None
    """SHA-256 of the token before the last rotation."""
    before_until: datetime | None = None
    """Until when that one still works."""


@dataclass(frozen=True)
class Kept:
    """The file's content."""

    format: int = FORMAT
    owner_retired: bool = False
    """Whether the owner's token was taken away: a start makes no new one then."""
    tokens: tuple[Entry, ...] = ()


class Made(NamedTuple):
    """A new token: the only moment at which it is known in plain."""

    token: str
    entry: Entry


def read(path: Path) -> Kept:
    """Return the file's content; an empty one where there is no file.

    Raises
    ------
    UserError
        Others may read or write it, or it is not what Cauce wrote.
    """
    try:
        mode = path.stat().st_mode & 0o777
        content = path.read_bytes()
    except FileNotFoundError:
        return Kept()
    if mode & 0o077:
        raise UserError("others may use this file", where=str(path), received=f"{mode:o}", hint=f"chmod 600 {path}")
    try:
        kept = from_json(content, Kept, where=str(path))
        for one in kept.tokens:
            check_name(one.name)
            for digest in filter(None, (one.sha256, one.before)):
                _check(SHA256.fullmatch(digest) is not None, f"{one.name}: not a SHA-256")
            _check(1 <= one.slot <= MOST, f"{one.name}: no such slot")
        _check(len({one.name for one in kept.tokens}) == len(kept.tokens), "a name stands there twice")
        _check(kept.format <= FORMAT, f"format {kept.format}, this Cauce reads {FORMAT}")
    except UserError as error:
        hint = "Mend it, or delete it: then only the owner's token opens the service, and the others are made anew."
        raise UserError(f"not a file of tokens: {error.what}", where=str(path), hint=hint) from error
    return kept


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise UserError(what)


@dataclass(frozen=True)
class TokenFile:
    """The file, for those who change it.

    Parameters
    ----------
    path
        `.cauce/secrets/tokens.json`.
    note
        Told (verb, name, detail) once a change is known to be possible, before it is made: what nobody could write
        down is not done.
    """

    path: Path
    note: Callable[[str, str, str], None] = lambda verb, name, detail: None

    def add(
        self,
        name: str,
        *,
        scopes: Sequence[TokenScope],
        now: datetime,
        expires_s: float | None = None,
        requests_per_second: float | None = None,
    ) -> Made:
        """Make a token and keep its hash.

        Raises
        ------
        UserError
            The name is none, is taken, or there are too many tokens.
        """
        check_name(name, where="NAME")
        with self._changing() as kept:
            if name == OWNER or any(one.name == name for one in kept.tokens):
                hint = f"Choose another, or `cauce token rotate {name}`."
                raise UserError("there is a token of this name", received=name, hint=hint)
            token = secrets.token_urlsafe(32)
            entry = Entry(
                name=name,
                scopes=tuple(sorted(set(scopes))),
                sha256=_sha256(token),
                slot=_free_slot(kept),
                created=now,
                expires=None if expires_s is None else now + timedelta(seconds=expires_s),
                requests_per_second=requests_per_second,
            )
            ends = "" if entry.expires is None else f", until {entry.expires.isoformat(timespec='minutes')}"
            self.note("token add", name, " ".join(entry.scopes) + ends)
            self._write(replace(kept, tokens=(*kept.tokens, entry)))
        return Made(token, entry)

    def rotate(self, name: str, *, now: datetime, grace_s: float = 0.0) -> Made:
        """Make a new token under a name; the old one works for `grace_s` seconds more.

        A token that was made to end ends as long after its rotation as it did after it was made.

        Raises
        ------
        UserError
            No token has this name.
        """
        with self._changing() as kept:
            old = _named(kept, name)
            token = secrets.token_urlsafe(32)
            life = None if old.expires is None else old.expires - (old.rotated or old.created)
            graced = grace_s > 0.0 and not (old.expires is not None and old.expires <= now)
            until = now + timedelta(seconds=grace_s)
            entry = replace(
                old,
                sha256=_sha256(token),
                rotated=now,
                expires=None if life is None else now + life,
                before=old.sha256 if graced else None,
                before_until=until if graced else None,
            )
            self.note("token rotate", name, f"old one until {until.isoformat(timespec='minutes')}" if graced else "")
            self._write(replace(kept, tokens=tuple(entry if one is old else one for one in kept.tokens)))
        return Made(token, entry)

    def remove(self, name: str) -> Entry:
        """Take a token away.

        Raises
        ------
        UserError
            No token has this name.
        """
        with self._changing() as kept:
            gone = _named(kept, name)
            self.note("token remove", name, "")
            self._write(replace(kept, tokens=tuple(one for one in kept.tokens if one is not gone)))
        return gone

    def rotate_owner(self) -> str:
        """Make a new owner's token, in plain beside the file, also after it was taken away; the old one ends."""
        with self._changing() as kept:
            token = secrets.token_urlsafe(32)
            self.note("token rotate", OWNER, "")
            write_bytes(self.path.with_name("token"), f"{token}\n".encode(), mode=0o600)
            if kept.owner_retired:
                self._write(replace(kept, owner_retired=False))
        return token

    def retire_owner(self) -> None:
        """Take the owner's token away: named tokens, and the one-time code of each start, remain.

        Raises
        ------
        Refused
            There is no other token: nobody could ask the service for anything.
        """
        with self._changing() as kept:
            if not kept.tokens:
                raise Refused("no other token is left", hint="Make one first: `cauce token add NAME --scope admin`.")
            self.note("token remove", OWNER, "")
            self._write(replace(kept, owner_retired=True))
            self.path.with_name("token").unlink(missing_ok=True)

    @contextmanager
    def _changing(self) -> Iterator[Kept]:
        """Give the content to one who changes it, and to nobody else meanwhile."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.parent.chmod(0o700)
        with hold(self.path.with_suffix(".lock"), wait_s=5.0):
            yield read(self.path)

    def _write(self, kept: Kept) -> None:
        write_bytes(self.path, to_json(kept) + b"\n", mode=0o600)


def _free_slot(kept: Kept) -> int:
    taken = {one.slot for one in kept.tokens}
    for slot in range(1, MOST + 1):
        if slot not in taken:
            return slot
    raise Refused(f"there are {MOST} tokens already", hint="Remove those that nobody uses: `cauce token list`.")


def _named(kept: Kept, name: str) -> Entry:
    names = [one.name for one in kept.tokens]
    if name not in names:
        raise UserError("no such token", received=name, hint=did_you_mean(name, names))
    return kept.tokens[names.index(name)]


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
