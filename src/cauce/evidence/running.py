"""Comparisons that grow: sums of losses that a watcher keeps between two looks, eighteen numbers whatever the units.

The verdict depends on the sums alone, so how often they were looked at, and in which parts they came, changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Self

import numpy.typing as npt

from cauce.core.artefacts import Comparison
from cauce.evidence.compare import WIDEST, check_asked, conclude, losses_of
from cauce.evidence.mixture import START, Estimate, interval, unseen
from cauce.evidence.spread import Floats


@dataclass(frozen=True)
class Sums:
    """One stream of numbers: how many, their mean, their second and third central sums, their range."""

    n: int = 0
    mean: float = 0.0
    second: float = 0.0
    """Σ (x − mean)²."""
    third: float = 0.0
    """Σ (x − mean)³."""
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def of(cls, values: Floats) -> Self:
        """Return the sums of values, shape (n,)."""
        if not len(values):
            return cls()
        mean = float(values.mean())
        apart = values - mean
        square = apart * apart
        return cls(
            len(values),
            mean,
            float(square.sum()),
            float(square @ apart),
            float(values.min()),
            float(values.max()),
        )

    def merge(self, other: Sums) -> Sums:
        """Return the sums of both streams together, in any order (Pébay 2008, Sandia report SAND2008-6212)."""
        if not (self.n and other.n):
            return other if other.n else self
        n, gap = self.n + other.n, other.mean - self.mean
        ours, theirs = self.n / n, other.n / n
        return Sums(
            n,
            self.mean + gap * theirs,
            self.second + other.second + gap * gap * ours * other.n,
            self.third
            + other.third
            + gap**3 * ours * other.n * (ours - theirs)
            + 3.0 * gap * (ours * other.second - theirs * self.second),
            min(self.low, other.low),
            max(self.high, other.high),
        )

    @property
    def breadth(self) -> float:
        """The largest value minus the smallest."""
        return self.high - self.low

    def spread(self, *, at_least: float = 0.0) -> Estimate:
        """Return the mean and how it scatters.

        Parameters
        ----------
        at_least
            Where every value so far is the same: as far as the next one is thought to be able to lie from it.
        """
        if self.n < 2:
            return Estimate(self.mean, 0.0, 0.0, 0.0)
        second = self.second if self.breadth > 0 else at_least**2
        return Estimate(self.mean, second / (self.n - 1) / self.n, self.third / self.n**3, self.n - 1.0)


@dataclass(frozen=True)
class Running:
    """Two models on the same units so far: all that `sequential` needs of them, mergeable, fit for a JSON record.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> so_far = Running()
    >>> for hour in range(4):
    ...     old = rng.exponential(size=100)
    ...     so_far = so_far.add(old - 0.1 + rng.normal(0, 0.2, 100), old)
    >>> so_far.compare(margin=0.01).verdict, so_far.compare(margin=0.01).n_units
    ('better', 400)
    """

    candidate: Sums = field(default_factory=Sums)
    reference: Sums = field(default_factory=Sums)
    apart: Sums = field(default_factory=Sums)
    """Candidate minus reference."""

    def add(self, candidate: npt.ArrayLike, reference: npt.ArrayLike) -> Running:
        """Return the sums with further units.

        Parameters
        ----------
        candidate, reference
            Loss per unit of both on the same units, shape (n_units,), finite.

        Raises
        ------
        ValueError
            Lengths differ, no units, a loss that is not finite.
        """
        ours, theirs = losses_of(candidate, "candidate"), losses_of(reference, "reference")
        if ours.shape != theirs.shape:
            raise ValueError(f"reference has shape {theirs.shape}, candidate {ours.shape}")
        return self.merge(Running(Sums.of(ours), Sums.of(theirs), Sums.of(ours - theirs)))

    def merge(self, other: Running) -> Running:
        """Return both together: of two workers, two hours, two partitions."""
        return Running(
            self.candidate.merge(other.candidate), self.reference.merge(other.reference), self.apart.merge(other.apart)
        )

    def estimate(self) -> Estimate:
        """Return the mean difference and how it scatters."""
        losses = (self.candidate, self.reference)
        breadth = max(own.high for own in losses) - min(own.low for own in losses)
        found = self.apart.spread(at_least=breadth if self.apart.mean == 0 else 0.0)
        if not found.df:
            return found
        # Differences that are nearly all the same are no surer than if one of them had lain on the other side of zero.
        mirrored = 4.0 * self.apart.mean**2 / (self.apart.n * found.df)
        return found._replace(variance=max(found.variance, mirrored))

    def compare(
        self, *, margin: float, confidence: float = 0.95, bound: float | None = None, tuned_for: float = 1000
    ) -> Comparison:
        """Return what `sequential` says of the units so far.

        Raises
        ------
        ValueError
            No units, or as from `sequential`.
        """
        check_moment(margin, confidence, tuned_for, bound)
        if not self.apart.n:
            raise ValueError("no units so far: add some before comparing")
        n = self.apart.n
        return judged(
            (self.candidate.mean, self.reference.mean),
            self.estimate(),
            share=n / tuned_for if n >= START else 0.0,
            margin=margin,
            confidence=confidence,
            n_units=n,
            n_clusters=n,
            unseen_of=(bound or 0.0, n, n),
        )


def check_moment(margin: float, confidence: float, tuned_for: float, bound: float | None) -> None:
    """Raise `ValueError` where what was asked of a sequential comparison is out of range."""
    check_asked(margin, confidence, 1)
    if not (math.isfinite(tuned_for) and tuned_for > 0):
        raise ValueError(f"tuned_for is {tuned_for}: it is a number of units, above 0")
    if bound is not None and not (math.isfinite(bound) and bound >= 0):
        raise ValueError(f"bound is {bound}: it is the largest difference that one unit can show, 0 or more")


def judged(
    means: tuple[float, float],
    estimate: Estimate,
    *,
    share: float,
    margin: float,
    confidence: float,
    n_units: int,
    n_clusters: int,
    unseen_of: tuple[float, int, int],
    scale: float = 1.0,
) -> Comparison:
    """Return the comparison that an estimate comes to.

    Parameters
    ----------
    means
        Mean losses of candidate and reference.
    share
        As for `mixture.interval`; 0 where there are too few units to conclude from.
    unseen_of
        The largest difference that one unit can show, 0 where unknown; the units that could have shown the
        reference's worst and the candidate's.
    scale
        By what the estimate was divided; `means` and `unseen_of` were not.
    """
    below, above = interval(estimate, share=share, confidence=confidence) if share else (WIDEST, WIDEST)
    bound, n_reference, n_candidate = unseen_of
    below += unseen(bound / scale, n_reference, 1.0 - confidence)
    above += unseen(bound / scale, n_candidate, 1.0 - confidence)
    difference = estimate.value * scale
    widest = max(below, above)
    told = widest < WIDEST / 4 and widest * scale < WIDEST / 4
    lower, upper = (difference - below * scale, difference + above * scale) if told else (-WIDEST, WIDEST)
    return conclude(
        means,
        (difference, lower, upper),
        margin=margin,
        confidence=confidence,
        n_units=n_units,
        n_clusters=n_clusters,
        provable=(below + above) / 2 * scale if told else WIDEST,
    )
