"""Probabilities that come true: how far they are from it, and repairs learnt on out-of-fold predictions.

A repair is adopted only where it is proven, on rows that did not teach it, to lower the log loss: on few rows a
flexible one does harm. Temperature: Guo et al., ICML 2017. Sigmoid: Platt 1999, on log odds. Isotonic: Zadrozny and
Elkan, KDD 2002.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison
from cauce.core.finishing import Figure
from cauce.evidence import paired
from cauce.tasks.tabular.losses import log_losses

FEWEST = 200
"""Rows below which nothing is repaired."""
FEWEST_ISOTONIC = 1_000
LOWEST = 1e-6
"""Isotonic steps may say never; a probability of 0 costs without end."""
N_BINS, N_DRAWS, MOST_DRAWN = 15, 200, 20_000
Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Method = Literal["temperature", "sigmoid", "isotonic"]


@dataclass(frozen=True, eq=False)
class Repair:
    """A map of probabilities that keeps their sum at 1."""

    method: Method
    x: Array
    """temperature: (1 / T,); sigmoid: (slope, shift) on the log odds of the second class; isotonic: knots."""
    y: Array
    """isotonic: the probabilities at the knots; else empty."""

    def apply(self, shares: Array) -> Array:
        """Return the repaired probabilities, shape (n_rows, n_classes)."""
        if self.method == "temperature":
            return _softmax(np.log(np.clip(shares, 1e-15, 1.0)) * self.x[0])
        if self.method == "sigmoid":
            second = 1.0 / (1.0 + np.exp(-np.clip(self.x[0] * log_odds(shares) + self.x[1], -35.0, 35.0)))
        else:
            second = np.interp(shares[:, 1], self.x, self.y)
        return np.column_stack([1.0 - second, second])


def fit_repair(method: Method, shares: Array, codes: Codes, weights: Array) -> Repair:
    """Fit a repair to out-of-fold probabilities, shape (n_rows, n_classes); sigmoid and isotonic for two classes."""
    from scipy.optimize import minimize, minimize_scalar

    if method == "temperature":
        logs = np.log(np.clip(shares, 1e-15, 1.0))

        def cold(log_t: float) -> float:
            return float(weights @ log_losses(_softmax(logs * np.exp(-log_t)), codes))

        found = minimize_scalar(cold, bounds=(-2.5, 2.5), method="bounded", options={"xatol": 1e-4})
        return Repair(method, np.array([float(np.exp(-found.x))]), np.empty(0))
    if method == "sigmoid":
        odds, truth = log_odds(shares), codes.astype(np.float64)

        def bent(line: Array) -> tuple[float, Array]:
            z = line[0] * odds + line[1]
            apart = weights * (1.0 / (1.0 + np.exp(-np.clip(z, -35, 35))) - truth)
            return float(weights @ (np.logaddexp(0.0, z) - truth * z)), np.array([apart @ odds, apart.sum()])

        line = minimize(bent, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, 50.0), (-20.0, 20.0)])
        return Repair(method, np.asarray(line.x, np.float64), np.empty(0))
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=LOWEST, y_max=1 - LOWEST, out_of_bounds="clip")
    model.fit(shares[:, 1], (codes == 1).astype(np.float64), sample_weight=weights)
    return Repair(method, np.asarray(model.X_thresholds_, np.float64), np.asarray(model.y_thresholds_, np.float64))


def methods_for(n_rows: int, n_classes: int) -> tuple[Method, ...]:
    """Return the repairs worth trying, simplest first."""
    if n_rows < FEWEST or n_classes < 2:
        return ()
    if n_classes > 2:
        return ("temperature",)
    return ("temperature", "sigmoid", "isotonic") if n_rows >= FEWEST_ISOTONIC else ("temperature", "sigmoid")


def cross_fitted(method: Method, shares: Array, codes: Codes, weights: Array, part: Codes) -> Array:
    """Return every row's probabilities by a repair fitted on the other parts."""
    repaired = np.empty_like(shares)
    for k in np.unique(part):
        inside = part == k
        repaired[inside] = fit_repair(method, shares[~inside], codes[~inside], weights[~inside]).apply(shares[inside])
    return repaired


def choose(
    shares: Array, codes: Codes, weights: Array, part: Codes, clusters: npt.NDArray[np.int64] | None
) -> tuple[Method | None, Array, Comparison | None]:
    """Return the simplest repair that pays, the rows' probabilities by it, and how it compares with none.

    A more flexible one must be proven better than the simpler one that pays.
    """
    per_row = weights / weights.mean()
    raw = log_losses(shares, codes) * per_row
    taken, said, best, shown = None, shares, raw, None
    for method in methods_for(len(codes), shares.shape[1]):
        repaired = cross_fitted(method, shares, codes, weights, part)
        ours = log_losses(repaired, codes) * per_row
        if paired(ours, best, margin=0.0, groups=clusters).verdict == "better":
            taken, said, best = method, repaired, ours
            shown = paired(ours, raw, margin=0.0, groups=clusters)
        elif taken is None:
            found = paired(ours, raw, margin=0.0, groups=clusters)
            shown = found if shown is None or found.difference < shown.difference else shown
    return taken, said, shown


def calibration_error(shares: Array, codes: Codes, rng: np.random.Generator) -> Figure:
    """Return the expected calibration error and its 95 % bootstrap interval over rows.

    Of the second of two classes, or of the class said among more; bins hold equally many rows. The error of a perfect
    model is above 0 on few rows, so that the interval, not the value, tells.
    """
    if len(codes) > MOST_DRAWN:
        some = rng.permutation(len(codes))[:MOST_DRAWN]
        shares, codes = shares[some], codes[some]
    if shares.shape[1] == 2:
        sure, right = shares[:, 1], (codes == 1).astype(np.float64)
    else:
        sure, right = shares.max(axis=1), (shares.argmax(axis=1) == codes).astype(np.float64)
    order = np.argsort(sure, kind="stable")
    bins = np.empty(len(sure), np.int64)
    bins[order] = np.arange(len(sure)) * N_BINS // max(1, len(sure))

    def error(times: Array) -> float:
        apart = np.bincount(bins, times * (right - sure), N_BINS)
        return float(np.abs(apart).sum() / times.sum())

    n = len(sure)
    draws = [error(np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)) for _ in range(N_DRAWS)]
    low, high = np.quantile(draws, [0.025, 0.975])
    value = error(np.ones(len(sure)))
    return Figure(value, min(value, float(low)), max(value, float(high)))


def log_odds(shares: Array) -> Array:
    """Return the log odds of the second of two classes, shape (n_rows,)."""
    clipped = np.clip(shares, 1e-15, 1.0)
    odds: Array = np.log(clipped[:, 1]) - np.log(clipped[:, 0])
    return odds


def _softmax(scores: Array) -> Array:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = raised / raised.sum(axis=1, keepdims=True)
    return shares
