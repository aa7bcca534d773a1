"""When requests share a call, and when one waits for the next: what calls cost and how requests come, measured.

Let a call for m requests with n rows take s(m, n) seconds, and let requests be g seconds apart, so that the service is
busy for a share u = s(1, r) / g of its time.

Sharing one call lets whoever would be first wait for the last, and gives back what fewer calls cost: to the m
themselves, and to those who come in the same busy time, some L = m·u / (1 - u). They share when the sum of all times is
not larger for it: (m + L)·s(m, n) <= (m·(m + 1) / 2 + m·L)·s(1, n / m).

Waiting for one more, of r rows, is worth it when the m + 1 end sooner in the mean: when g < s(m, n) and
m·(g + s(m + 1, n + r)) + s(m + 1, n + r) < m·s(m, n) + (s(m, n) - g) + s(1, r). So a request never waits longer than a
call alone takes, and one that comes after a pause waits not at all. Where costs are not known, requests share and
nobody waits.
"""

from __future__ import annotations

FORGET = 0.02
"""Weight of the newest call in the estimates."""
AGAIN = 256
"""So many calls that were not shared later, one is, to see whether it still costs as much."""
BUSIEST = 0.95


class Line:
    """Seconds of calls as a line over their rows, by least squares in which old calls fade.

    Examples
    --------
    >>> line = Line()
    >>> for n in (1, 5, 1, 5):
    ...     line.add(n, 0.010 + 0.001 * n)
    >>> round(line.at(11), 6)
    0.021
    """

    def __init__(self) -> None:
        self._weight = self._n = self._s = self._nn = self._ns = 0.0

    @property
    def known(self) -> bool:
        """Whether any call was seen."""
        return self._weight > 0.0

    def add(self, n_rows: int, seconds: float) -> None:
        """Take one call into it."""
        keep = 1 - FORGET
        self._weight = keep * self._weight + 1
        self._n, self._s = keep * self._n + n_rows, keep * self._s + seconds
        self._nn, self._ns = keep * self._nn + n_rows * n_rows, keep * self._ns + n_rows * seconds

    def at(self, n_rows: float) -> float:
        """Return what a call of `n_rows` takes, seconds; where all had as many rows, in proportion to them."""
        if not self._weight:
            return float("inf")
        n, s = self._n / self._weight, self._s / self._weight
        spread = self._nn / self._weight - n * n
        if spread < 1e-9 * n * n:
            return s / n * n_rows
        slope = min(max(0.0, (self._ns / self._weight - n * s) / spread), s / n)
        return s + slope * (n_rows - n)


class Pace:
    """The estimates of one release, and the two rules.

    Examples
    --------
    >>> pace = Pace()
    >>> for n in (1, 5, 1, 5):
    ...     pace.called(n, 0.010 + 0.001 * n)
    ...     pace.called(n, 0.010 + 0.001 * n, n_requests=2)
    >>> for moment in (0.0, 0.001, 0.002):
    ...     pace.arrived(1, moment)
    >>> pace.shares(2, 2), pace.wait(1, 1), pace.wait(6, 6)
    (True, 0.001, 0.0)
    """

    def __init__(self) -> None:
        self._alone, self._shared = Line(), Line()
        self._gap = self._rows = self._newest_gap = float("inf")
        self._last = float("-inf")
        self._n_apart = 0

    def called(self, n_rows: int, seconds: float, *, n_requests: int = 1) -> None:
        """Take one call into the estimates."""
        (self._alone if n_requests == 1 else self._shared).add(n_rows, seconds)

    def arrived(self, n_rows: int, now: float) -> None:
        """Take one request into the estimates; `now` in monotonic seconds."""
        self._newest_gap, self._last = now - self._last, now
        known = self._gap < float("inf")
        self._gap = 0.9 * self._gap + 0.1 * self._newest_gap if known else self._newest_gap
        self._rows = 0.9 * self._rows + 0.1 * n_rows if self._rows < float("inf") else float(n_rows)

    def expected(self, n_requests: int, n_rows: float) -> float:
        """Return how long a call takes, seconds; infinity where none was ever made."""
        line = self._alone if n_requests == 1 else self._shared
        return line.at(n_rows) if line.known else self._alone.at(n_rows)

    def shares(self, n_requests: int, n_rows: int) -> bool:
        """Return whether requests that are there together are better off in one call."""
        if not self._shared.known or not self._alone.known:
            return True
        alone, together = self._alone.at(n_rows / n_requests), self._shared.at(n_rows)
        busy = min(alone / self._gap, BUSIEST) if self._gap > 0 else BUSIEST
        later = n_requests * busy / (1 - busy)
        apart = n_requests * (n_requests + 1) / 2 + n_requests * later
        if (n_requests + later) * together <= apart * alone:
            return True
        self._n_apart += 1
        return self._n_apart % AGAIN == 0

    def wait(self, n_requests: int, n_rows: int) -> float:
        """Return how long to wait for one more request, in seconds: 0 where waiting does not pay."""
        gap = self._gap if n_requests > 1 else max(self._gap, self._newest_gap)
        now = self.expected(n_requests, n_rows)
        if not self._shared.known or not gap < now < float("inf"):
            return 0.0
        more = self.expected(n_requests + 1, n_rows + self._rows)
        at_once = n_requests * now + (now - gap) + self._alone.at(self._rows)
        return gap if n_requests * (gap + more) + more < at_once else 0.0
