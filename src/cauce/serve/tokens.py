"""The tokens that a running service knows: looked up by hash, followed on the disk, never kept in plain.

A token is 32 random bytes. Nobody guesses one of 2^256, so a plain SHA-256 hides it as well as a slow password hash
would, at a quarter of a microsecond a request. What the time of a look-up tells is about the hash of what was
presented, which nobody can steer towards a hash that they do not know. How the file is made stands in `token_file`.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from cauce.core.errors import UserError

TokenScope = Literal["predict", "truth", "metrics", "admin"]
SCOPES: tuple[TokenScope, ...] = get_args(TokenScope)
OWNER = "owner"
LOOK_S = 1.0
FOR_EVER = float("inf")
logger = logging.getLogger("cauce.serve")


@dataclass(frozen=True)
class Token:
    """Whom a request speaks for, and what they may do."""

    name: str
    scopes: frozenset[TokenScope]
    requests_per_second: float | None = None
    """Its own limit, in place of that of [serve]."""
    slot: int = 0
    """Its place in the shared limits; 0 is the owner's."""


@dataclass(frozen=True)
class _Held:
    token: Token
    until: float
    """Seconds since the epoch."""


Stamp = tuple[int, int, int] | None
"""Inode, time and size of a file; None where there is none."""


class Tokens:
    """Every token of a project.

    Parameters
    ----------
    owner
        The owner's token; an empty one opens nothing. It is kept as its hash.
    path
        File of the named tokens. The owner's lies beside it, as `token`. Both are followed: a change counts within a
        second. None for a service without files.
    clock
        Seconds since the epoch.

    Raises
    ------
    UserError
        The file cannot be read, or others may read it.

    Examples
    --------
    >>> tokens = Tokens("a-token")
    >>> tokens.find("a-token").name, tokens.find("another"), tokens.find("")
    ('owner', None, None)
    """

    def __init__(self, owner: str, path: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._owner = _by_hash(owner)
        self._named: Mapping[bytes, _Held] = {}
        self._held: Mapping[bytes, _Held] = self._owner
        self._stamps: tuple[Stamp, Stamp] = (None, None)
        self._looked = clock()
        own = owner.encode() if path is None else bytes(path.resolve())
        self._mark = hashlib.sha256(own).hexdigest()[:12]
        if path is not None:
            self._stamps = (None, _stamp(path.with_name("token")))
            self._read()

    @property
    def mark(self) -> str:
        """What tells this project's cookies from those of another on the same machine: cookies know no ports."""
        return self._mark

    def find(self, presented: str | bytes) -> Token | None:
        """Return whose token this is, or None where it is nobody's or has ended."""
        now = self._clock()
        if not 0.0 <= now - self._looked < LOOK_S:
            self._look(now)
        raw = presented if isinstance(presented, bytes) else presented.encode("utf-8", "replace")
        held = self._held.get(hashlib.sha256(raw).digest())
        return held.token if held is not None and now < held.until else None

    def fingerprint(self, presented: str) -> str:
        """Return what a session keeps of the token that began it."""
        return hashlib.sha256(presented.encode("utf-8", "replace")).hexdigest()[:16]

    def opens(self, fingerprint: str, scope: TokenScope) -> bool:
        """Return whether the token with this fingerprint is still one, with this scope."""
        now = self._clock()
        if not 0.0 <= now - self._looked < LOOK_S:
            self._look(now)
        return any(
            scope in held.token.scopes and now < held.until
            for digest, held in self._held.items()
            if digest.hex()[:16] == fingerprint
        )

    def _look(self, now: float) -> None:
        """Read what changed; what cannot be read changes nothing, and is told in the log."""
        self._looked = now
        try:
            self._read()
        except (UserError, OSError) as error:
            logger.error("tokens: %s; those known before still count", error)  # noqa: TRY400 - an operating matter

    def _read(self) -> None:
        if self._path is None:
            return
        owner = self._path.with_name("token")
        stamps = (_stamp(self._path), _stamp(owner))
        before, self._stamps = self._stamps, stamps
        if stamps == before:
            return
        if stamps[1] != before[1]:
            self._owner = _by_hash(_text(owner))
        try:
            if stamps[0] != before[0]:
                self._named = _named(self._path)
        finally:
            self._held = {**self._named, **self._owner}


def _by_hash(owner: str) -> Mapping[bytes, _Held]:
    if not owner:
        return {}
    return {hashlib.sha256(owner.encode()).digest(): _Held(Token(OWNER, frozenset(SCOPES)), FOR_EVER)}


def _named(path: Path) -> Mapping[bytes, _Held]:
    from cauce.serve.token_file import read

    found: dict[bytes, _Held] = {}
    for one in read(path).tokens:
        token = Token(one.name, frozenset(one.scopes), one.requests_per_second, one.slot)
        ends = FOR_EVER if one.expires is None else one.expires.timestamp()
        found[bytes.fromhex(one.sha256)] = _Held(token, ends)
        if one.before is not None and one.before_until is not None:
            found[bytes.fromhex(one.before)] = _Held(token, min(ends, one.before_until.timestamp()))
    return found


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
