"""Streaming detectors: a mean that changes, found value by value, with little memory.

They answer a question that a window does not: *when* a stream changed. `last_rise` asks it of losses, in the order in
which truths came. Both are river's algorithms, value by value (`tests/watch/test_streams.py`); neither
promises a rate of false alarms that holds for ever, so neither alarms alone: `alarms.py` does that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

SAME_RISE = 32
"""Values within which another cut of ADWIN's belongs to the rise before it."""


@dataclass
class PageHinkley:
    """Page's test (1954) with Hinkley's estimate (1971) of a stream's mean: finds that the mean moved.

    Parameters
    ----------
    fewest
        Values before anything is said.
    delta
        Change per value that does not matter.
    limit
        Sum of deviations from which it speaks.
    alpha
        What is kept of the sums with every value; 1 forgets nothing.
    mode
        Whether a rise, a fall, or either is looked for.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> detector = PageHinkley(limit=50.0)
    >>> values = [*rng.normal(0, 1, 500), *rng.normal(2, 1, 500)]
    >>> next(i for i, value in enumerate(values) if detector.update(value))
    508
    """

    fewest: int = 30
    delta: float = 0.005
    limit: float = 50.0
    alpha: float = 1 - 0.0001
    mode: Literal["up", "down", "both"] = "both"
    n: int = field(default=0, init=False)
    _mean: float = field(default=0.0, init=False)
    _up: float = field(default=0.0, init=False)
    _down: float = field(default=0.0, init=False)
    _least: float = field(default=float("inf"), init=False)
    _most: float = field(default=float("-inf"), init=False)

    def update(self, value: float) -> bool:
        """Take a value; True where the mean is found to have moved, after which it begins anew."""
        self.n += 1
        self._mean += (value - self._mean) / self.n
        self._up = self.alpha * self._up + (value - self._mean - self.delta)
        self._down = self.alpha * self._down + (value - self._mean + self.delta)
        self._least, self._most = min(self._least, self._up), max(self._most, self._down)
        if self.n < self.fewest:
            return False
        rose = self.mode != "down" and self._up - self._least > self.limit
        fell = self.mode != "up" and self._most - self._down > self.limit
        if rose or fell:
            self.n, self._mean, self._up, self._down = 0, 0.0, 0.0, 0.0
            self._least, self._most = float("inf"), float("-inf")
        return rose or fell


@dataclass
class _Bucket:
    total: float
    variance: float
    """Sum of squared deviations."""


class Adwin:
    """ADWIN (Bifet and Gavaldà 2007): a window that grows while a stream's mean stays and is cut where it changed.

    Values are kept in buckets of 1, 2, 4 … of them, five of each size at most: memory and time grow with the logarithm
    of the window. Whenever two parts of the window differ by more than chance allows with probability `delta`, the
    oldest are dropped.

    Parameters
    ----------
    delta
        Chance of a false cut, in one look at a window.
    every
        Values between two looks for a cut.
    buckets
        Of one size, at most.
    fewest
        Values in either part before a cut.
    grace
        Values before the first look.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> window = Adwin()
    >>> values = [*rng.normal(0, 1, 500), *rng.normal(2, 1, 500)]
    >>> next(i for i, value in enumerate(values) if window.update(value)), window.n < 500
    (543, True)
    """

    def __init__(
        self, delta: float = 0.002, *, every: int = 32, buckets: int = 5, fewest: int = 5, grace: int = 10
    ) -> None:
        self._delta, self._every, self._buckets, self._fewest, self._grace = delta, every, buckets, fewest, grace
        self._rows: list[list[_Bucket]] = [[]]
        self._tick = 0
        self.n = 0
        """Values in the window."""
        self.total = 0.0
        self._variance = 0.0

    @property
    def mean(self) -> float:
        """The window's mean; 0 without values."""
        return self.total / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        """The window's variance; 0 without values."""
        return self._variance / self.n if self.n else 0.0

    def update(self, value: float) -> bool:
        """Take a value; True where the window was cut."""
        self._insert(value)
        self._tick += 1
        if self._tick % self._every or self.n <= self._grace:
            return False
        found = False
        while self._cut_once():
            found = True
        return found

    def _insert(self, value: float) -> None:
        if self.n:
            deviation = value - self.total / self.n
            self._variance += self.n * deviation * deviation / (self.n + 1)
        self.n += 1
        self.total += value
        self._rows[0].append(_Bucket(value, 0.0))
        for level, row in enumerate(self._rows):
            if len(row) <= self._buckets:
                return
            size = 1 << level
            one, other = row.pop(0), row.pop(0)
            gap = one.total / size - other.total / size
            joined = _Bucket(one.total + other.total, one.variance + other.variance + size * gap * gap / 2)
            if level + 1 == len(self._rows):
                self._rows.append([])
            self._rows[level + 1].append(joined)

    def _cut_once(self) -> bool:
        """Drop the oldest bucket if some cut of the window is beyond chance; whether it was."""
        from math import log

        if self.n <= self._grace:
            return False
        n_old, total_old = 0, 0.0
        n_new, total_new = self.n, self.total
        chance = log(2 * log(self.n) / self._delta)
        for level in range(len(self._rows) - 1, -1, -1):
            size, row = 1 << level, self._rows[level]
            for place, bucket in enumerate(row):
                if level == 0 and place == len(row) - 1:
                    return False
                n_old, total_old = n_old + size, total_old + bucket.total
                n_new, total_new = n_new - size, total_new - bucket.total
                if n_new < self._fewest or n_old < self._fewest:
                    continue
                if abs(total_old / n_old - total_new / n_new) > self._bound(n_old, n_new, chance):
                    self._drop()
                    return True
        return False

    def _bound(self, n_old: int, n_new: int, chance: float) -> float:
        weight = 1.0 / (n_old - self._fewest + 1) + 1.0 / (n_new - self._fewest + 1)
        return float((2 * weight * self.variance * chance) ** 0.5 + 2 / 3 * chance * weight)

    def _drop(self) -> None:
        level = max(place for place, row in enumerate(self._rows) if row)
        size, oldest = 1 << level, self._rows[level].pop(0)
        self.n -= size
        self.total -= oldest.total
        gap = oldest.total / size - self.mean
        self._variance -= oldest.variance + size * self.n * gap * gap / (self.n + size)
        while len(self._rows) > 1 and not self._rows[-1]:
            self._rows.pop()


def changes(values: Iterable[float], detector: PageHinkley | Adwin) -> list[int]:
    """Return the places at which a detector speaks.

    Examples
    --------
    >>> changes([0.0] * 200 + [1.0] * 200, PageHinkley(limit=5.0, fewest=30))
    [205]
    """
    return [place for place, value in enumerate(values) if detector.update(value)]


@dataclass(frozen=True)
class Rise:
    """A rise of a stream's mean."""

    found: int
    """The value at which it was found, from 0."""
    begun: int
    """The first value that counts as risen: the oldest one that the window still held when the rise was found."""


def last_rise(losses: Iterable[float], *, delta: float = 0.002) -> Rise | None:
    """Return the last rise that ADWIN finds in losses in their order, or None: where they fell since, none.

    Parameters
    ----------
    losses
        In a unit in which few are beyond 1.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> rise = last_rise([*rng.exponential(0.1, 600), *rng.exponential(0.4, 400)])
    >>> rise is not None and 600 < rise.found < 900 and abs(rise.begun - 600) < 50
    True
    """
    window, rise, settled = Adwin(delta), None, 0.0
    for place, value in enumerate(losses):
        mean = window.mean
        if not window.update(float(value)):
            continue
        if rise is None or place - rise.found > SAME_RISE:
            settled = mean
        if window.mean > settled:
            rise = Rise(place, place + 1 - window.n)
    return rise if rise is not None and window.mean > settled else None
