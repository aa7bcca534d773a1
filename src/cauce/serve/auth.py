"""Who may ask: Host, Origin, token or console session, checked over all routes before any of them is reached.

Only /healthz and /readyz answer without a token; the console's sign-in takes the token in its form. Host and Origin are
checked on every route and method, since a browser on the same machine reaches loopback too (DNS rebinding, CSRF).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cauce.serve.codes import SESSION_S, Codes
from cauce.serve.problem import Problem
from cauce.serve.service import Service

OPEN = ("/healthz", "/readyz")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SESSION_PATH = "/console/session"
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: with it a browser posts the sign-in form with `Origin: null`, which is refused below.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Sessions:
    """Console sessions of one service, and its token."""

    def __init__(self, service: Service) -> None:
        self._token, self._service = service.token.encode(), service
        self._sessions = Codes(life_s=SESSION_S)
        # Cookies do not tell ports apart: two projects on one machine need two names.
        self.cookie = f"cauce_{hashlib.sha256(self._token).hexdigest()[:12]}"

    def is_token(self, candidate: str) -> bool:
        """Compare in constant time; an empty token opens nothing."""
        return bool(self._token) and hmac.compare_digest(candidate.encode("utf-8", "replace"), self._token)

    def by_code(self, code: str) -> str | None:
        """Return the cookie of a new session for a one-time code, or None."""
        return self._begin() if self._service.codes.redeem(code) else None

    def by_token(self, token: str) -> str | None:
        """Return the cookie of a new session for the token, or None."""
        return self._begin() if self.is_token(token) else None

    def alive(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request brings a live session."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return found is not None and self._sessions.alive(found.value)

    def _begin(self) -> str:
        flags = f"Path=/console; Max-Age={int(SESSION_S)}; HttpOnly; SameSite=Strict"
        return f"{self.cookie}={self._sessions.make()}; {flags}"


class Gatekeeper:
    """ASGI middleware that lets a request through, or refuses it."""

    def __init__(self, app: ASGIApp, service: Service, sessions: Sessions) -> None:
        self.app, self._service, self._sessions = app, service, sessions
        self._hosts = Hosts(service.spec.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no route speaks anything else: the server closes the connection
        refusal = self._refusal(scope)
        handler = self.app if refusal is None else refusal.response()
        await handler(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Problem | None:
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        headers = dict(pairs)
        if sum(name == "host" for name, _ in pairs) != 1 or not self._hosts.allows(headers["host"]):
            detail = "This service answers only under its own address. Check the Host header."
            return Problem(421, detail)
        if any(name == "origin" and not self._hosts.same(value, headers["host"]) for name, value in pairs):
            return Problem(403, "Requests from other sites are refused. Check the Origin header.")
        if self._may_pass(scope, headers):
            return None
        hint = "Send `Authorization: Bearer TOKEN`; the token stands in .cauce/secrets/token."
        return Problem(401, hint, headers={"www-authenticate": "Bearer"})

    def _may_pass(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        path, method = scope["path"], scope["method"]
        if path in OPEN:
            return True
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._sessions.is_token(token.strip()):
            return True
        if method == "POST" and path == SESSION_PATH:
            return True  # carries the token in its form, and is answered 401 without it
        if method not in {"GET", "HEAD"}:
            return False
        # /console shows the sign-in page where there is no session, with 401, or redeems a code.
        return path == "/console" or (path.startswith("/console/") and self._sessions.alive(headers))


class Hosts:
    """The names under which the service may be asked for.

    Examples
    --------
    >>> Hosts("127.0.0.1").allows("localhost:8321"), Hosts("127.0.0.1").allows("evil.example")
    (True, False)
    """

    def __init__(self, host: str) -> None:
        self._any_address = host in {"0.0.0.0", "::", ""}  # noqa: S104 - compared, not bound
        own = (socket.gethostname().lower(),) if self._any_address else ()
        self._names = frozenset({*LOOPBACK, host.lower().strip("[]"), *own})

    def allows(self, header: str) -> bool:
        """Return whether a Host header names this service; its port does not matter.

        Bound to all addresses, any numeric address is ours: rebinding needs a name.
        """
        name = _split(header)[0]
        return name in self._names or (self._any_address and _is_address(name))

    def same(self, origin: str, host: str) -> bool:
        """Return whether an Origin header is that of the Host header."""
        scheme, found, netloc = origin.partition("://")
        if not found or scheme not in {"http", "https"}:
            return False
        default = 443 if scheme == "https" else 80
        ours, theirs = _split(host), _split(netloc)
        return bool(theirs[0]) and (ours[0], ours[1] or default) == (theirs[0], theirs[1] or default)


def _split(netloc: str) -> tuple[str, int | None]:
    if not netloc.isascii() or any(character in netloc for character in "/@?#\\ \t"):
        return "", None
    try:
        parts = urlsplit(f"//{netloc}")
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            extra = [(n.encode(), v.encode()) for n, v in SECURITY_HEADERS.items() if n.encode() not in present]
            message["headers"] = [*message["headers"], *extra]
        await send(message)

    return sending


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
