"""Who may ask: Host, Origin, token or console session, checked over all routes before any of them is reached.

Only /healthz and /readyz answer without a token; the console's sign-in takes one in its form. What a token may do
stands in `rights`. Behind the Gatekeeper `scope["cauce.token"]` says for whom the request speaks,
`scope["cauce.route"]` is the route's template, `scope["cauce.headers"]` the headers as a dict of bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cauce.serve.hosts import Hosts
from cauce.serve.limits import retry_after
from cauce.serve.problem import Problem
from cauce.serve.rights import SESSION_PATH, Rights, Rule
from cauce.serve.service import Service
from cauce.serve.sessions import PERSON, Sessions
from cauce.serve.tokens import Token

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
GUARDS = tuple((name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items())
GUARDED = frozenset(name for name, _ in GUARDS)
ONCE = (b"host", b"authorization", b"origin")


class Gatekeeper:
    """ASGI middleware that lets a request through, or refuses it. It runs for every request: it counts microseconds."""

    def __init__(self, app: ASGIApp, service: Service, sessions: Sessions) -> None:
        self.app, self._sessions = app, sessions
        self._tokens, self._limits, self._rights = service.tokens, service.limits, Rights()
        self._hosts = Hosts(service.spec.host, tls=service.tls)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request."""
        if scope["type"] == "http":
            refusal = self._refusal(scope)
            if refusal is None:
                await self.app(scope, receive, _with_headers(send))
            else:
                await refusal.response()(scope, receive, _with_headers(send))
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        # No route speaks anything else: the server closes the connection.

    def _refusal(self, scope: Scope) -> Problem | None:
        pairs = scope["headers"]
        headers: dict[bytes, bytes] = dict(pairs)
        if len(headers) != len(pairs):
            again = _repeated(pairs, headers)
            if again is not None:
                return again
        if not self._hosts.allows_bytes(headers.get(b"host")):
            return Problem(421, "This service answers only under its own address. Check the Host header.")
        origin = headers.get(b"origin")
        if origin is not None and not self._hosts.same(origin.decode("latin-1"), headers[b"host"].decode("latin-1")):
            return Problem(403, "Requests from other sites are refused. Check the Origin header.")
        rule = self._rights.rule(scope["path"])
        if rule is not None:
            if rule.open:
                return None
            scope["cauce.route"] = rule.route
        scope["cauce.headers"] = headers
        presented = headers.get(b"authorization")
        token = None
        if presented is not None and presented[:7].lower() == b"bearer ":
            token = self._tokens.find(presented[7:].strip())
        if token is not None:
            scope["cauce.token"] = token
            return self._judge(token, rule, scope)
        return self._without_token(rule, scope, headers, wrong=presented is not None)

    def _judge(self, token: Token, rule: Rule | None, scope: Scope) -> Problem | None:
        wait = self._limits.wait(token)
        if wait > 0.0:
            detail = f"Token {token.name!r} sends more requests than it may. Send this one again in {wait:.2g} seconds."
            return Problem(429, detail, headers={"retry-after": retry_after(wait)})
        if rule is None:
            return Problem(404, f"No such route: {scope['path'][:200]}.")
        if rule.scope is None or rule.scope in token.scopes:
            return None
        detail = f"This needs a token with the scope {rule.scope!r}, which {token.name!r} does not have."
        return Problem(403, detail)

    def _without_token(
        self, rule: Rule | None, scope: Scope, headers: Mapping[bytes, bytes], *, wrong: bool
    ) -> Problem | None:
        if wrong:
            wait = self._limits.wrong(address_of(scope))
            if wait > 0.0:
                detail = f"Too many wrong tokens came from this address. Try again in {wait:.2g} seconds."
                return Problem(429, detail, headers={"retry-after": retry_after(wait)})
        path, method = scope["path"], scope["method"]
        reading = method in {"GET", "HEAD"}
        in_console = path == "/console" or path.startswith("/console/")
        if reading and in_console and self._sessions.alive(headers.get(b"cookie", b"")):
            scope["cauce.token"] = PERSON
            return None if rule is not None else Problem(404, f"No such route: {path[:200]}.")
        if (
            rule is not None
            and rule.people == "sign-in"
            and (method == "POST" if rule.route == SESSION_PATH else reading)
        ):
            return None  # shown the form, or posts it: answered 401 without a code or token in it
        hint = (
            "Send `Authorization: Bearer TOKEN`. `cauce token add` makes one; the owner's is in .cauce/secrets/token."
        )
        return Problem(401, hint, headers={"www-authenticate": "Bearer"})


def _repeated(pairs: Sequence[tuple[bytes, bytes]], headers: dict[bytes, bytes]) -> Problem | None:
    """Refuse a header that may come once and came twice: two readers could each believe another one."""
    for name in ONCE:
        if sum(one == name for one, _ in pairs) > 1:
            status = 421 if name == b"host" else 400
            return Problem(status, f"The header {name.decode()} came more than once. Send it once.")
    headers[b"cookie"] = b"; ".join(value for name, value in pairs if name == b"cookie")
    return None


def address_of(scope: Scope) -> str:
    """Return the address that a request came from: a proxy's, where one stands in front."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _with_headers(send: Send) -> Send:
    def sending(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            own = message["headers"]
            message["headers"] = [*own, *GUARDS] if GUARDED.isdisjoint(dict(own)) else _missing(own)
        return send(message)

    return sending


def _missing(own: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers with those of ours that it does not set itself."""
    present = dict(own)
    return [*own, *(pair for pair in GUARDS if pair[0] not in present)]
