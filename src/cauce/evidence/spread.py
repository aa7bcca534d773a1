"""How sure a mean is: its variance and degrees of freedom, for plain, grouped and out-of-fold units.

A `Spread` with no degrees of freedom says that the units tell nothing of their own scatter: one unit, or one group.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[Any]


class Spread(NamedTuple):
    """The scatter of a mean."""

    variance: float
    """Of the mean, in squared units of the values."""
    df: float
    """Degrees of freedom of that variance; 0 when it could not be estimated."""
    n_clusters: int
    """Independent pieces that it rests on."""


def between(
    values: Floats,
    *,
    groups: Labels | None = None,
    folds: Labels | None = None,
    test_per_train: float | None = None,
    expanding: bool = False,
) -> Spread:
    """Return the scatter of the mean of loss differences as their units came about: grouped, out of fold, or neither.

    Parameters
    ----------
    values
        Shape (n_units,), finite.
    groups, folds, test_per_train, expanding
        As `clustered` and `overlapping` take them; None for units that are independent, or from one model.
    """
    spread = plain(values) if groups is None else clustered(values, groups)
    if folds is None:
        return spread
    return overlapping(values, spread, folds, test_per_train=test_per_train, expanding=expanding)


def plain(values: Floats) -> Spread:
    """Return s²/n with n−1 degrees of freedom, for units drawn independently.

    Parameters
    ----------
    values
        Shape (n_units,), finite.

    Examples
    --------
    >>> plain(np.array([1.0, 2.0, 3.0]))
    Spread(variance=0.3333333333333333, df=2.0, n_clusters=3)
    """
    n = len(values)
    if n < 2:
        return Spread(0.0, 0.0, n)
    return Spread(float(values.var(ddof=1)) / n, float(n - 1), n)


def clustered(values: Floats, groups: Labels) -> Spread:
    """Return the variance of the mean over all units when the units of one group resemble each other.

    The mean over units is a ratio of group sums, linearised: with ``w_g`` the share of the units that lie in group g,
    ``e_g`` the sum of the group's deviations from the overall mean divided by n and ``S = Σ w_g²``, the variance is
    ``Σ e_g² / (1 − 2 w_g + S)``. The denominator is the small-sample factor, ``G/(G−1)`` for groups of one size; with
    sizes that differ it gives each group the factor that makes the estimate unbiased when all group means scatter
    alike. Degrees of freedom by Satterthwaite under the same working model: G−1 for groups of one size, fewer where
    some groups are much larger than others.

    Parameters
    ----------
    values
        Shape (n_units,), finite.
    groups
        Group of each unit, shape (n_units,). Groups of one unit each give `plain`.

    Notes
    -----
    The bias-reduced linearisation of Bell & McCaffrey (2002, Survey Methodology 28) for the model with a mean alone.
    They take independent units as working model; full correlation within a group is ours, and the safer of the two.

    Examples
    --------
    >>> clustered(np.array([1.0, 1.0, 3.0, 3.0]), np.array(["a", "a", "b", "b"]))
    Spread(variance=1.0, df=1.0, n_clusters=2)
    """
    index = places(groups)
    share = np.bincount(index) / len(values)
    if len(share) < 2:
        return Spread(0.0, 0.0, len(share))
    error = np.bincount(index, weights=values - values.mean()) / len(values)
    factor = 1.0 - 2.0 * share + float(np.sum(share**2))
    return Spread(float(np.sum(error**2 / factor)), _degrees(share, factor), len(share))


def places(labels: Labels) -> npt.NDArray[np.intp]:
    """Return each unit's group as a number from 0 without gaps, in the order of the labels; shape (n_units,).

    Examples
    --------
    >>> places(np.array(["b", "a", "b"])), places(np.array([7, 5, 7]))
    (array([1, 0, 1]), array([1, 0, 1]))
    """
    whole = np.issubdtype(labels.dtype, np.integer) and len(labels) > 0
    if whole and labels.min() >= 0 and labels.max() <= 2 * len(labels):  # counted: sorting a million takes ten times it
        present = np.bincount(labels) > 0
        return (np.cumsum(present) - 1)[labels]
    return np.unique(labels, return_inverse=True)[1]


def _degrees(share: Floats, factor: Floats) -> float:
    """Return tr(A)²/tr(A²) of the quadratic form that `clustered` is in the group means, in one pass over groups."""
    weight = share**2 / factor
    half = float(np.sum(share**2)) / 2 - share
    crossed = 2 * float(np.sum(weight * half**2)) * float(weight.sum()) + 2 * float(np.sum(weight * half)) ** 2
    own = float(np.sum(weight**2 * (1.0 + 4.0 * half)))
    trace = float(np.sum(share**2))
    return max(1.0, trace**2 / (crossed + own))


def overlapping(
    values: Floats, unit: Spread, folds: Labels, *, test_per_train: float | None = None, expanding: bool = False
) -> Spread:
    """Return the variance of a mean of out-of-fold losses, whose models learnt from overlapping rows.

    Nadeau & Bengio (2003, Machine Learning 52, 239–281): the means of k folds share training rows, so their mean
    scatters by ``(1/k + r) S²``, where S² is the sample variance of the fold means and ``r`` the test rows per
    training row; without overlap it would be ``S²/k``. Every variance here is therefore inflated by ``1 + k r``.

    Where we depart from it: S² of three or five folds is a poor estimate (a t quantile of 4.3 or 2.8), while the units
    tell their own scatter well. The variance is the larger of the one between units and the one between folds, both
    inflated. What the folds show beyond the units carries k−1 degrees of freedom, the rest those of the units, joined
    by Satterthwaite's rule: near n−1 where the folds agree as units of one population would, near k−1 where the
    training rows decide.

    How far it holds: learners that shrink little and see nearly as many columns as rows share more than 1/k of their
    fold's luck, and equal ones are called worse in up to one run of eight where one of twenty was asked for. The rungs
    of the tabular ladder choose their own shrinkage and stay within it (``benchmarks/select/rule``).

    Folds that expand in time are not exchangeable: a later one trains on more, and the world moves in between. Three
    of them that differ tell of time, not of chance, and their scatter with two degrees of freedom would drown a gap
    that every one of them shows. There only the units' variance is inflated; in simulation equal learners are then
    called different in at most 2 % of runs (``tests/evidence/test_error_rates.py``).

    Parameters
    ----------
    values
        Shape (n_units,), finite.
    unit
        What `plain` or `clustered` says of the same values.
    folds
        Fold of each unit, shape (n_units,). One fold is one model: nothing overlaps, `unit` is returned.
    test_per_train
        r, the mean over folds; 1/(k−1), that of k-fold cross-validation, when None.
    expanding
        Each fold trains on all that the folds before it trained and tested on.
    """
    fold = clustered(values, folds)
    k = fold.n_clusters
    if k < 2 or unit.df == 0:
        return unit
    ratio = 1.0 / (k - 1) if test_per_train is None else test_per_train
    beyond = 0.0 if expanding else max(0.0, fold.variance - unit.variance)
    total = unit.variance + beyond
    spread = unit.variance**2 / unit.df + beyond**2 / fold.df
    df = total**2 / spread if spread > 0 else unit.df
    return Spread(total * (1.0 + k * ratio), df, unit.n_clusters)
