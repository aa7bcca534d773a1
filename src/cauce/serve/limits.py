"""How often a token may ask, and an address may be wrong, counted by all workers together without a lock.

A bucket is one float: the moment at which it will be full again (the generic cell rate algorithm, ITU-T I.371, which
is a token bucket kept as a time). All lie in a block of memory made before the workers are forked. A worker that is
held up between reading a bucket and writing it gives back what the others took meanwhile, a burst at most. Four workers
on two cores let none too many through at 50 µs a request, and 2 to 14 % too many in a loop that does nothing else. A
lock would be exact, but a worker that is killed while it holds one would stop all others for good.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import mmap
import secrets
import time
from collections.abc import Callable

from cauce.serve.tokens import Token

BURST_S = 2.0
"""A burst is what so many seconds allow."""
TOKENS = 1_024
ADDRESSES = 4_096
"""Addresses share these places by a keyed hash: two in one place share their wrong tries, and nothing else."""
FAILURES_PER_SECOND = 1.0
FAILURES_BURST = 20.0
NOTES_PER_SECOND = 0.1
"""Failed sign-ins written into the log, over all addresses: an attack fills no disk."""


class Limits:
    """The buckets of one service. Make it before the workers are forked.

    Parameters
    ----------
    clock
        Monotonic seconds, the same in all processes of the machine.

    Examples
    --------
    >>> limits = Limits(clock=lambda: 100.0)
    >>> ana = Token("ana", frozenset(["predict"]), requests_per_second=1.0, slot=1)
    >>> limits.wait(ana), limits.wait(ana), limits.wait(ana)
    (0.0, 0.0, 1.0)
    """

    def __init__(self, *, per_second: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._full_at = memoryview(mmap.mmap(-1, 8 * (TOKENS + ADDRESSES + 1))).cast("d")
        self._key = secrets.token_bytes(16)

    def wait(self, token: Token) -> float:
        """Take one request from a token's bucket; return 0, or the seconds until one may be taken."""
        rate = token.requests_per_second or self._per_second
        return 0.0 if rate is None else self._take(token.slot, rate, max(1.0, BURST_S * rate))

    def wrong(self, address: str) -> float:
        """Count a wrong token, code or sign-in of an address; return 0, or the seconds until another is looked at."""
        return self._take(TOKENS + self._place(address), FAILURES_PER_SECOND, FAILURES_BURST)

    def may_note(self) -> bool:
        """Return whether another failed sign-in may be written into the log."""
        return self._take(TOKENS + ADDRESSES, NOTES_PER_SECOND, FAILURES_BURST) == 0.0

    def _take(self, slot: int, rate: float, burst: float) -> float:
        cells = self._full_at
        while True:
            now, found = self._clock(), cells[slot]
            full_at = found if found > now else now
            wait = full_at - now - (burst - 1.0) / rate
            if wait > 1e-9:
                return wait
            full_at += 1.0 / rate
            if cells[slot] == found:  # else another worker was here, or this one was held up
                cells[slot] = full_at
                return 0.0

    def _place(self, address: str) -> int:
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            network = address.encode()
        else:
            # A host has a whole /64 of IPv6 addresses to be wrong from.
            network = found.packed if found.version == 4 else found.packed[:8]
        digest = hashlib.blake2b(network, key=self._key, digest_size=8).digest()
        return int.from_bytes(digest, "little") % ADDRESSES


def retry_after(wait_s: float) -> str:
    """Return the header Retry-After for a wait: whole seconds, at least one.

    Examples
    --------
    >>> retry_after(0.02), retry_after(1.2)
    ('1', '2')
    """
    return str(max(1, math.ceil(wait_s)))
