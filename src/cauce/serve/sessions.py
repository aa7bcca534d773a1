"""Console sessions: how a person gets in, by a one-time code or a token, and what ends it.

A session lasts 12 hours, and ends with the token that began it: when that one is removed, runs out or is exchanged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from cauce.core.admin_log import Act
from cauce.serve.service import Service
from cauce.serve.tokens import Token

PERSON = Token("console", frozenset({"admin"}))
"""For whom a request with a session speaks."""
BY_CODE = "code"
logger = logging.getLogger("cauce.serve")


def utc_now() -> datetime:
    """Return the current time, UTC."""
    return datetime.now(UTC)


class Sessions:
    """Console sessions of one service. What writes the log waits for the disk: call it in a thread."""

    def __init__(self, service: Service, *, now: Callable[[], datetime] = utc_now) -> None:
        self._service, self._tokens, self._now = service, service.tokens, now
        self.cookie = f"cauce_{service.tokens.mark}"

    def by_code(self, code: str, address: str) -> str | None:
        """Return the cookie of a new session for a one-time code, or None."""
        if not self._service.codes.redeem(code):
            self._refused(address, "a code that is none, or was used")
            return None
        return self._begin("one-time code", BY_CODE, address)

    def by_token(self, presented: str, address: str) -> str | None:
        """Return the cookie of a new session for a token with the scope admin, or None."""
        token = self._tokens.find(presented)
        if token is None or "admin" not in token.scopes:
            self._refused(address, "a wrong token" if token is None else f"token {token.name}, without the scope admin")
            return None
        return self._begin(f"token {token.name}", self._tokens.fingerprint(presented), address)

    def alive(self, cookies: bytes) -> bool:
        """Return whether the header Cookie brings a live session."""
        if self.cookie.encode() not in cookies:
            return False
        try:
            found = SimpleCookie(cookies.decode("latin-1")).get(self.cookie)
        except CookieError:
            return False
        if found is None or not self._service.sessions.alive(found.value):
            return False
        begun_by = found.value.rpartition(".")[2]
        return begun_by == BY_CODE or self._tokens.opens(begun_by, "admin")

    def _begin(self, who: str, begun_by: str, address: str) -> str:
        sessions = self._service.sessions
        made = sessions.make(f".{begun_by}")
        self._note(who, "sign in", address)
        flags = f"Path=/console; Max-Age={int(sessions.life_s)}; HttpOnly; SameSite=Strict"
        return f"{self.cookie}={made}; {flags}{'; Secure' if self._service.tls else ''}"

    def _refused(self, address: str, why: str) -> None:
        if self._service.limits.may_note():
            self._note("unknown", "sign-in refused", f"{address}: {why}")

    def _note(self, who: str, what: str, detail: str) -> None:
        try:
            self._service.note(Act(self._now(), who, what, "console", detail))
        except Exception:  # a log that cannot be written must not keep its owner out
            logger.exception("an act could not be written into the log of administrative acts")


def form_token(body: bytes) -> str:
    """Return the field `token` of a urlencoded form, or an empty text.

    Examples
    --------
    >>> form_token(b"token=abc")
    'abc'
    """
    try:
        return parse_qs(body.decode(), max_num_fields=8).get("token", [""])[0].strip()
    except ValueError:
        return ""
