"""Load that does not wait for the server: requests leave at Poisson times, and latency counts from those times.

A closed loop asks the next question when it has the last answer, so a server that stalls is asked less and looks well
(coordinated omission). Here the times are drawn before the run. One thread spins on epoll, so the clock is exact to
microseconds; it takes a core of its own. A request whose time has come and for which no connection is free opens one,
up to `connections`; beyond, it waits here and its latency grows.

    python -m benchmarks.serve.openloop --port 8321 --path / --bodies FILE --rate 500 --seconds 5
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

GRACE_S = 10.0
"""How long answers are awaited after the last request has left."""


@dataclass(eq=False)
class Connection:
    """A kept-alive connection that carries one request at a time."""

    handle: socket.socket
    waiting: bytearray = field(default_factory=bytearray)
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    asked: int = -1
    """Number of the request under way."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of every request."""

    planned_s: npt.NDArray[np.float64]
    """When each was to leave, from the begin."""
    latency_s: npt.NDArray[np.float64]
    """From its time to its whole answer, shape (n_requests,); NaN where none came."""
    status: npt.NDArray[np.int64]
    """0 where none came."""
    late_s: npt.NDArray[np.float64]
    """How much after its time it left."""
    free: npt.NDArray[np.bool_]
    """Whether a connection was free at its time: what was late then was the generator's own doing."""
    seconds: float
    connections: int

    def figures(self, drop_s: float = 0.0) -> dict[str, Any]:
        """Return the figures of those that left after the first `drop_s` seconds; failures have no latency."""
        kept = self.planned_s >= drop_s
        good = kept & (self.status >= 200) & (self.status < 300)
        latency = self.latency_s[good] * 1e3
        p50, p90, p99 = np.percentile(latency, [50, 90, 99]) if good.any() else (np.nan,) * 3
        own = self.late_s[kept & self.free] * 1e3
        return {
            "requests": int(kept.sum()),
            "good": int(good.sum()),
            "mean_ms": float(latency.mean()) if good.any() else None,
            "p50_ms": float(p50),
            "p90_ms": float(p90),
            "p99_ms": float(p99),
            "p99_over_median": float(p99 / p50),
            "connections": self.connections,
            "statuses": {str(k): v for k, v in sorted(Counter(self.status[kept].tolist()).items())},
            "generator_late_p99_ms": float(np.percentile(own, 99)) if len(own) else 0.0,
        }


def arrivals(rate: float, seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return Poisson times in seconds from the begin."""
    gaps = rng.exponential(1 / rate, int(rate * seconds * 1.2) + 50)
    times: npt.NDArray[np.float64] = np.cumsum(gaps)
    return times[times < seconds]


class Generator:
    """Sends prepared requests at given times to one port of loopback.

    Parameters
    ----------
    requests
        Whole HTTP/1.1 requests, taken in turn.
    connections
        The most that are open at once.
    """

    def __init__(self, port: int, requests: list[bytes], *, connections: int = 512) -> None:
        self._port, self._requests, self._most = port, requests, connections
        self._poll = select.epoll()
        self._open: dict[int, Connection] = {}
        self._idle: list[Connection] = []

    def warm(self, n_connections: int) -> None:
        """Open connections before the clock runs."""
        for _ in range(n_connections):
            self._idle.append(self._connect())

    def run(self, times: npt.NDArray[np.float64]) -> Outcome:
        """Send every request at its time, wait for the answers, and close."""
        n = len(times)
        latency, late = np.full(n, np.nan), np.zeros(n)
        status, free = np.zeros(n, np.int64), np.zeros(n, bool)
        due: deque[int] = deque()
        planned, at, done = times.tolist(), 0, 0
        begun = time.perf_counter()
        end = planned[-1] + GRACE_S if n else 0.0
        while done < n:
            now = time.perf_counter() - begun
            if now > end:
                break
            while at < n and planned[at] <= now:
                free[at] = not due and bool(self._idle)
                due.append(at)
                at += 1
            while due:
                connection = self._take()
                if connection is None:
                    break
                number = due.popleft()
                late[number] = time.perf_counter() - begun - planned[number]
                self._send(connection, number)
            for handle, event in self._poll.poll(0):
                connection = self._open.get(handle)
                if connection is None:
                    continue
                answered = self._event(connection, event)
                if answered is not None:
                    number, code = answered
                    if number >= 0:
                        latency[number] = time.perf_counter() - begun - planned[number]
                        status[number] = code
                        done += 1
        outcome = Outcome(times, latency, status, late, free, time.perf_counter() - begun, len(self._open))
        self.close()
        return outcome

    def close(self) -> None:
        """Close what is open."""
        for connection in self._open.values():
            connection.handle.close()
        self._open.clear()
        self._idle.clear()

    def _connect(self) -> Connection:
        handle = socket.create_connection(("127.0.0.1", self._port), timeout=5.0)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handle.setblocking(False)
        connection = Connection(handle)
        self._open[handle.fileno()] = connection
        self._poll.register(handle, select.EPOLLIN)
        return connection

    def _take(self) -> Connection | None:
        if self._idle:
            return self._idle.pop()
        if len(self._open) >= self._most:
            return None
        try:
            return self._connect()
        except OSError:
            return None

    def _send(self, connection: Connection, number: int) -> None:
        connection.asked = number
        content = self._requests[number % len(self._requests)]
        try:
            sent = connection.handle.send(content)
        except OSError:
            sent = 0
        if sent < len(content):
            connection.unsent = memoryview(content)[sent:]
            self._poll.modify(connection.handle, select.EPOLLIN | select.EPOLLOUT)

    def _event(self, connection: Connection, event: int) -> tuple[int, int] | None:
        """Go on with a connection; the number and status of a request that ended, status 0 where it failed."""
        try:
            if event & select.EPOLLOUT and connection.unsent:
                connection.unsent = connection.unsent[connection.handle.send(connection.unsent) :]
                if not connection.unsent:
                    self._poll.modify(connection.handle, select.EPOLLIN)
            if not event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                return None
            received = connection.handle.recv(262_144)
        except BlockingIOError:
            return None
        except OSError:
            received = b""
        if not received:
            return self._drop(connection)
        connection.waiting += received
        code = _complete(connection.waiting)
        if code is None:
            return None
        number, connection.asked = connection.asked, -1
        closing = b"connection: close" in connection.waiting[:400].lower()
        connection.waiting.clear()
        if closing:
            self._drop(connection)
        else:
            self._idle.append(connection)
        return number, code

    def _drop(self, connection: Connection) -> tuple[int, int]:
        self._open.pop(connection.handle.fileno(), None)
        self._poll.unregister(connection.handle)
        connection.handle.close()
        if connection in self._idle:
            self._idle.remove(connection)
        number, connection.asked = connection.asked, -1
        return number, 0


def _complete(waiting: bytearray) -> int | None:
    """Return the status of a whole answer, None while it is not whole."""
    end = waiting.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(waiting[:end]).lower()
    at = head.find(b"content-length:")
    if at >= 0:
        size = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(waiting) < end + 4 + size:
            return None
    elif b"chunked" in head and not waiting.endswith(b"0\r\n\r\n"):
        return None
    return int(head[9:12])


def prepared(path: str, port: int, bodies: list[bytes], token: str = "") -> list[bytes]:
    """Return whole requests for the bodies."""
    allowed = f"authorization: Bearer {token}\r\n" if token else ""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{allowed}content-type: application/json\r\n"
    return [f"{head}content-length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


def main() -> None:
    """Run once and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--bodies", type=Path, required=True)
    parser.add_argument("--token", default="")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--drop", type=float, default=0.0, help="first seconds that are not counted")
    parser.add_argument("--connections", type=int, default=512)
    parser.add_argument("--warm", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    bodies = given.bodies.read_bytes().splitlines()
    generator = Generator(
        given.port, prepared(given.path, given.port, bodies, given.token), connections=given.connections
    )
    generator.warm(given.warm)
    outcome = generator.run(arrivals(given.rate, given.seconds, np.random.default_rng(given.seed)))
    told = outcome.figures(given.drop) | {"rate": given.rate, "seconds": given.seconds}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
