"""The linear rung with the sign of some coefficients given: the prediction may only rise, or only fall, with a column.

The same losses and penalties as without signs, minimised by L-BFGS-B within bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from cauce.tasks.tabular.prior import weighted_median

if TYPE_CHECKING:
    from cauce.tasks.tabular.design import Design
    from cauce.tasks.tabular.encode import Encoder

Array = npt.NDArray[np.float64]
Loss = Literal["log", "squared", "absolute"]
SMOOTH = 0.01
"""|r| is rounded off to √(r² + 0.01²), residuals in units of the target's deviation."""


def column_signs(design: Design, encoder: Encoder, monotone: Mapping[str, int]) -> npt.NDArray[np.int64]:
    """Return the sign of every design column: numbers have their column's, everything else 0."""
    names = [encoder.features[i].column for i in design.used]
    found = np.zeros(sum(design.widths), np.int64)
    found[: len(names)] = [monotone.get(name, 0) for name in names]
    return found


def solve(
    matrix: Any, target: Array, weights: Array, strength: float, *, signs: npt.NDArray[np.int64], loss: Loss
) -> tuple[Array, Array]:
    """Minimise Σ w · loss + ‖coefficients‖² / (2 · strength), coefficients within their signs.

    The squared loss is halved for that; the target of the log loss is 0 or 1. Returns coefficients, shape
    (n_columns, 1), and the intercept, shape (1,).
    """
    from scipy.optimize import minimize

    centre, unit = _unit(target, weights, loss)
    y = (target - centre) / unit
    pull = PULLS[loss]

    def objective(theta: Array) -> tuple[float, Array]:
        each, slope = pull(matrix @ theta[1:] + theta[0], y)
        pulled = weights * slope
        gradient = np.concatenate([[pulled.sum()], matrix.T @ pulled + theta[1:] / strength])
        return float(weights @ each + theta[1:] @ theta[1:] / (2 * strength)), gradient

    bounds = [(None, None), *((0 if sign > 0 else None, 0 if sign < 0 else None) for sign in signs)]
    start = np.zeros(len(signs) + 1)
    options = {"maxiter": 500, "ftol": 1e-10}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x[1:, None] * unit, found.x[:1] * unit + centre


def _unit(target: Array, weights: Array, loss: Loss) -> tuple[float, float]:
    if loss == "log":
        return 0.0, 1.0
    if loss == "squared":
        return float(np.average(target, weights=weights)), 1.0
    centre = weighted_median(target, weights)
    return centre, float(np.average(np.abs(target - centre), weights=weights)) or 1.0


def _log(scores: Array, y: Array) -> tuple[Array, Array]:
    return np.logaddexp(0.0, scores) - y * scores, 1 / (1 + np.exp(-np.clip(scores, -500, 500))) - y


def _squared(scores: Array, y: Array) -> tuple[Array, Array]:
    gap = scores - y
    return gap * gap / 2, gap


def _absolute(scores: Array, y: Array) -> tuple[Array, Array]:
    gap = scores - y
    size = np.sqrt(gap * gap + SMOOTH**2)
    return size, gap / size


PULLS: Mapping[Loss, Callable[[Array, Array], tuple[Array, Array]]] = {
    "log": _log,
    "squared": _squared,
    "absolute": _absolute,
}
"""Loss → its value and its slope in the score, per row."""
