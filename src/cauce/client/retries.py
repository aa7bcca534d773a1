"""When a request is sent again, and after how long: exponential backoff with full jitter, never past the deadline.

A repeated POST carries the Idempotency-Key of the first, so the service computes it once. Full jitter is from Brooker,
Exponential Backoff And Jitter (AWS Architecture Blog, 2015); what the service asks for in Retry-After comes on top.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cauce.client.replies import Broken, Reply, retry_after

AGAIN = frozenset({429, 502, 503, 504})
"""Statuses that may pass by themselves. 507 does not: somebody has to free the disk."""


@dataclass(frozen=True)
class Retries:
    """How often, and how patiently.

    Parameters
    ----------
    tries
        Sendings in all; 1 never repeats.
    first_s
        Longest pause before the second one, in seconds; it doubles with each.
    most_s
        Longest pause of all.
    clock
        Monotonic seconds.
    chance
        A number from 0 to 1, evenly.
    """

    tries: int = 5
    first_s: float = 0.1
    most_s: float = 5.0
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    chance: Callable[[], float] = field(default=random.SystemRandom().random, repr=False)

    def pause(self, tries: int, outcome: Reply | Broken) -> float | None:
        """Return the seconds to wait after the `tries`-th sending, or None where it was the last.

        Examples
        --------
        >>> rules = Retries(chance=lambda: 1.0)
        >>> [rules.pause(n, Broken("refused")) for n in (1, 2, 3, 4, 5)]
        [0.1, 0.2, 0.4, 0.8, None]
        >>> rules.pause(1, Reply(503, {"retry-after": "10"}, b"")), rules.pause(1, Reply(422, {}, b""))
        (10.1, None)
        """
        lasting = outcome.final if isinstance(outcome, Broken) else outcome.status not in AGAIN
        if lasting or tries >= self.tries:
            return None
        asked = retry_after(outcome.headers, now=datetime.now(UTC)) if isinstance(outcome, Reply) else None
        return (asked or 0.0) + self.chance() * min(self.most_s, self.first_s * 2.0 ** (tries - 1))
