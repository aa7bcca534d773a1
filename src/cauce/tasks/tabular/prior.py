"""The simplest rung: what would be said without looking at any column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cauce.tasks.tabular.encode import Encoded


@dataclass(frozen=True, eq=False)
class Prior:
    """Class shares, or one number."""

    values: npt.NDArray[np.float64]
    """Shape (n_classes,), or (1,) for regress."""

    def predict(self, rows: Encoded) -> npt.NDArray[np.float64]:
        """Repeat the same values for every row, shape (n_rows, n_values)."""
        return np.repeat(self.values[None, :], len(rows.numbers), axis=0)

    def arrays(self) -> Mapping[str, npt.NDArray[np.float64]]:
        """Give what must be saved."""
        return {"values": self.values}


def fit_shares(codes: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], n_classes: int) -> Prior:
    """Fit the class shares."""
    mass = np.bincount(codes, weights, n_classes)
    return Prior(mass / mass.sum())


def fit_centre(target: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], loss: str) -> Prior:
    """Fit the mean for squared loss, the median for absolute loss."""
    centre = weighted_median(target, weights) if loss == "absolute" else float(np.average(target, weights=weights))
    return Prior(np.array([centre]))


def left_out_residuals(prior: Prior, target: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return every row's residual from the prior of the other rows, shape (n_rows,).

    Exact for an unweighted mean, where leaving row i out stretches its residual by n / (n − 1); near enough for the
    others. So the prior needs no calibration rows of its own.
    """
    n_rows = len(target)
    stretched: npt.NDArray[np.float64] = (target - prior.values[0]) * (n_rows / max(n_rows - 1, 1))
    return stretched


def weighted_median(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> float:
    """Return the middle value by weight, the mean of both where two are in the middle.

    Examples
    --------
    >>> weighted_median(np.array([1.0, 2.0, 10.0]), np.array([1.0, 1.0, 2.0]))
    6.0
    """
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weights[order])
    half = mass[-1] / 2
    low = order[np.searchsorted(mass, half, side="left")]
    high = order[min(int(np.searchsorted(mass, half, side="right")), len(order) - 1)]
    return float((values[low] + values[high]) / 2)
