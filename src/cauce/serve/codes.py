"""One-time codes and console sessions: known by their hash alone, in memory or where several workers find them."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Literal, Protocol

CODE_S = 600.0
SESSION_S = 12 * 3600.0
MOST = 1_000


class Store(Protocol):
    """Where hashes live until they end. Called from any thread; a store of several processes is called from all."""

    def put(self, key: bytes, expires: float) -> None:
        """Keep `key`, 32 bytes, until `expires`, seconds since the epoch."""

    def pop(self, key: bytes) -> bool:
        """Take `key` away; whether it was there and had not ended. Of several callers at once, one is told True."""

    def alive(self, key: bytes) -> bool:
        """Return whether `key` is there and has not ended."""


class Memory:
    """A store of one process; beyond 1,000 the oldest are forgotten.

    Parameters
    ----------
    clock
        Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._ends: dict[bytes, float] = {}
        self._lock = threading.Lock()

    def put(self, key: bytes, expires: float) -> None:
        """Keep a key."""
        with self._lock:
            self._forget_old()
            self._ends[key] = expires

    def pop(self, key: bytes) -> bool:
        """Take a key away."""
        with self._lock:
            self._forget_old()
            return self._ends.pop(key, None) is not None

    def alive(self, key: bytes) -> bool:
        """Return whether a key is there."""
        with self._lock:
            self._forget_old()
            return key in self._ends

    def _forget_old(self) -> None:
        now = self._clock()
        alive = [(key, end) for key, end in self._ends.items() if end > now]
        self._ends = dict(alive[-(MOST - 1) :])


class Codes:
    """Secrets that live for a while.

    Parameters
    ----------
    kind
        Goes into the hash: in one store a session is never taken for a code.
    life_s
        Seconds until one ends; 10 minutes for a code, 12 hours for a session when None.
    store
        Where their hashes live; the memory of this process when None.
    clock
        Seconds since the epoch: processes and restarts share it.

    Examples
    --------
    >>> codes = Codes()
    >>> code = codes.make()
    >>> codes.redeem(code), codes.redeem(code)
    (True, False)
    """

    def __init__(
        self,
        kind: Literal["code", "session"] = "code",
        *,
        life_s: float | None = None,
        store: Store | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kind, self._clock = kind.encode(), clock
        self.life_s = life_s if life_s is not None else SESSION_S if kind == "session" else CODE_S
        self._store = store if store is not None else Memory(clock)

    def make(self, suffix: str = "") -> str:
        """Return a new one; `suffix` is part of it, and cannot be exchanged for another."""
        made = secrets.token_urlsafe(32) + suffix
        self._store.put(self._hash(made), self._clock() + self.life_s)
        return made

    def redeem(self, code: str) -> bool:
        """Return whether `code` is alive, and end it."""
        return self._store.pop(self._hash(code))

    def alive(self, code: str) -> bool:
        """Return whether `code` is alive."""
        return self._store.alive(self._hash(code))

    def _hash(self, code: str) -> bytes:
        # Looking a hash up tells nothing about the code by its timing.
        return hashlib.sha256(self._kind + b"\0" + code.encode("utf-8", "replace")).digest()
