"""A service that follows a script: one answer for each request, in order; and one made of plain sockets."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

URL = "http://127.0.0.1:8321"
TOKEN = "a-token-of-tests"
ANSWER = {
    "model": "dropout",
    "version": 3,
    "predictions": [{"id": "i1", "prediction": "yes", "probabilities": {"no": 0.25, "yes": 0.75}}],
}


def ok(content: object = ANSWER) -> httpx.Response:
    return httpx.Response(200, json=content)


def problem(status: int, detail: str = "Wait.", **headers: str) -> httpx.Response:
    content = {"type": "about:blank", "title": "x", "status": status, "detail": detail}
    return httpx.Response(status, content=json.dumps(content), headers=headers)


class Script(httpx.MockTransport):
    """Gives its answers in order, or raises them, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = iter(answers)

        def handle(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            answer = next(self._answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        super().__init__(handle)


def raw(content: object = ANSWER) -> bytes:
    """An answer as bytes of HTTP."""
    body = json.dumps(content).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def heard(connection: socket.socket) -> bytes:
    """Everything of one request."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(65536)
    head, _, body = found.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def sockets(*turns: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen; each connection that comes is handed to the next of `turns`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            for turn in turns:
                connection, _ = listener.accept()
                with connection:
                    turn(connection)

        thread = threading.Thread(target=work)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)
        assert not thread.is_alive(), "fewer connections came than were awaited"
