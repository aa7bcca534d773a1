"""Two models compared by their losses: on the same units (`paired`), or on two samples of units (`independent`).

The one act behind choosing a rung, accepting a reduction, promoting a challenger and raising an alarm. Looks at fixed
samples: an interval that may be looked at again and again is `sequential.py`'s.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison, Verdict
from cauce.evidence.spread import Floats, Spread, between, plain

MARGIN_FLOOR = 1e-12
"""Absolute margin below which two mean losses count as the same, whatever the relative margin says."""
WIDEST = sys.float_info.max
"""Half width of an interval about which the units say nothing: one unit, one group. Infinity is not JSON."""


def paired(
    candidate: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    margin: float,
    groups: npt.NDArray[Any] | None = None,
    folds: npt.NDArray[Any] | None = None,
    confidence: float = 0.95,
    comparisons: float = 1,
    test_per_train: float | None = None,
    expanding: bool = False,
) -> Comparison:
    """Compare two models' losses on the same units, in the same order.

    Parameters
    ----------
    candidate, reference
        Loss per unit, shape (n_units,), finite; lower is better.
    margin
        The smallest difference that matters, relative to the mean of `reference`.
    groups
        Group of each unit, shape (n_units,), where the units of a group resemble each other (`spread.clustered`).
    folds
        Fold of each unit, shape (n_units,), where the losses are out of fold (`spread.overlapping`).
    confidence
        Of the two-sided interval.
    comparisons
        How many comparisons are read together: the interval is widened so that all of them hold at once with
        `confidence` (Bonferroni). Of several models that resemble each other fewer count (`several.Chance`).
    test_per_train
        Test rows per training row, mean over folds; 1/(k−1) when None. Read only with `folds`.
    expanding
        Whether the folds are windows that expand in time. Read only with `folds`.

    Returns
    -------
    Comparison
        ``equivalent`` when the interval lies within the margin on both sides; else ``better`` or ``worse`` when it
        lies on one side of zero; else ``undecided``. From one unit or one group nothing is concluded: the interval
        is as wide as floats allow (`WIDEST`). `confidence` is that of all `comparisons` together.

    Raises
    ------
    ValueError
        Lengths differ, no units, a loss that is not finite, a margin below zero, a confidence outside (0, 1).

    Notes
    -----
    The interval is the t interval of the mean difference. Losses that agree on every unit give an interval of width
    zero: equal predictions prove equality on such units, and say little where the units are few.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> old = rng.exponential(size=500)
    >>> found = paired(old - 0.1 + rng.normal(0, 0.2, 500), old, margin=0.01)
    >>> found.verdict, round(found.lower, 3), round(found.upper, 3)
    ('better', -0.131, -0.098)
    """
    ours, theirs = losses_of(candidate, "candidate"), losses_of(reference, "reference")
    for name, labels in (("reference", theirs), ("groups", groups), ("folds", folds)):
        if labels is not None and np.shape(labels) != ours.shape:
            raise ValueError(f"{name} has shape {np.shape(labels)}, candidate {ours.shape}")
    check_asked(margin, confidence, comparisons)
    apart = ours - theirs
    # Squares of losses near 1e200 would overflow, those near 1e-200 vanish.
    scale = float(np.max(np.abs(apart))) or 1.0
    spread = between(apart / scale, groups=groups, folds=folds, test_per_train=test_per_train, expanding=expanding)
    half = _half_width(spread, confidence, comparisons) * scale if spread.df else WIDEST
    return _comparison(
        ours, theirs, float(apart.mean()), half, margin=margin, confidence=confidence, n_clusters=spread.n_clusters
    )


def independent(
    candidate: npt.ArrayLike, reference: npt.ArrayLike, *, margin: float, confidence: float = 0.95
) -> Comparison:
    """Compare losses on two samples of different units: Welch's interval, variances need not be equal.

    Parameters
    ----------
    candidate
        Loss per unit, shape (n_candidate,), finite.
    reference
        Loss per unit, shape (n_reference,), finite.
    margin
        The smallest difference that matters, relative to the mean of `reference`.
    confidence
        Of the two-sided interval.

    Returns
    -------
    Comparison
        As from `paired`; `n_units` and `n_clusters` count both samples.

    Raises
    ------
    ValueError
        As from `paired`, but for the lengths.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> independent(rng.exponential(1.3, 400), rng.exponential(1.0, 900), margin=0.01).verdict
    'worse'
    """
    ours, theirs = losses_of(candidate, "candidate"), losses_of(reference, "reference")
    check_asked(margin, confidence, 1)
    scale = max(float(np.max(np.abs(ours))), float(np.max(np.abs(theirs)))) or 1.0
    spread = _welch(plain(ours / scale), plain(theirs / scale))
    half = _half_width(spread, confidence, 1) * scale if spread.df else WIDEST
    return _comparison(
        ours,
        theirs,
        float(ours.mean() - theirs.mean()),
        half,
        margin=margin,
        confidence=confidence,
        n_clusters=spread.n_clusters,
        n_units=len(ours) + len(theirs),
    )


def losses_of(values: npt.ArrayLike, name: str) -> Floats:
    """Return losses per unit as an array, shape (n_units,), or raise `ValueError` that says which one is not finite."""
    losses = np.asarray(values, dtype=np.float64)
    if losses.ndim != 1 or not len(losses):
        raise ValueError(f"{name} has shape {losses.shape}: one loss per unit, at least one, is needed")
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        raise ValueError(f"{name} is {losses[bad[0]]} at unit {bad[0]} and {len(bad) - 1} others: losses are finite")
    return losses


def check_asked(margin: float, confidence: float, comparisons: float) -> None:
    """Raise `ValueError` where a margin, a confidence or a number of comparisons is none."""
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin is {margin}: it is a share of the reference's mean loss, 0 or more")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}: it lies between 0 and 1")
    if comparisons < 1:
        raise ValueError(f"comparisons is {comparisons}: at least this one is read")


def _welch(ours: Spread, theirs: Spread) -> Spread:
    n = ours.n_clusters + theirs.n_clusters
    if not (ours.df and theirs.df):
        return Spread(0.0, 0.0, n)
    variance = ours.variance + theirs.variance
    below = ours.variance**2 / ours.df + theirs.variance**2 / theirs.df
    return Spread(variance, variance**2 / below if below > 0 else ours.df + theirs.df, n)


def _half_width(spread: Spread, confidence: float, comparisons: float) -> float:
    from scipy.special import stdtrit

    tail = (1.0 - confidence) / comparisons / 2.0
    return -float(stdtrit(spread.df, tail)) * math.sqrt(spread.variance)


def _comparison(
    ours: Floats,
    theirs: Floats,
    difference: float,
    half: float,
    *,
    margin: float,
    confidence: float,
    n_clusters: int,
    n_units: int | None = None,
) -> Comparison:
    lower, upper = (-WIDEST, WIDEST) if half >= WIDEST / 2 else (difference - half, difference + half)
    return conclude(
        (float(ours.mean()), float(theirs.mean())),
        (difference, lower, upper),
        margin=margin,
        confidence=confidence,
        n_units=len(ours) if n_units is None else n_units,
        n_clusters=n_clusters,
        provable=half,
    )


def conclude(
    means: tuple[float, float],
    interval: tuple[float, float, float],
    *,
    margin: float,
    confidence: float,
    n_units: int,
    n_clusters: int,
    provable: float,
) -> Comparison:
    """Return the comparison that an interval comes to: the one place where verdicts are made.

    Parameters
    ----------
    means
        Mean loss of the candidate and of the reference.
    interval
        The difference, its lower and its upper end.
    margin
        Relative to the reference's mean.
    provable
        Half the interval's width.
    """
    difference, lower, upper = interval
    absolute = max(margin * abs(means[1]), MARGIN_FLOOR)
    return Comparison(
        n_units=n_units,
        n_clusters=n_clusters,
        mean_candidate=means[0],
        mean_reference=means[1],
        difference=difference,
        lower=lower,
        upper=upper,
        confidence=confidence,
        margin=absolute,
        provable=provable,
        verdict=_verdict(lower, upper, absolute),
    )


def _verdict(lower: float, upper: float, margin: float) -> Verdict:
    if -margin < lower and upper < margin:
        return "equivalent"
    if upper < 0:
        return "better"
    return "worse" if lower > 0 else "undecided"
