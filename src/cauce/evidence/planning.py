"""Before a comparison: which margin these units could prove, and how many units a difference takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.evidence.spread import between

MOST_UNITS = 10**12


def provable_margin(std: float, n_units: int, *, power: float = 0.8, confidence: float = 0.95) -> float:
    """Return the smallest absolute margin under which a model that is as good as the reference is proven not worse.

    Parameters
    ----------
    std
        Standard deviation of the loss differences between units.
    n_units
        Units at hand, at least 2; groups where units come in groups.
    power
        Share of tries in which `Comparison.not_worse` then holds.
    confidence
        Of the two-sided interval.

    Examples
    --------
    >>> round(provable_margin(0.2, 10_000), 4)
    0.0056
    """
    from scipy.special import stdtrit

    if n_units < 2:
        raise ValueError(f"n_units is {n_units}: one unit tells nothing of its scatter")
    df = n_units - 1
    quantiles = -float(stdtrit(df, (1 - confidence) / 2)) + float(stdtrit(df, power))
    return quantiles * std / math.sqrt(n_units)


def units_needed(std: float, difference: float, *, power: float = 0.9, confidence: float = 0.95) -> int:
    """Return how many units find a true `difference` in a share `power` of all tries.

    Parameters
    ----------
    std
        Standard deviation of the loss differences between units.
    difference
        True mean difference, in units of the loss, not zero.
    power
        Share of tries in which the interval excludes zero.
    confidence
        Of the two-sided interval.

    Returns
    -------
    int
        At least 2. Out-of-fold losses take ``k/(k−1) + 1`` times as many; `units_to_find` counts that in.

    Examples
    --------
    >>> units_needed(1.0, 0.1)
    1053
    """
    if not difference:
        raise ValueError("difference is 0: no number of units finds it")
    low, high = 2, 2
    while provable_margin(std, high, power=power, confidence=confidence) > abs(difference):
        low, high = high, high * 2
        if high > MOST_UNITS:
            raise ValueError(f"difference is {difference}, {MOST_UNITS:,} units would not find it")
    while low < high:
        middle = (low + high) // 2
        if provable_margin(std, middle, power=power, confidence=confidence) > abs(difference):
            low = middle + 1
        else:
            high = middle
    return high


def units_to_find(
    candidate: npt.ArrayLike,
    reference: npt.ArrayLike,
    difference: float,
    *,
    groups: npt.NDArray[Any] | None = None,
    folds: npt.NDArray[Any] | None = None,
    power: float = 0.9,
    confidence: float = 0.95,
    comparisons: float = 1,
    test_per_train: float | None = None,
    expanding: bool = False,
) -> int | None:
    """Return how many units of this kind find a true `difference` between two such models in a share `power` of tries.

    Parameters
    ----------
    candidate, reference, groups, folds, confidence, comparisons, test_per_train, expanding
        As for `paired`: how the losses scatter at the units at hand says how they would at more of them.
    difference
        True mean difference, in units of the loss, not zero.
    power
        Share of tries in which the interval of `paired` excludes zero.

    Returns
    -------
    int or None
        None where the units say nothing of their scatter, or where no number of units is enough. With groups, more
        groups of the same size.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> units_to_find(rng.normal(size=200), np.zeros(200), 0.1)
    978
    """
    apart = np.asarray(candidate, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    scale = float(np.max(np.abs(apart))) or 1.0
    spread = between(apart / scale, groups=groups, folds=folds, test_per_train=test_per_train, expanding=expanding)
    if not spread.df:
        return None
    std = math.sqrt(spread.variance * spread.n_clusters) * scale
    sure = 1.0 - (1.0 - confidence) / comparisons
    try:
        clusters = units_needed(std, difference, power=power, confidence=sure)
    except ValueError:  # beyond what anybody has
        return None
    return math.ceil(clusters * len(apart) / spread.n_clusters)
