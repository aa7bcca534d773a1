"""Around every request: its id, its count by route and status, its trace where traces are on, its line if refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cauce.serve import logs
from cauce.serve.metrics import Metrics

if TYPE_CHECKING:
    from cauce.serve.traces import Traces

SUSPICIOUS = frozenset({401, 403, 421})
"""Refusals whose line names the address that asked."""


class Observed:
    """ASGI middleware, the outermost one.

    The route is a template, never the path as sent: `scope["cauce.route"]` where somebody set it, else the framework's.
    An answer that the connection took whole was counted by who gave it, and left its status in `scope["cauce.status"]`.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, traces: Traces | None = None) -> None:
        self.app, self._metrics, self.traces = app, metrics, traces
        self._access = logs.Access()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Watch one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id = scope["cauce.request_id"] = logs.begin(scope["headers"])
        status = 0

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (logs.HEADER, request_id.encode())]
                self._metrics.count_request(_route(scope), status)
                if status >= 400:
                    self._refused(scope, status, time.perf_counter() - begun)
            await send(message)

        if self.traces is None:
            await self.app(scope, receive, watching)
            return
        trace = scope["cauce.trace"] = self.traces.begin(scope, request_id)
        try:
            await self.app(scope, receive, watching)
        finally:
            if trace is not None:
                trace.end(_route(scope), status or scope.get("cauce.status", 0))

    def _refused(self, scope: Scope, status: int, seconds: float) -> None:
        method = logs.known_method(scope["method"])
        client = scope["client"][0] if status in SUSPICIOUS and scope.get("client") else None
        self._access.refused(method=method, route=_route(scope), status=status, seconds=seconds, client=client)


def _route(scope: Scope) -> str:
    return str(scope.get("cauce.route") or getattr(scope.get("route"), "path", "none"))
