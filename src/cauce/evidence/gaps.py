"""The largest gap between groups of rows: of shares or of means, with an interval that holds for all pairs at once.

Which group stands highest is seen in the same rows that measure it, so the interval of that one pair alone would be
too narrow: it is widened for every pair that might have been the one (Bonferroni). A group with few rows tells nothing
and is left out by its number of rows alone, before its figure is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.specs import FairnessMetric
from cauce.evidence.shares import Interval, difference, effective, rows_needed, wilson
from cauce.evidence.spread import clustered, plain

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Gap(NamedTuple):
    """The largest difference between two groups."""

    value: float
    """Never below 0; 0 where fewer than two groups can be told."""
    lower: float
    """The true largest gap is at least this, with the confidence asked; never below 0."""
    upper: float
    high: int
    """The group whose figure is largest, -1 where fewer than two can be told."""
    low: int


@dataclass(frozen=True, eq=False)
class Compared:
    """One figure of every group, and the gap between those that can be told."""

    n_rows: Codes
    """Rows that the figure is of, shape (n_groups,)."""
    figures: tuple[Interval, ...]
    told: Bools
    """Whether a group has rows enough for its figure to be trusted, shape (n_groups,)."""
    gap: Gap


def largest(figures: Sequence[Interval], told: Bools | None = None) -> Gap:
    """Return the largest gap between the figures of the groups that can be told.

    Parameters
    ----------
    figures
        Of independent groups, with intervals that hold for all pairs together (`pairs`).
    told
        Which groups count, shape (n_groups,); all when None.

    Examples
    --------
    >>> found = largest([Interval(0.3, 0.28, 0.32), Interval(0.1, 0.09, 0.11), Interval(0.2, 0.19, 0.21)])
    >>> round(found.value, 3), round(found.lower, 3), round(found.upper, 3), found.high, found.low
    (0.2, 0.178, 0.222, 0, 1)
    """
    places = [i for i in range(len(figures)) if told is None or told[i]]
    if len(places) < 2:
        return Gap(0.0, 0.0, math.inf, -1, -1)
    high = max(places, key=lambda i: (figures[i].value, -i))
    low = min(places, key=lambda i: (figures[i].value, i))
    differences = [difference(figures[i], figures[j]) for i in places for j in places if i != j]
    lower, upper = max(0.0, max(d.lower for d in differences)), max(d.upper for d in differences)
    return Gap(figures[high].value - figures[low].value, lower, upper, high, low)


def pairs(n_groups: int) -> int:
    """Return how many pairs of groups there are, at least 1."""
    return max(1, n_groups * (n_groups - 1) // 2)


def of_shares(
    hits: Bools,
    codes: Codes,
    n_groups: int,
    *,
    among: Bools | None = None,
    clusters: npt.NDArray[Any] | None = None,
    known_to: float = 0.1,
    confidence: float = 0.95,
    comparisons: int = 1,
) -> Compared:
    """Compare the share of hits between groups.

    Parameters
    ----------
    hits
        Shape (n_rows,).
    codes
        Group of each row, 0 to `n_groups` − 1; rows of −1 belong to none and are left out. Shape (n_rows,).
    among
        Rows that the shares are of, shape (n_rows,); all when None.
    clusters
        What makes rows resemble each other (a school), shape (n_rows,): the design effect widens the intervals.
    known_to
        A group can be told where its share, whatever it is, is known to plus or minus this, with 95 %.
    confidence
        Of the gap's interval.
    comparisons
        How many gaps are read together.
    """
    kept = codes >= 0 if among is None else (codes >= 0) & among
    rows = [np.flatnonzero(kept & (codes == group)) for group in range(n_groups)]
    n_rows = np.array([len(own) for own in rows], np.int64)
    sizes = [_effective(hits, own, clusters) for own in rows]
    told = np.array([size >= rows_needed(known_to) for size in sizes], np.bool_)
    together = comparisons * pairs(int(told.sum()))
    figures = []
    for own, size in zip(rows, sizes, strict=True):
        share = float(hits[own].mean()) if len(own) else 0.5
        figures.append(wilson(share * size, size, confidence=confidence, comparisons=together))
    return Compared(n_rows, tuple(figures), told, largest(figures, told))


def of_means(
    values: Floats,
    codes: Codes,
    n_groups: int,
    *,
    clusters: npt.NDArray[Any] | None = None,
    known_to: float,
    confidence: float = 0.95,
    comparisons: int = 1,
) -> Compared:
    """Compare the mean of a number between groups; as `of_shares`.

    Parameters
    ----------
    known_to
        In the unit of `values`: a group can be told where its mean is known to plus or minus this at 95 %, supposing
        that it scatters as all rows do. That supposition keeps the choice of groups apart from their figures.
    """
    rows = [np.flatnonzero(codes == group) for group in range(n_groups)]
    n_rows = np.array([len(own) for own in rows], np.int64)
    spread = float(np.std(values[codes >= 0])) if (codes >= 0).any() else 0.0
    told = np.array([len(own) >= 2 and 1.96 * spread <= known_to * math.sqrt(len(own)) for own in rows], np.bool_)
    together = comparisons * pairs(int(told.sum()))
    figures = [_mean(values, own, clusters, confidence, together) for own in rows]
    return Compared(n_rows, tuple(figures), told, largest(figures, told))


def of_metric(
    metric: FairnessMetric,
    truth: Bools,
    said: Bools,
    codes: Codes,
    n_groups: int,
    *,
    wrong: Bools | None = None,
    clusters: npt.NDArray[Any] | None = None,
    known_to: float = 0.1,
    confidence: float = 0.95,
    comparisons: int = 1,
) -> Compared:
    """Compare groups by the fairness metric of cauce.toml.

    Parameters
    ----------
    truth
        Whether the row's true class is the favoured one, shape (n_rows,).
    said
        Whether the favoured class was predicted, shape (n_rows,).
    wrong
        Whether the prediction is wrong, where that is more than `truth` differing from `said`: several classes.

    Notes
    -----
    demographic_parity: shares of the favoured outcome predicted; equal_opportunity: of the favoured that are found;
    equalized_odds: the larger gap of those and of the false alarms (Hardt, Price and Srebro 2016), both widened for
    being two; error_rate: of errors.
    """
    if metric == "error_rate":
        hits, parts = (truth != said if wrong is None else wrong), [np.ones_like(truth)]
    else:
        hits = said
        parts = {
            "demographic_parity": [np.ones_like(truth)],
            "equal_opportunity": [truth],
            "equalized_odds": [truth, ~truth],
        }[metric]
    found = [
        of_shares(
            hits,
            codes,
            n_groups,
            among=part,
            clusters=clusters,
            known_to=known_to,
            confidence=confidence,
            comparisons=comparisons * len(parts),
        )
        for part in parts
    ]
    widest = max(found, key=lambda part: part.gap.value)
    if len(found) == 1:
        return widest
    gaps = [part.gap for part in found if part.gap.high >= 0]
    lower, upper = max((g.lower for g in gaps), default=0.0), max((g.upper for g in gaps), default=math.inf)
    return Compared(widest.n_rows, widest.figures, widest.told, widest.gap._replace(lower=lower, upper=upper))


def measured_on(metric: FairnessMetric, truth: Bools) -> tuple[Bools, ...]:
    """Return the rows that a metric's shares are of: one mask, or two for equalized_odds."""
    if metric == "equal_opportunity":
        return (truth,)
    return (truth, ~truth) if metric == "equalized_odds" else (np.ones_like(truth),)


def _effective(hits: Bools, rows: Codes, clusters: npt.NDArray[Any] | None) -> float:
    return effective(hits[rows].astype(np.float64), None if clusters is None else clusters[rows])


def _mean(
    values: Floats, rows: Codes, clusters: npt.NDArray[Any] | None, confidence: float, comparisons: int
) -> Interval:
    """Return a group's mean with its t interval; from fewer than two rows nothing is known."""
    from scipy.special import stdtrit

    own = values[rows]
    if len(own) < 2:
        return Interval(float(own.mean()) if len(own) else 0.0, -math.inf, math.inf)
    spread = plain(own) if clusters is None else clustered(own, clusters[rows])
    if not spread.df:
        return Interval(float(own.mean()), -math.inf, math.inf)
    half = -float(stdtrit(spread.df, (1 - confidence) / comparisons / 2)) * math.sqrt(spread.variance)
    return Interval(float(own.mean()), float(own.mean()) - half, float(own.mean()) + half)
