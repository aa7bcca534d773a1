"""A learning curve carried on: what twice the rows would gain, and how sure that is.

Losses of models fitted on nested parts of the rows follow a power law, ``a + b n^-c`` (Viering and Loog 2023, IEEE
TPAMI 45, 7799–7819, find none that fits better everywhere). Four points do not tell three parameters, so the exponent
has a prior, and what remains unknown of it widens the interval.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.evidence.shares import Interval
from cauce.evidence.spread import Floats

EXPONENTS = np.geomspace(0.1, 3.0, 200)
"""Parametric models come near 1, flexible ones near 0.5, rich data near 0.2."""
USUAL_EXPONENT, ITS_SPREAD = 0.7, 0.7
"""Median and log standard deviation of the exponent's prior."""
FEWEST_SIZES = 3
LIGHTEST = 1e-6
"""Weight, of the heaviest exponent's, under which an exponent is left out of the intervals."""


class Extrapolation(NamedTuple):
    """A curve carried on to twice its largest size."""

    gain: Interval
    """Fall of the mean loss with twice the rows."""
    floor: Interval
    """Mean loss with endless rows."""
    exponent: float
    """c, the mean over what the points leave open."""


def extrapolate(
    losses: Floats,
    shares: Floats,
    folds: npt.NDArray[Any],
    *,
    groups: npt.NDArray[Any] | None = None,
    overlap: float = 0.0,
    confidence: float = 0.95,
) -> Extrapolation | None:
    """Return what twice the rows would gain.

    Parameters
    ----------
    losses
        Shape (n_units, n_sizes), finite: out-of-fold losses of models fitted on parts of each fold's training rows.
    shares
        Each part's share of them, rising to 1, shape (n_sizes,).
    folds, groups
        Fold and group of each unit, shape (n_units,).
    overlap
        Share of a fold's training rows that another fold has too.
    confidence
        Of both two-sided intervals.

    Returns
    -------
    Extrapolation or None
        None with fewer than three sizes, or with one fold: how much the draw of the training rows matters, which is
        most of what is unknown, shows only between folds.

    Notes
    -----
    Two things scatter: the units, whose covariance over sizes is that of their losses, by group; and the models, whose
    variance is taken as inverse to the rows and estimated from what is left of the fold means once fold and size are
    taken out. Given an exponent, the last halving's drop ``d`` comes by generalised least squares; the gain is
    ``d 2^-c`` and the floor ``L − d / (2^c − 1)``. Exponents are weighed by likelihood and prior, and the intervals
    are those of the mixture.
    """
    _, fold = np.unique(folds, return_inverse=True)
    n_folds, n_sizes = int(fold.max()) + 1, len(shares)
    if n_sizes < FEWEST_SIZES or n_folds < 2:
        return None
    mean = losses.mean(axis=0)
    scale = float(np.abs(losses).max()) or 1.0
    models, df = _models(losses / scale, shares, fold, overlap), float((n_folds - 1) * (n_sizes - 1))
    units = _units(losses / scale, groups)
    covariance = units + models
    covariance += np.eye(n_sizes) * max(1e-12, 1e-9 * float(np.trace(covariance)))
    exponents = EXPONENTS[:, None]
    basis = np.stack([np.ones((len(EXPONENTS), n_sizes)), (shares**-exponents - 1) / (2.0**exponents - 1)], axis=2)
    weighed = np.linalg.solve(covariance, basis)  # shape (n_exponents, n_sizes, 2)
    spread = np.linalg.inv(basis.swapaxes(1, 2) @ weighed)
    found = np.einsum("eij,ekj,k->ei", spread, weighed, mean / scale)
    left = mean / scale - np.einsum("eki,ei->ek", basis, found)
    likelihood = 0.5 * np.log(np.linalg.det(spread)) - 0.5 * (left * np.linalg.solve(covariance, left.T).T).sum(axis=1)
    likelihood -= 0.5 * (np.log(EXPONENTS / USUAL_EXPONENT) / ITS_SPREAD) ** 2
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    level, drop, spread = found[:, 0] * scale, found[:, 1] * scale, spread * scale**2
    part = float(np.trace(models) / np.trace(covariance))
    df = df / max(part**2, df / 1e6)  # Satterthwaite: the units' own scatter is known well
    factor = 2.0**-EXPONENTS
    gain = _mixture(weight, drop * factor, spread[:, 1, 1] * factor**2, df, confidence)
    fall = 1.0 / (2.0**EXPONENTS - 1.0)
    below = np.maximum(spread[:, 0, 0] - 2 * fall * spread[:, 0, 1] + fall**2 * spread[:, 1, 1], 0.0)
    floor = _mixture(weight, level - fall * drop, below, df, confidence)
    return Extrapolation(gain, floor, float(weight @ EXPONENTS))


def _units(losses: Floats, groups: npt.NDArray[Any] | None) -> Floats:
    """Return the covariance of the means that units, or whole groups of them, give by their scatter."""
    apart = (losses - losses.mean(axis=0)) / len(losses)
    if groups is not None:
        _, group = np.unique(groups, return_inverse=True)
        apart = np.column_stack([np.bincount(group, weights=column) for column in apart.T])
    n = len(apart)
    covariance: Floats = apart.T @ apart * (n / max(1, n - 1))
    return covariance


def _models(losses: Floats, shares: Floats, fold: npt.NDArray[np.int64], overlap: float) -> Floats:
    """Return the covariance of the means that the draw of the training rows gives; folds share some of them."""
    n = np.bincount(fold)
    means = np.column_stack([np.bincount(fold, weights=column) / n for column in losses.T])
    left = means - means.mean(axis=1, keepdims=True) - means.mean(axis=0) + means.mean()
    n_folds, n_sizes = means.shape
    shared = shares * overlap
    variance = float((left**2 * shares / (1.0 - shared)).sum()) / ((n_folds - 1) * (n_sizes - 1))
    return np.diag(variance / shares * (1.0 + (n_folds - 1) * shared) / n_folds)


def _mixture(weight: Floats, centre: Floats, variance: Floats, df: float, confidence: float) -> Interval:
    """Return the mean and the central interval of a mixture of t distributions, by bisection.

    Each stands for the exponents around its own, over which its centre moves.
    """
    from scipy.special import stdtr

    wide = np.maximum(np.sqrt(variance + np.gradient(centre) ** 2 / 12), 1e-300)
    mean, known = float(weight @ centre), weight > LIGHTEST * weight.max()
    weight, centre, wide = weight[known] / weight[known].sum(), centre[known], wide[known]

    def quantile(share: float) -> float:
        low, high = float((centre - 20 * wide).min()), float((centre + 20 * wide).max())
        for _ in range(40):
            middle = (low + high) / 2
            if float(weight @ stdtr(df, (middle - centre) / wide)) < share:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    tail = (1.0 - confidence) / 2
    return Interval(mean, quantile(tail), quantile(1.0 - tail))
