"""`cauce token`: who may ask the service for what. Every change stands in the log of administrative acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core import admin_log
from cauce.core.errors import UserError
from cauce.core.specs import seconds
from cauce.loop.context import Loop

if TYPE_CHECKING:
    from cauce.serve import Tokens
    from cauce.serve.token_file import Entry, TokenFile
    from cauce.serve.tokens import TokenScope


@dataclass(frozen=True)
class Listed:
    """A token as it is shown: all but the token."""

    name: str
    scopes: tuple[str, ...]
    created: datetime | None = None
    """None for the owner's, which is as old as its file."""
    expires: datetime | None = None
    expired: bool = False
    requests_per_second: float | None = None
    rotated: datetime | None = None
    old_works_until: datetime | None = None
    """Until when the token before the last rotation works, where that is still to come."""


@dataclass(frozen=True)
class New:
    """A token at the one moment when it is shown."""

    token: str
    about: Listed


def tokens_of(loop: Loop) -> Tokens:
    """Return the tokens that a service of this project follows; the owner's is made where it was not taken away."""
    from cauce.serve import Tokens
    from cauce.serve.token_file import read

    path = _path(loop)
    owner = "" if read(path).owner_retired else loop.state.read_token()
    return Tokens(owner, path)


def tokens(loop: Loop) -> list[Listed]:
    """List the tokens, the owner's first."""
    from cauce.serve.token_file import read

    named = [_listed(one, loop.now()) for one in read(_path(loop)).tokens]
    return [*([_owner()] if loop.state.token.exists() else []), *sorted(named, key=lambda one: one.name)]


def add(
    loop: Loop, name: str, scopes: Sequence[TokenScope], *, expires: str | None = None, per_second: float | None = None
) -> New:
    """Make a token with some scopes."""
    if not scopes:
        from cauce.serve.tokens import SCOPES

        raise UserError("a token needs a scope", where="--scope", hint=f"Choose from {', '.join(SCOPES)}.")
    if per_second is not None and not 0.0 < per_second < float("inf"):
        raise UserError("not a rate", where="--per-second", received=per_second, hint="Write a number above 0.")
    life_s = None if expires is None else _life(expires, "--expires")
    now = loop.now()
    made = _file(loop).add(name, scopes=scopes, now=now, expires_s=life_s, requests_per_second=per_second)
    return New(made.token, _listed(made.entry, now))


def rotate(loop: Loop, name: str, *, grace: str = "0s") -> New:
    """Exchange a token for a new one of the same name and scopes; the old one works for `grace` more."""
    from cauce.serve.tokens import OWNER

    grace_s, now = seconds(grace) and _life(grace, "--grace"), loop.now()
    if name == OWNER:
        if grace_s:
            hint = "Rotate it without --grace, or give programs named tokens."
            raise UserError("the owner's token ends at once", where="--grace", received=grace, hint=hint)
        return New(_file(loop).rotate_owner(), _owner())
    made = _file(loop).rotate(name, now=now, grace_s=grace_s)
    return New(made.token, _listed(made.entry, now))


def remove(loop: Loop, name: str) -> None:
    """Take a token away; it opens nothing from the next second on."""
    from cauce.serve.tokens import OWNER

    if name == OWNER:
        _file(loop).retire_owner()
    else:
        _file(loop).remove(name)


def log(loop: Loop, limit: int | None) -> list[admin_log.Act]:
    """Return the log of administrative acts, newest first."""
    return admin_log.read(loop.state.record, limit)


def _path(loop: Loop) -> Path:
    return loop.state.token.with_name("tokens.json")


def _file(loop: Loop) -> TokenFile:
    """Return the file of tokens, its changes written into the log before they are made."""
    from cauce.serve.token_file import TokenFile

    def note(verb: str, name: str, detail: str) -> None:
        admin_log.append(loop.state.record, admin_log.Act(loop.now(), admin_log.command_line(), verb, name, detail))

    return TokenFile(_path(loop), note)


def _life(duration: str, where: str) -> float:
    found = seconds(duration)
    if not 0.0 < found < 100 * 366 * 86_400.0:
        raise UserError("not a life for a token", where=where, received=duration, hint="Write 12h or 90d.")
    return found


def _owner() -> Listed:
    from cauce.serve.tokens import OWNER, SCOPES

    return Listed(OWNER, SCOPES)


def _listed(one: Entry, now: datetime) -> Listed:
    graced = one.before_until is not None and one.before_until > now
    return Listed(
        name=one.name,
        scopes=one.scopes,
        created=one.created,
        expires=one.expires,
        expired=one.expires is not None and one.expires <= now,
        requests_per_second=one.requests_per_second,
        rotated=one.rotated,
        old_works_until=one.before_until if graced else None,
    )
