"""`Idempotency-Key`: the same key and body get the same answer, computed once, by whichever worker is asked.

Answers are kept for a day and over restarts, in the file that workers share. Within one worker, those who ask while the
first is under way wait for it; for an answer that another worker is making they look again and again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from starlette.types import Scope

from cauce.serve.problem import Problem
from cauce.serve.shared import Shared

LONGEST_KEY = 255
LOOK_S = 0.02
Key = tuple[str, str]
"""Route and key."""


class Answers:
    """Answers by route, holder and key; used from the event loop alone.

    Parameters
    ----------
    shared
        Where they are kept.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._under_way: dict[Key, tuple[bytes, asyncio.Future[bytes]]] = {}

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
        digest = hashlib.sha256(body).digest()
        while True:
            here = self._under_way.get((route, key))
            if here is not None:
                if here[0] != digest:
                    raise _another_body()
                return await asyncio.shield(here[1])
            claim = self._shared.claim(route, key, digest)
            if isinstance(claim, bytes):
                return claim
            if claim == "another body":
                raise _another_body()
            if claim == "mine":
                return await asyncio.shield(self._begin((route, key), digest, make))
            await asyncio.sleep(LOOK_S)

    def _begin(self, key: Key, digest: bytes, make: Callable[[], Awaitable[bytes]]) -> asyncio.Future[bytes]:
        """Begin to make an answer in a task of its own: a client that goes away takes it from nobody who waits."""
        task = asyncio.ensure_future(make())
        self._under_way[key] = (digest, task)

        def done(made: asyncio.Future[bytes]) -> None:
            del self._under_way[key]
            if made.cancelled() or made.exception() is not None:
                # Not kept: a client that repeats a failed request gets a new try.
                self._shared.drop(*key)
            else:
                self._shared.keep(*key, made.result())

        task.add_done_callback(done)
        return task


def holder(scope: Scope) -> str:
    """Return the name of the token that a request came with: keys of one holder mean nothing to another."""
    token = scope.get("cauce.token")
    return token.name if token is not None else ""


def _another_body() -> Problem:
    return Problem(422, "This Idempotency-Key came with another body. Take a new key for a new request.")
