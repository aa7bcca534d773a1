"""One-time codes and console sessions: kept in memory, gone when the service ends."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable

CODE_S = 600.0
SESSION_S = 12 * 3600.0
MOST = 1_000


class Codes:
    """Secrets that live for a while, known by their hash alone.

    Parameters
    ----------
    life_s
        Seconds until one expires.
    clock
        Monotonic seconds.

    Examples
    --------
    >>> codes = Codes()
    >>> code = codes.make()
    >>> codes.redeem(code), codes.redeem(code)
    (True, False)
    """

    def __init__(self, *, life_s: float = CODE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._life_s, self._clock = life_s, clock
        self._ends: dict[bytes, float] = {}
        self._lock = threading.Lock()

    def make(self) -> str:
        """Return a new one."""
        made = secrets.token_urlsafe(32)
        with self._lock:
            self._forget_old()
            self._ends[_hash(made)] = self._clock() + self._life_s
        return made

    def redeem(self, code: str) -> bool:
        """Return whether `code` is alive, and end it."""
        with self._lock:
            self._forget_old()
            return self._ends.pop(_hash(code), None) is not None

    def alive(self, code: str) -> bool:
        """Return whether `code` is alive."""
        with self._lock:
            self._forget_old()
            return _hash(code) in self._ends

    def _forget_old(self) -> None:
        now = self._clock()
        alive = [(key, end) for key, end in self._ends.items() if end > now]
        self._ends = dict(alive[-(MOST - 1) :])


def _hash(code: str) -> bytes:
    # Looking a hash up tells nothing about the code by its timing.
    return hashlib.sha256(code.encode("utf-8", "replace")).digest()
