"""Figures that compare two vectors of bin counts: effect sizes, a two-sample test, the correction for many columns.

Both vectors count the same bins. They are samples of different sizes: the reference is large, a window is small, and
neither is the truth. Nothing here knows columns, words or thresholds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PRIOR = 0.5
"""Added to every bin (Jeffreys), so that an empty bin costs little in a small window and no logarithm is infinite."""

FEWEST_EXPECTED = 5.0
"""Expected count in the smaller sample below which bins are tested together (Cochran's rule)."""


class TwoSample(NamedTuple):
    """A two-sample chi-square test."""

    statistic: float
    degrees: int
    p_value: float


def psi(reference: Counts, current: Counts) -> float:
    """Return the population stability index, smoothed and freed from what chance alone adds.

    The index is ``sum((q - p) * log(q / p))`` over bins that either sample uses, with `PRIOR` added to each count. Two
    samples of one population of sizes n and m have an expected index of about ``(k - 1) * (1/n + 1/m)`` over k bins;
    that is subtracted, and what falls below zero is zero. So the figure means the same in a small window and in a
    large one.

    Examples
    --------
    >>> before, now = np.array([500, 300, 200]), np.array([20, 30, 50])
    >>> round(psi(before, now), 2)
    0.52
    >>> psi(before, before // 10)
    0.0
    """
    return max(0.0, plain_psi(reference, current) - expected_psi(reference, current))


def plain_psi(reference: Counts, current: Counts) -> float:
    """Return the smoothed index with chance left in."""
    p, q = _smoothed(reference, current)
    return float(np.sum((q - p) * np.log(q / p)))


def textbook_psi(reference: Counts, current: Counts) -> float:
    """Return the index of the textbooks, ``sum((q - p) * log(q / p))`` of bare shares: infinite where a bin is empty.

    Equal to ``scipy.special.rel_entr(q, p).sum() + scipy.special.rel_entr(p, q).sum()``. Nothing here decides by it:
    one empty bin of a small window would be the strongest drift of all.

    Examples
    --------
    >>> round(textbook_psi(np.array([50, 50]), np.array([60, 40])), 4)
    0.0405
    >>> textbook_psi(np.array([50, 50]), np.array([9, 0]))
    inf
    """
    used = (reference + current) > 0
    p, q = reference[used] / reference.sum(), current[used] / current.sum()
    if not (p.all() and q.all()):
        return float("inf")
    return float(np.sum((q - p) * np.log(q / p)))


def expected_psi(reference: Counts, current: Counts) -> float:
    """Return the index that two samples of these sizes have by chance."""
    n, m, used = reference.sum(), current.sum(), int(np.count_nonzero(reference + current))
    return float((used - 1) * (1 / n + 1 / m)) if n and m and used else 0.0


def _smoothed(reference: Counts, current: Counts) -> tuple[Floats, Floats]:
    used = (reference + current) > 0
    p, q = reference[used] + PRIOR, current[used] + PRIOR
    return p / p.sum(), q / q.sum()


def jensen_shannon(reference: Counts, current: Counts) -> float:
    """Return the Jensen-Shannon distance in bits: 0 for equal shares, 1 for shares that never meet.

    As ``scipy.spatial.distance.jensenshannon(p, q, base=2)``; 0 where a sample is empty.

    Examples
    --------
    >>> jensen_shannon(np.array([5, 0]), np.array([0, 9]))
    1.0
    """
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0:
        return 0.0
    p, q = reference / n, current / m
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return float(np.sqrt(max(0.0, divergence)))


def _relative_entropy(p: Floats, q: Floats) -> float:
    seen = p > 0
    return float(np.sum(p[seen] * np.log2(p[seen] / q[seen])))


def two_sample(reference: Counts, current: Counts) -> TwoSample:
    """Test whether both samples come from one population; both may be small.

    Pearson's chi-square on the 2 x k table, as ``scipy.stats.chi2_contingency(..., correction=False)``. Bins whose
    expected count in the smaller sample is under `FEWEST_EXPECTED` are put together first, since the chi-square
    distribution is wrong for them. With fewer than two bins left there is nothing to test: p = 1.
    """
    from scipy.stats import chi2

    n, m = int(reference.sum()), int(current.sum())
    if n == 0 or m == 0:
        return TwoSample(0.0, 0, 1.0)
    table = _pooled(reference, current)
    if table.shape[1] < 2:
        return TwoSample(0.0, 0, 1.0)
    expected = np.outer([n, m], table.sum(axis=0)) / (n + m)
    statistic = float(np.sum((table - expected) ** 2 / expected))
    degrees = table.shape[1] - 1
    return TwoSample(statistic, degrees, float(chi2.sf(statistic, degrees)))


def _pooled(reference: Counts, current: Counts) -> Floats:
    """Return the 2 x k table with rare bins put together, empty ones left out."""
    table = np.stack([reference, current]).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    smaller = table.sum(axis=1).min() / table.sum()
    table = table[:, np.argsort(-table.sum(axis=0), kind="stable")]
    enough = table.sum(axis=0) * smaller >= FEWEST_EXPECTED
    kept, rare = table[:, enough], table[:, ~enough].sum(axis=1, keepdims=True)
    if rare.sum() == 0 or kept.shape[1] == 0:
        return kept if rare.sum() == 0 else rare
    if rare.sum() * smaller >= FEWEST_EXPECTED:
        return np.concatenate([kept, rare], axis=1)
    kept[:, -1:] += rare
    return kept


def chi_square(reference: Counts, current: Counts) -> float:
    """Return Pearson's statistic of the 2 x k table over the bins that either sample uses, nothing put together.

    As ``scipy.stats.chi2_contingency(table, correction=False).statistic``; 0 where there is nothing to compare.

    Examples
    --------
    >>> round(chi_square(np.array([10, 20, 0]), np.array([20, 10, 0])), 3)
    6.667
    """
    table = np.stack([reference, current]).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return float(np.sum((table - expected) ** 2 / expected))


def wasserstein(reference: Counts, current: Counts, positions: Floats) -> float | None:
    """Return the earth mover's distance between two samples of a column of numbers, in deviations of the reference.

    As ``scipy.stats.wasserstein_distance(positions, positions, reference, current)`` over the standard deviation of
    the reference, both of bins: every value stands where its bin stands. None where a sample is empty or the
    reference does not vary.

    Parameters
    ----------
    positions
        Where each bin stands, rising, shape (n_bins,), as `bin_positions` gives.

    Examples
    --------
    >>> wasserstein(np.array([5, 5]), np.array([0, 10]), np.array([0.0, 2.0]))
    1.0
    """
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0:
        return None
    p, q = reference / n, current / m
    deviation = float(np.sqrt(max(0.0, p @ positions**2 - (p @ positions) ** 2)))
    span = float(positions[-1] - positions[0])
    if deviation <= 1e-12 * span or span == 0:
        return None
    return float(np.abs(np.cumsum(p - q)[:-1]) @ np.diff(positions)) / deviation


class RankTests(NamedTuple):
    """Two-sided p-values of two rank tests."""

    location: float
    scale: float


def rank_tests(reference: Counts, current: Counts) -> RankTests:
    """Test for a shift and for a change of spread, between samples counted in bins in rising order.

    The scores of van der Waerden (1952) for a shift, and their squares (Klotz 1962) for spread, at the pooled sample's
    mid-ranks, with the variance of a permutation. For a normal population they lose next to nothing against the t and
    F tests (with ten bins of equal size: 5 and 20 %), where a chi-square test of ten bins spreads its power over nine
    degrees of freedom, and Kolmogorov-Smirnov's loses a third.

    Examples
    --------
    >>> tests = rank_tests(np.array([100, 100, 100, 100]), np.array([60, 40, 40, 60]))
    >>> tests.location > 0.9, tests.scale < 0.05
    (True, True)
    """
    from scipy.stats import norm

    total = (reference + current).astype(np.float64)
    n, m = float(reference.sum()), float(current.sum())
    if n == 0 or m == 0 or np.count_nonzero(total) < 2:
        return RankTests(1.0, 1.0)
    middle = (np.cumsum(total) - total / 2) / total.sum()
    score = norm.ppf(np.clip(middle, 0.5 / total.sum(), 1 - 0.5 / total.sum()))
    return RankTests(_score_test(score, total, current), _score_test(score**2, total, current))


def _score_test(score: Floats, total: Floats, current: Counts) -> float:
    from scipy.stats import norm

    everyone, m = float(total.sum()), float(current.sum())
    mean = float(total @ score) / everyone
    spread = float(total @ (score - mean) ** 2) / (everyone - 1)
    variance = spread * m * (everyone - m) / everyone
    if variance <= 1e-12:
        return 1.0
    return float(2 * norm.sf(abs(float(current @ score) - m * mean) / np.sqrt(variance)))


TAIL = 0.03
"""Largest share of the reference that counts as a tail."""


def tail_test(reference: Counts, current: Counts) -> float:
    """Return the p-value of "no tail grew or shrank", of samples counted in bins in rising order, `other` the last.

    A tail is any set of outermost bins that holds at most `TAIL` of the reference, none of it too: what lies outside
    its range; and so is `other`. Each is tested by Fisher's exact test, the smallest p-value times their number is
    valid by Bonferroni's inequality. A few values far out move the mean of ranks by nothing, and are what a broken
    sensor looks like. Where edges are order statistics of the reference the test stays exact, as it is one of ranks.

    Examples
    --------
    >>> tail_test(np.array([495, 500, 5, 0]), np.array([90, 100, 10, 0])) < 1e-4
    True
    >>> tail_test(np.array([0, 5000, 0, 0]), np.array([0, 994, 6, 0])) < 1e-3
    True
    """
    n, m = int(reference.sum()), int(current.sum())
    before, now = [reference[-1:]], [current[-1:]]
    for old, new in ((reference[:-1], current[:-1]), (reference[-2::-1], current[-2::-1])):
        sums = np.cumsum(old)[:-1]
        before.append(sums[sums <= TAIL * n])
        now.append(np.cumsum(new)[:-1][sums <= TAIL * n])
    return _smallest(np.concatenate(before), n, np.concatenate(now), m)


def bin_test(reference: Counts, current: Counts) -> float:
    """Return the p-value of "no bin's share moved": the smallest of Fisher's, times their number.

    One value that takes the place of many (a default, a stuck sensor) fills one bin, where a chi-square test spreads
    its power over all. Bins of which fewer than `FEWEST_EXPECTED` are expected in the smaller sample are left out.

    Examples
    --------
    >>> before, now = np.full(20, 250), np.append(np.full(19, 49), 84)
    >>> bin_test(before, now) < 0.005 < 0.05 < two_sample(before, now).p_value
    True
    """
    n, m = int(reference.sum()), int(current.sum())
    enough = (reference + current) * min(n, m) >= FEWEST_EXPECTED * (n + m)
    return _smallest(reference[enough], n, current[enough], m)


MOST_EXACT = 3
"""Shares tested exactly: those that moved furthest. Leaving the others out can make a p-value larger, never smaller."""


def _smallest(before: Counts, n: int, now: Counts, m: int) -> float:
    """Return the smallest of Fisher's p-values times the number of shares; 1 where there is nothing to test."""
    if n == 0 or m == 0 or not len(before):
        return 1.0
    both = before + now
    spread = np.sqrt(np.maximum(both * (n + m - both) * float(n) * m, 1.0))
    furthest = np.argsort(-np.abs(now * float(n + m) - both * float(m)) / spread, kind="stable")[:MOST_EXACT]
    return float(min(1.0, len(before) * np.min(_fisher(before[furthest], n, now[furthest], m))))


SHARES_OF_RISK = (0.76, 0.08, 0.04, 0.08, 0.04)
"""Weights of the tests of a column of numbers: for a shift, for spread, for tails, for one bin, for anything else.
Most goes to a shift, which is what columns do; spread and tails make do with little: their tests find it by far."""


def moved(reference: Counts, current: Counts, *, ordered: bool, fine: tuple[Counts, Counts] | None = None) -> float:
    """Return the p-value of "both samples come from one population", with power where columns do move.

    Bins in an order are tested for a shift, for spread (`rank_tests`), for tails, for single bins, and for anything
    (`two_sample`), put together by `harmonic_mean`. Bins without an order have the last alone.

    Parameters
    ----------
    ordered
        Whether all bins but the last (`other`) stand in rising order.
    fine
        Both samples in finer bins, `other` the last, where there are some: for all tests but the last.
    """
    anything = two_sample(reference, current).p_value
    if not ordered:
        return anything
    before, now = fine or (reference, current)
    ranks = rank_tests(before[:-1], now[:-1])
    found = (*ranks, tail_test(before, now), bin_test(before[:-1], now[:-1]), anything)
    return harmonic_mean(np.array(found), np.array(SHARES_OF_RISK))


def harmonic_mean(p_values: Floats, weights: Floats) -> float:
    """Return one p-value of several, by their weighted harmonic mean (Wilson 2019): many small ones add up.

    The mean h is too small by a term of second order, as the sum of weighted Pareto variables has the tail
    ``h + h**2 * log(1/h)`` at most, where they are independent and no weight is large; this is what is returned.

    Parameters
    ----------
    weights
        Sum 1.

    Examples
    --------
    >>> round(harmonic_mean(np.array([0.01, 1.0]), np.array([0.5, 0.5])), 4)
    0.0213
    >>> harmonic_mean(np.ones(2), np.array([0.9, 0.1]))
    1.0
    """
    mean = float(np.clip(1 / np.sum(weights / np.maximum(p_values, 1e-300)), 0.0, 1.0))
    return min(1.0, mean - mean**2 * float(np.log(max(mean, 1e-300))))


def share_test(reference: tuple[int, int], current: tuple[int, int]) -> float:
    """Return the two-sided p-value that a share moved: Fisher's exact test, twice the smaller tail.

    Parameters
    ----------
    reference, current
        (rows of the kind, all rows).

    Examples
    --------
    >>> share_test((0, 1000), (0, 200))
    1.0
    >>> share_test((0, 1000), (20, 200)) < 1e-9
    True
    """
    (before, n), (now, m) = reference, current
    return _smallest(np.array([before]), n, np.array([now]), m)


def _fisher(before: Counts, n: int, now: Counts, m: int) -> Floats:
    """Return Fisher's p-values, two-sided: twice the smaller tail, 1 at most."""
    from scipy.stats import hypergeom

    # Fewer of the kind are more of the others: always the tail on the far side of the mean.
    both = before + now
    fewer = now * float(n + m) < both * float(m)
    happened, marked = np.where(fewer, m - now, now), np.where(fewer, n + m - both, both)
    tails = hypergeom.sf(happened - 1, n + m, marked, m)  # not frozen: that is ten times slower
    return np.asarray(np.minimum(1.0, 2 * tails), dtype=np.float64)


def holm(p_values: Floats) -> Floats:
    """Return p-values corrected for their number (Holm 1979): no false alarm in all of them with the stated confidence.

    Parameters
    ----------
    p_values
        Shape (n,).

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values, dtype=np.float64)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(p_values) else steps
    return corrected
