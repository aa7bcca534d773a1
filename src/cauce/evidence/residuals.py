"""How far a number lies from what a model expects, in units of the usual error there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LARGE = 12.0
"""Usual errors from which a value is far outside: beyond the heavy tails of prices and counts."""
STEPS = 10


def standardised(truth: Floats, predictions: Floats) -> Floats:
    """Return residuals over the usual error of rows with a like prediction, shape (n,).

    The usual error is 1.4826 times the median absolute residual of the tenth of the rows that the prediction falls in
    (by rank), and at least half of that of all rows: a tenth that is all but exact would make any other value far.

    Examples
    --------
    >>> truth = np.arange(100.0)
    >>> said = truth + np.where(np.arange(100) % 2, 1.0, -1.0)
    >>> truth[50] = 500.0
    >>> z = standardised(truth, said)
    >>> int(np.argmax(z)), float(z.max()) > 100, float(np.sort(np.abs(z))[-2]) < 1
    (50, True, True)
    """
    residuals = truth - predictions
    size = np.abs(residuals)
    whole = 1.4826 * float(np.median(size))
    place = np.argsort(np.argsort(predictions, kind="stable"), kind="stable") * STEPS // max(len(truth), 1)
    scale = np.array([1.4826 * float(np.median(size[place == i])) if (place == i).any() else 0.0 for i in range(STEPS)])
    scale = np.maximum(scale, whole / 2)
    floor = max(float(np.abs(truth).max()), 1.0) * 1e-9
    far: Floats = residuals / np.maximum(scale[place], floor)
    return far


def far_outside(truth: Floats, predictions: Floats) -> Floats:
    """Return how many usual errors each number lies from what is expected, shape (n,); 0 where it is near.

    All but exact models differ in dust: what lies nearer than the middle half of all numbers is wide is never far.
    """
    size = np.abs(standardised(truth, predictions))
    low, high = np.quantile(truth, [0.25, 0.75])
    far: Floats = np.where(np.abs(truth - predictions) >= high - low, size, 0.0)
    return far
