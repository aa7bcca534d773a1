"""Connections that cannot be held for nothing: uvicorn's protocol with limits that it lacks.

A request, headers and body, must arrive within `ARRIVE_S`; its headers are bounded; a client must read what it is sent;
and there are never more connections than `MOST_CONNECTIONS`. One look a second at all connections enforces it, so that
a request costs no timer.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

ARRIVE_S = 30.0
"""Seconds for a request to arrive, from its first byte (of a new connection: from its opening) to its last."""
UNREAD_S = 30.0
"""Seconds in which a client must read what it was sent."""
IDLE_S = 75
"""Seconds that an idle connection is kept."""
LINGER_S = 1.0
"""Seconds that an idle connection is kept for a request on its way when the service ends."""
HEADER_BYTES = 32_768
MOST_CONNECTIONS = 4_096
LOOK_EVERY_S = 1.0
NEVER = float("inf")
HEAD = b"HTTP/1.1 %b\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
TOO_SLOW = (
    b'{"type":"about:blank","title":"Request Timeout","status":408,'
    b'"detail":"The request did not arrive within 30 seconds."}'
)
TOO_LONG = (
    b'{"type":"about:blank","title":"Request Header Fields Too Large","status":431,'
    b'"detail":"The headers are larger than 32768 bytes."}'
)


class Connection(HttpToolsProtocol):
    """One connection; uvicorn makes it."""

    _begun = NEVER
    """When the request that is arriving began."""
    _paused = NEVER
    """Since when the client has read nothing of what waits for it."""
    _n_header_bytes = 0
    _ending = False
    """Whether the service ends, and this connection with its next answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it at once where there are too many."""
        super().connection_made(transport)
        self._begun = time.monotonic()
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the parser calls back what they complete."""
        if self._begun == NEVER:
            self._begun = time.monotonic()
        self._n_header_bytes += len(data)
        super().data_received(data)
        if self.parser is None or self.transport.is_closing():
            return
        if self._n_header_bytes > HEADER_BYTES and not self._in_body:
            self._refuse(b"431 Request Header Fields Too Large", TOO_LONG)

    _in_body = False

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_body = False

    def on_headers_complete(self) -> None:
        """Hand the request to the application, its body still on the way."""
        self._in_body = True
        super().on_headers_complete()
        if self._ending:
            self.cycle.keep_alive = False
        self.scope["cauce.answer"] = partial(self._answer, self.cycle)  # type: ignore[typeddict-unknown-key]

    def _answer(self, cycle: RequestResponseCycle, head: bytes, body: bytes) -> bool:
        """Send a whole answer with one write, its head made beforehand; False where it must go the common way.

        The common way checks and joins every header of every answer, and writes head and body apart.
        """
        if cycle.response_started or cycle.disconnected or self.flow.write_paused or not cycle.keep_alive:
            return False
        cycle.response_started = cycle.response_complete = True
        dates = [b"%b: %b\r\n" % pair for pair in self.server_state.default_headers]
        self.transport.write(b"".join((head, *dates, b"content-length: %d\r\n\r\n" % len(body), body)))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def on_message_complete(self) -> None:
        """End the request's arrival."""
        super().on_message_complete()
        self._begun, self._n_header_bytes, self._in_body = NEVER, 0, False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is worked on that its client went away."""
        super().connection_lost(exc)
        if self.cycle is not None and not self.cycle.response_complete:
            gone = self.cycle.scope.get("cauce.gone")
            if callable(gone):
                gone()

    def shutdown(self) -> None:
        """End the connection with its next answer: a client may have sent a request that is still on its way."""
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
            return
        self._ending = True
        self.loop.call_later(LINGER_S, self.transport.close)

    def pause_writing(self) -> None:
        """Note since when the client reads nothing."""
        super().pause_writing()
        self._paused = time.monotonic()

    def resume_writing(self) -> None:
        """Go on sending."""
        super().resume_writing()
        self._paused = NEVER

    def look(self, now: float) -> None:
        """End the connection where its client takes too long."""
        if now - self._paused > UNREAD_S:
            self.transport.abort()
        elif now - self._begun > ARRIVE_S and not self.transport.is_closing():
            self._refuse(b"408 Request Timeout", TOO_SLOW)

    def _refuse(self, status: bytes, body: bytes) -> None:
        if not self._in_body or self.cycle is None or not self.cycle.response_started:
            self.transport.write(HEAD % (status, len(body)) + body)
        self.transport.close()


async def look_after(connections: set[Any]) -> None:
    """Look at all connections once a second, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        now = time.monotonic()
        for connection in list(connections):
            if isinstance(connection, Connection):
                connection.look(now)
