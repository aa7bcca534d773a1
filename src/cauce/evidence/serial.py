"""Two models compared over time, where neighbouring losses resemble each other: intervals that know it.

Which interval is used was chosen by benchmarks/renew/rehearse/coverage.py, which tries several on simulated series.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison
from cauce.evidence.compare import WIDEST, check_asked, conclude, losses_of
from cauce.evidence.spread import Floats

FEWEST = 4
"""Values of a series from which its own scatter can be told."""
BLOCKS = 8
"""Blocks whose neighbours tell the noise of a stretch from its course."""

VarianceOfMean = Callable[[Floats], tuple[float, int]]
"""A series → the variance of its mean, and the degrees of freedom of that."""


def serial(
    candidates: Sequence[npt.ArrayLike],
    references: Sequence[npt.ArrayLike],
    *,
    margin: float,
    confidence: float = 0.95,
    about: Literal["next", "this"] = "next",
) -> Comparison:
    """Compare two models' losses along one or several stretches of time.

    Parameters
    ----------
    candidates, references
        A series for each stretch: losses in order of time at equal distances, or means of blocks of equal size, shape
        (n,), the same moments on both sides. Different series are taken as independent of each other.
    margin, confidence
        As in `paired`.
    about
        What the interval is for: the mean of stretches like these, such as the next one, whose changes of regime are
        chance as well; or the mean of these very ones, where only the noise about their course is.

    Returns
    -------
    Comparison
        As from `paired`; `n_clusters` is the degrees of freedom plus one.

    Raises
    ------
    ValueError
        No series, or two of different lengths; as from `paired`.

    Notes
    -----
    The equal-weighted cosine estimator of the long-run variance (Müller 2004; Lazarus, Lewis, Stock and Watson 2018,
    "HAR inference: recommendations for practice"): the first B cosine transforms of a series are, in large samples,
    independent of its mean and of the same variance, so that the mean over the root of their mean square has Student's
    law with B degrees of freedom. The interval so knows that its variance is an estimate. B = 0.2 T^(2/3), half of
    what they recommend for series much longer than a rehearsal's. Where a series does not forget within a sixteenth of
    its length, the interval holds less than it promises.

    About `this` stretch, the variance is that of the differences of neighbouring blocks, eight of them (von Neumann
    1941): what is slower than a block is the course, and only widens the interval.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = np.convolve(rng.normal(size=99), np.ones(4), mode="valid")
    >>> found = serial([noise], [np.full(96, 0.5)], margin=0.01)
    >>> found.n_clusters, found.verdict
    (5, 'undecided')
    """
    check_asked(margin, confidence, 1)
    ours = [losses_of(each, "candidate") for each in candidates]
    theirs = [losses_of(each, "reference") for each in references]
    if not ours or [len(each) for each in ours] != [len(each) for each in theirs]:
        raise ValueError("candidates and references are series of the same lengths, at least one")
    apart = [a - b for a, b in zip(ours, theirs, strict=True)]
    scale = max(float(np.max(np.abs(each))) for each in apart) or 1.0
    half, df = _half_width([each / scale for each in apart], confidence, _of_next if about == "next" else _of_this)
    both, whole = (np.concatenate(side) for side in (ours, theirs))
    difference = float(np.concatenate(apart).mean())
    half = min(half * scale, WIDEST) if df else WIDEST
    lower, upper = (-WIDEST, WIDEST) if half >= WIDEST / 2 else (difference - half, difference + half)
    return conclude(
        (float(both.mean()), float(whole.mean())),
        (difference, lower, upper),
        margin=margin,
        confidence=confidence,
        n_units=len(both),
        n_clusters=df + 1,
        provable=half,
    )


def _half_width(series: Sequence[Floats], confidence: float, variance_of: VarianceOfMean) -> tuple[float, int]:
    """Return half the width of an interval for the mean of all values, and its degrees of freedom; 0 of too few."""
    from scipy.special import stdtrit

    if min(len(each) for each in series) < FEWEST:
        return WIDEST, 0
    found = [variance_of(each) for each in series]
    variance = sum(of_mean * len(each) ** 2 for each, (of_mean, _) in zip(series, found, strict=True))
    df = sum(own for _, own in found)
    return -float(stdtrit(df, (1 - confidence) / 2)) * math.sqrt(variance) / sum(len(each) for each in series), df


def _of_next(values: Floats) -> tuple[float, int]:
    """Return the variance of a series' mean, the regimes that it went through being chance, and its degrees."""
    n = len(values)
    wanted = max(1, round(0.2 * n ** (2 / 3)))
    places = (np.arange(1, n + 1) - 0.5) / n
    waves = np.sqrt(2 / n) * np.cos(np.pi * np.arange(1, wanted + 1)[:, None] * places)
    own = waves @ (values - values.mean())
    return float(own @ own) / wanted / n, wanted


def _of_this(values: Floats) -> tuple[float, int]:
    """Return the variance of a series' mean about its course, and its degrees of freedom, rounded down."""
    n_blocks = min(BLOCKS, len(values))
    means = np.array([block.mean() for block in np.array_split(values, n_blocks)])
    variance = float(np.square(np.diff(means)).sum()) / (2 * (n_blocks - 1))
    return variance / n_blocks, 2 * (n_blocks - 1) ** 2 // (3 * n_blocks - 4)
