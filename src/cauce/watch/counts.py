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
    from scipy.stats import hypergeom

    (before, n), (now, m) = reference, current
    if n == 0 or m == 0:
        return 1.0
    law = hypergeom(n + m, before + now, m)
    return float(min(1.0, 2 * min(law.sf(now - 1), law.cdf(now))))


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
