"""Inner parts of the training rows: some to fit, some to stop the boosting or to calibrate intervals."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

COVERAGE = 0.9
"""Nominal coverage of a regression's interval."""
FEWEST_TO_CALIBRATE = 9
"""Below this many calibration rows no finite interval reaches 90 %."""
MOST_SET_ASIDE = 5_000
SHARE_SET_ASIDE = 0.2


class Parts(NamedTuple):
    """Row numbers of the inner parts, each ascending."""

    fit: npt.NDArray[np.int64]
    aside: npt.NDArray[np.int64]


def set_aside(n_rows: int, groups: npt.NDArray[np.int64] | None, rng: np.random.Generator) -> Parts:
    """Set a fifth of the rows aside, at least 9 where half of the rows are that many, at most 5,000.

    Parameters
    ----------
    n_rows
        Rows to divide, at least 2.
    groups
        Group number of each row, or None; with at least 5 groups none is shared by both parts.
    rng
        Draws the rows.

    Examples
    --------
    >>> parts = set_aside(100, None, np.random.default_rng(0))
    >>> len(parts.fit), len(parts.aside)
    (80, 20)
    """
    wanted = max(FEWEST_TO_CALIBRATE, math.ceil(SHARE_SET_ASIDE * n_rows))
    wanted = max(1, min(wanted, MOST_SET_ASIDE, n_rows // 2))
    if groups is None or len(np.unique(groups)) < 5:
        aside = np.zeros(n_rows, bool)
        aside[rng.permutation(n_rows)[:wanted]] = True
    else:
        aside = _whole_groups(groups, wanted, rng)
    return Parts(np.flatnonzero(~aside), np.flatnonzero(aside))


def _whole_groups(groups: npt.NDArray[np.int64], wanted: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    names, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    before = np.cumsum(sizes[order]) - sizes[order]
    taken = np.zeros(len(names), bool)
    taken[order[:-1]] = before[:-1] < wanted  # one group at least stays to fit
    chosen: npt.NDArray[np.bool_] = taken[number]
    return chosen


def keep_classes(parts: Parts, codes: npt.NDArray[np.int64]) -> Parts:
    """Move rows of classes that only the part set aside holds to the part that is fitted."""
    lonely = ~np.isin(codes[parts.aside], codes[parts.fit])
    fit = np.sort(np.concatenate([parts.fit, parts.aside[lonely]]))
    return Parts(fit, parts.aside[~lonely])


def half_width(residuals: npt.NDArray[np.float64], weights: npt.NDArray[np.float64] | None = None) -> float:
    """Return the split-conformal half-width: the ⌈(n + 1) · 0.9⌉-th smallest absolute residual.

    With weights the quantile is weighted. With fewer than 9 residuals it is the largest one, which covers only
    n / (n + 1). Lei et al., "Distribution-Free Predictive Inference for Regression", JASA 113 (2018).

    Examples
    --------
    >>> half_width(np.arange(1.0, 100.0))
    90.0
    """
    sizes = np.abs(residuals)
    order = np.argsort(sizes, kind="stable")
    mass = np.arange(1.0, len(sizes) + 1) if weights is None else np.cumsum(weights[order])
    total = mass[-1] + (1.0 if weights is None else float(np.mean(weights)))
    at = int(np.searchsorted(mass, COVERAGE * total - 1e-9))
    return float(sizes[order[min(at, len(sizes) - 1)]])
