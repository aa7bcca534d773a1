"""The arithmetic of why a mean changed: more rows of a kind, or rows of a kind that fare otherwise.

Between two samples cut into segments k, with shares p and means l, the change of the mean is

    Σ (p₁ − p₀)(l̄ − L̄)  +  Σ (l₁ − l₀) p̄        l̄, p̄: averages of before and after; L̄: of both totals

exactly: the first sum is the mix, the second the relation (Kitagawa, "Components of a difference between two rates",
JASA 1955; Oaxaca 1973, Blinder 1973, in the symmetric form that leaves no interaction over). Columns are taken one by
one: once a column's mix is counted, both samples are weighted to the average of its shares (its relation is their
difference then), and what the next column's mix explains is taken from that. A segment that is in one sample alone has
no relation to compare, so that all it brings is mix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
FEWEST = 20
"""Rows in a segment, before and after, below which nothing is said of how it fares."""


class Side(NamedTuple):
    """The rows of one sample."""

    values: Floats
    """Loss or prediction of every row, shape (n_rows,)."""
    weights: Floats
    """Shape (n_rows,)."""
    clusters: Codes | None
    """Rows of the same number are not independent; None where all are."""


class Split(NamedTuple):
    """One column's decomposition, by segment."""

    shares: Floats
    """Shape (2, n_segments)."""
    means: Floats
    """Shape (2, n_segments); a segment absent on one side has there the mean of the other."""
    mix: Floats
    relation: Floats
    both: npt.NDArray[np.bool_]
    """Whether the segment has rows on both sides."""


def split(mass: Floats, sums: Floats) -> Split:
    """Decompose by segments.

    Parameters
    ----------
    mass, sums
        Weight, and weighted sum of the values, shape (2, n_segments).

    Returns
    -------
    Split
        ``mix.sum() + relation.sum()`` is the change of the mean.

    Examples
    --------
    >>> found = split(np.array([[90.0, 10.0], [70.0, 30.0]]), np.array([[9.0, 5.0], [7.0, 15.0]]))
    >>> found.mix.sum().round(3), found.relation.sum().round(3)
    (np.float64(0.08), np.float64(0.0))
    """
    there = mass > 0
    shares = mass / mass.sum(axis=1, keepdims=True)
    means = np.divide(sums, mass, out=np.zeros_like(sums), where=there)
    means = np.where(there, means, means[::-1])
    total = (shares * means).sum(axis=1)
    mix = (shares[1] - shares[0]) * (means.mean(axis=0) - total.mean())
    relation = (means[1] - means[0]) * shares.mean(axis=0)
    return Split(shares, means, mix, relation, np.asarray(there.all(axis=0)))


def of_rows(sides: tuple[Side, Side], codes: tuple[Codes, Codes], n_segments: int) -> Split:
    """Decompose rows by their segments."""
    pairs = list(zip(sides, codes, strict=True))
    mass = np.array([np.bincount(code, side.weights, n_segments) for side, code in pairs])
    sums = np.array([np.bincount(code, side.weights * side.values, n_segments) for side, code in pairs])
    return split(mass, sums)


def mix_error(sides: tuple[Side, Side], codes: tuple[Codes, Codes], found: Split) -> float:
    """Return the standard error of the mix, by the influence of every row on it (delta method).

    Weights count as given: where an earlier column's mix made them, the error is a little too large.
    """
    gap = found.means.mean(axis=0) - (found.shares * found.means).sum(axis=1).mean()
    moved, total = found.shares[1] - found.shares[0], 0.0
    for at, (side, code) in enumerate(zip(sides, codes, strict=True)):
        share = found.shares[at]
        own = np.divide(0.5 * moved, share, out=np.zeros_like(share), where=share > 0)
        influence = (gap - share @ gap)[code] + own[code] * (side.values - found.means[at][code])
        total += _scatter(side, side.weights / side.weights.sum() * influence)
    return float(np.sqrt(total))


def _scatter(side: Side, parts: Floats) -> float:
    """Return the variance of the sum of independent parts of mean 0."""
    if side.clusters is not None:
        parts = np.asarray(np.bincount(side.clusters, parts), np.float64)
    n = int(np.count_nonzero(parts))
    return float(parts @ parts) * n / max(n - 1, 1)


class Moments(NamedTuple):
    """How every segment's mean changed."""

    change: Floats
    """Shape (n_segments,)."""
    variance: Floats
    """Of `change`; infinite where rows are too few."""
    df: Floats
    """Degrees of freedom: the fewer of the rows, or clusters, of both sides, less one."""
    share: Floats
    """Average of both sides' shares."""


def moments(sides: tuple[Side, Side], codes: tuple[Codes, Codes], n_segments: int) -> Moments:
    """Return how each segment's mean changed between two samples of different rows."""
    found = of_rows(sides, codes, n_segments)
    variance, fewest = np.zeros(n_segments), np.full(n_segments, np.inf)
    for at, (side, code) in enumerate(zip(sides, codes, strict=True)):
        own, n = _cells(side, code, n_segments, found.means[at])
        variance += own
        fewest = np.minimum(fewest, n)
    return _told(found.means[1] - found.means[0], variance, fewest, found.shares.mean(axis=0))


def moments_paired(side: Side, codes: Codes, n_segments: int) -> Moments:
    """Return each segment's mean change on the same rows; `side` holds the rows' own changes."""
    mass = np.bincount(codes, side.weights, n_segments)
    sums = np.bincount(codes, side.weights * side.values, n_segments)
    means = np.divide(sums, mass, out=np.zeros(n_segments), where=mass > 0)
    variance, n = _cells(side, codes, n_segments, means)
    return _told(means, variance, n, mass / mass.sum())


def _cells(side: Side, codes: Codes, n_segments: int, means: Floats) -> tuple[Floats, Floats]:
    """Return the variance of each segment's mean, and how many independent pieces it rests on."""
    mass = np.bincount(codes, side.weights, n_segments)
    parts: Floats = side.weights * (side.values - means[codes])
    at = codes
    counted = side.weights > 0
    if side.clusters is not None:
        keys, place = np.unique(codes * (int(side.clusters.max()) + 1) + side.clusters, return_inverse=True)
        parts, at = np.asarray(np.bincount(place, parts), np.float64), keys // (int(side.clusters.max()) + 1)
        counted = np.bincount(place, counted) > 0
    n = np.asarray(np.bincount(at, counted.astype(np.float64), n_segments), np.float64)
    square = np.bincount(at, parts**2, n_segments)
    spread = np.divide(n, n - 1, out=np.full(n_segments, np.inf), where=n > 1)
    known = (mass > 0) & (n > 1)
    return np.divide(square * np.where(known, spread, 0.0), mass**2, out=np.full(n_segments, np.inf), where=known), n


def _told(change: Floats, variance: Floats, n: Floats, share: Floats) -> Moments:
    few = n < FEWEST
    return Moments(change, np.where(few, np.inf, variance), np.maximum(n - 1, 1), share)


def apart(found: Moments) -> tuple[Floats, Floats]:
    """Test of every segment whether it changed otherwise than the rest, and whether it changed at all.

    Returns
    -------
    tuple
        Two-sided p of both, shape (n_segments,); 1 where rows are too few. Segments are taken as independent; shares as
        given, since what is tested, that all changed alike, does not depend on them.
    """
    known = np.isfinite(found.variance)
    share = np.where(known, found.share, 0.0)
    total = share.sum()
    if known.sum() < 2 or total <= 0:
        ones = np.ones(len(known))
        return ones, _two_sided(found.change, found.variance, found.df) if known.any() else ones
    share, variance = share / total, np.where(known, found.variance, 0.0)
    weighed, scatter = share @ found.change, share**2 @ variance
    rest = np.maximum(1 - share, 1e-12)
    other = (weighed - share * found.change) / rest
    error = variance + (scatter - share**2 * variance) / rest**2
    p_apart = np.where(known, _two_sided(found.change - other, error, found.df), 1.0)
    return p_apart, _two_sided(found.change, found.variance, found.df)


def _two_sided(change: Floats, variance: Floats, df: Floats) -> Floats:
    from scipy import stats

    known = np.isfinite(variance)
    z = np.divide(change, np.sqrt(np.where(known, variance, 1.0)), out=np.zeros_like(change), where=variance > 0)
    p: Floats = np.where(known, 2 * stats.t.sf(np.abs(z), df), 1.0)
    return np.where(known & (variance <= 0) & (change != 0), 0.0, p)


class Step(NamedTuple):
    """What one column's mix takes out of the change."""

    found: Split
    scale: float
    """What is still to be explained is `scale` × the change between the samples as weighted."""


class Path(NamedTuple):
    """A change taken apart along columns."""

    steps: tuple[Step, ...]
    """One a column whose mix is counted."""
    last: Step
    """What is left, by the segments of the last column, or of one segment alone."""

    def amounts(self) -> Floats:
        """Return the mix of every step, the last one's mix and its relation: together the whole change."""
        mixes = [step.scale * step.found.mix.sum() for step in (*self.steps, self.last)]
        return np.array([*mixes, self.last.scale * self.last.found.relation.sum()])


class Cells(NamedTuple):
    """Rows put together that are alike in all of the path's columns: a resample then costs one count."""

    codes: tuple[Codes, ...]
    """Per column of the path the segment of every cell, shape (n_cells,)."""
    sizes: tuple[int, ...]
    """Segments of each."""
    places: tuple[Codes, Codes]
    """Cell of every row, before and after."""


def cells(codes: Sequence[tuple[Codes, Codes]], sizes: Sequence[int]) -> Cells:
    """Put rows together by all of the path's columns; the last one is that of the relation."""
    n_before = len(codes[0][0])
    stacked = np.stack([np.concatenate(pair) for pair in codes])
    found, place = np.unique(stacked, axis=1, return_inverse=True)
    place = place.ravel()
    return Cells(tuple(found), tuple(sizes), (place[:n_before], place[n_before:]))


def walk(cell: Cells, mass: Floats, sums: Floats) -> Path:
    """Take the change apart, column after column.

    Parameters
    ----------
    mass, sums
        Weight, and weighted sum of the values, of each cell before and after, shape (2, n_cells).
    """
    steps, scale = [], 1.0
    for code, size in zip(cell.codes[:-1], cell.sizes[:-1], strict=True):
        found = split(_by(code, mass, size), _by(code, sums, size))
        steps.append(Step(found, scale))
        target = np.where(found.both, found.shares.mean(axis=0), 0.0)
        scale *= float(target.sum())
        factor = np.divide(target, found.shares, out=np.zeros_like(found.shares), where=found.shares > 0)
        mass, sums = mass * factor[:, code], sums * factor[:, code]
        if not scale:
            break
    code, size = cell.codes[-1], cell.sizes[-1]
    if not scale:
        nothing = np.zeros((2, size))
        return Path(tuple(steps), Step(Split(nothing, nothing, nothing[0], nothing[0], nothing[0] > 0), 0.0))
    return Path(tuple(steps), Step(split(_by(code, mass, size), _by(code, sums, size)), scale))


def _by(code: Codes, values: Floats, size: int) -> Floats:
    return np.array([np.bincount(code, row, size) for row in values])


def reweighed(sides: tuple[Side, Side], codes: tuple[Codes, Codes], found: Split) -> tuple[tuple[Side, Side], float]:
    """Return both samples weighted to the average of their shares, and which share of the rows is on both sides."""
    target = np.where(found.both, found.shares.mean(axis=0), 0.0)
    factor = np.divide(target, found.shares, out=np.zeros_like(found.shares), where=found.shares > 0)
    moved = tuple(
        side._replace(weights=side.weights * factor[at][code])
        for at, (side, code) in enumerate(zip(sides, codes, strict=True))
    )
    return (moved[0], moved[1]), float(target.sum())


def resampled(
    cell: Cells, sides: tuple[Side, Side], *, n_draws: int, rng: np.random.Generator, paired: bool
) -> tuple[Floats, Floats, Floats]:
    """Walk the same path on resampled rows (clusters where there are any).

    Parameters
    ----------
    paired
        The same rows stand on both sides, and are drawn together.

    Returns
    -------
    tuple
        Amounts of the parts, shape (n_draws, n_parts); of the last column's segments, shape (n_draws, n_segments);
        the mix of each step's segments side by side, shape (n_draws, sum of their numbers).
    """
    parts, segments, mixes = [], [], []
    size = len(cell.codes[0])
    for _ in range(n_draws):
        first = _draws(sides[0], rng)
        drawn = (first, first if paired else _draws(sides[1], rng))
        weights = [side.weights * times for side, times in zip(sides, drawn, strict=True)]
        mass = np.array([np.bincount(place, w, size) for place, w in zip(cell.places, weights, strict=True)])
        rows = zip(cell.places, weights, sides, strict=True)
        sums = np.array([np.bincount(place, w * side.values, size) for place, w, side in rows])
        path = walk(cell, mass, sums)
        if len(path.steps) < len(cell.codes) - 1:
            continue  # a resample in which nothing is on both sides
        parts.append(path.amounts())
        segments.append(path.last.scale * path.last.found.relation)
        mixes.append(np.concatenate([np.zeros(0), *(step.scale * step.found.mix for step in path.steps)]))
    return np.array(parts), np.array(segments), np.array(mixes)


def _draws(side: Side, rng: np.random.Generator) -> Floats:
    if side.clusters is None:
        n = len(side.values)
        return np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)
    n = int(side.clusters.max()) + 1
    return np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)[side.clusters]
