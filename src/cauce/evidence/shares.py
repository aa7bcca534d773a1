"""How sure a share is, and the difference of two: score intervals, right also near 0 and 1 and for few rows."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.evidence.spread import clustered, plain

MOST_ROWS = 10**9


class Interval(NamedTuple):
    """A figure with its two-sided interval."""

    value: float
    lower: float
    upper: float

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.upper - self.lower) / 2


def wilson(hits: float, n: float, *, confidence: float = 0.95, comparisons: int = 1) -> Interval:
    """Return a share and its score interval (Wilson 1927); from no row nothing is known: 0 to 1.

    Parameters
    ----------
    hits, n
        How many of how many; fractions where rows weigh less than one, as in `effective`.
    confidence
        Of the two-sided interval.
    comparisons
        How many intervals are read together: all of them hold at once with `confidence` (Bonferroni).

    Examples
    --------
    >>> found = wilson(8, 10)
    >>> round(found.value, 2), round(found.lower, 3), round(found.upper, 3)
    (0.8, 0.49, 0.943)
    """
    if n <= 0:
        return Interval(0.5, 0.0, 1.0)
    z, p = quantile(confidence, comparisons), hits / n
    shrink = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    lower = 0.0 if hits <= 0 else max(0.0, middle - half)
    upper = 1.0 if hits >= n else min(1.0, middle + half)
    return Interval(p, min(lower, p), max(upper, p))


def difference(one: Interval, other: Interval) -> Interval:
    """Return `one` minus `other`, of two independent samples; for shares this is Newcombe's hybrid score interval.

    Newcombe (1998, Statistics in Medicine 17, 873–890), method 10: the squared distances of each share to the end of
    its own interval add up. Zou and Donner (2008, Statistics in Medicine 27, 1693–1702) show the same for any figure
    with an interval of its own, as a mean. Both intervals must be of the confidence that the difference is to have.

    Examples
    --------
    >>> found = difference(wilson(56, 70), wilson(48, 80))
    >>> [round(part, 4) for part in found]
    [0.2, 0.0524, 0.3339]
    """
    gap = one.value - other.value
    below = math.hypot(one.value - one.lower, other.upper - other.value)
    above = math.hypot(one.upper - one.value, other.value - other.lower)
    return Interval(gap, gap - below, gap + above)


def rows_needed(half: float, *, confidence: float = 0.95, comparisons: int = 1) -> int:
    """Return the fewest rows whose share, whatever it is, is known to ± `half`.

    The widest interval is that of a share of one half; there Wilson's half width is ``z / (2 √(n + z²))``.

    Examples
    --------
    >>> rows_needed(0.1), rows_needed(0.05), rows_needed(0.01)
    (93, 381, 9600)
    """
    if not 0 < half < 0.5:
        raise ValueError(f"half is {half}: it lies between 0 and 0.5")
    z = quantile(confidence, comparisons)
    return min(MOST_ROWS, max(2, math.ceil((z / (2 * half)) ** 2 - z**2)))


def effective(values: npt.NDArray[np.float64], groups: npt.NDArray[Any] | None) -> float:
    """Return how many independent rows tell as much of their mean as these do, where rows of a group are alike.

    The rows divided by the design effect (Kish 1965), never more than there are.

    Examples
    --------
    >>> rows = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    >>> effective(rows, None), round(effective(rows, np.arange(12) // 3), 1)
    (12.0, 3.3)
    """
    n = float(len(values))
    if groups is None or n < 2:
        return n
    unit, grouped = plain(values), clustered(values, groups)
    if not grouped.df:
        return 1.0
    if unit.variance <= 0:
        return float(grouped.n_clusters)
    return n / max(1.0, grouped.variance / unit.variance)


def quantile(confidence: float, comparisons: int = 1) -> float:
    """Return the normal quantile of a two-sided interval, of which `comparisons` are to hold at once."""
    from scipy.special import ndtri

    return -float(ndtri((1.0 - confidence) / comparisons / 2.0))
