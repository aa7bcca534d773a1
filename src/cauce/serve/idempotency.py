"""`Idempotency-Key`: the same key and body get the same answer, computed once.

Kept in memory, so within one process and for a day; after a restart a repeated request is a new one.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cauce.serve.problem import Problem

LIFE_S = 24 * 3600.0
MOST = 10_000
MOST_BYTES = 64_000_000
LONGEST_KEY = 255
Key = tuple[str, str]
"""Route and key."""


@dataclass(eq=False)
class _Kept:
    digest: bytes
    answer: asyncio.Future[bytes]
    ends: float
    n_bytes: int = 0


class Answers:
    """Answers by key; used from the event loop alone.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._n_bytes = 0

    async def once(self, route: str, key: str | None, body: bytes, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return what `make` gives, or gave for this key.

        Raises
        ------
        Problem
            400 for a key that is too long, 422 for one that came with another body.
        """
        if key is None:
            return await make()
        if not 0 < len(key) <= LONGEST_KEY:
            raise Problem(400, f"Idempotency-Key must have 1 to {LONGEST_KEY} characters.")
        self._forget()
        digest = hashlib.sha256(body).digest()
        kept = self._kept.get((route, key))
        if kept is None:
            kept = self._begin((route, key), digest, make)
        if kept.digest != digest:
            raise Problem(422, "This Idempotency-Key came with another body. Take a new key for a new request.")
        return await asyncio.shield(kept.answer)

    def _begin(self, key: Key, digest: bytes, make: Callable[[], Awaitable[bytes]]) -> _Kept:
        """Begin to make an answer in a task of its own: a client that goes away takes it from nobody who waits."""
        task = asyncio.ensure_future(make())
        kept = self._kept[key] = _Kept(digest, task, self._clock() + LIFE_S)

        def done(made: asyncio.Future[bytes]) -> None:
            if made.cancelled() or made.exception() is not None:
                # Not kept: a client that repeats a failed request gets a new try.
                del self._kept[key]
            else:
                kept.n_bytes = len(made.result())
                self._n_bytes += kept.n_bytes

        task.add_done_callback(done)
        return kept

    def _forget(self) -> None:
        now = self._clock()
        for key, kept in list(self._kept.items()):
            if kept.ends > now and len(self._kept) < MOST and self._n_bytes < MOST_BYTES:
                break
            if kept.answer.done():
                del self._kept[key]
                self._n_bytes -= kept.n_bytes
