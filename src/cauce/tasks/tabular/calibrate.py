"""Probabilities that come true: repairs learnt on out-of-fold predictions.

A repair is adopted only where it is proven, on rows that did not teach it, to lower the log loss: on few rows a
flexible one does harm. Each is a rising map of the log odds, so that two classes keep their ranking. Temperature: Guo
et al., ICML 2017. Sigmoid: Platt 1999, on log odds. Isotonic: Zadrozny and Elkan, KDD 2002, here with one knot per
step and straight lines between (Oron and Flournoy, Statistics in Biopharmaceutical Research 9, 2017): the usual steps
tie the rows on them, and say 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import LEAST_PROBABILITY, Comparison
from cauce.evidence import paired
from cauce.tasks.tabular.losses import log_losses

FEWEST = 200
"""Rows below which nothing is repaired."""
FEWEST_ISOTONIC = 1_000
MOST_FITTED = 100_000
"""Rows that one or two numbers are fitted on; more add nothing."""
Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Method = Literal["temperature", "sigmoid", "isotonic"]


@dataclass(frozen=True, eq=False)
class Repair:
    """A map of probabilities that keeps their sum at 1."""

    method: Method
    x: Array
    """temperature: (1 / T,); sigmoid: (slope, shift) on the log odds of the second class; isotonic: knots
    on those."""
    y: Array
    """isotonic: the log odds that the knots become; else empty."""

    def apply(self, shares: Array) -> Array:
        """Return the repaired probabilities, shape (n_rows, n_classes)."""
        if self.method == "temperature":
            return _softmax(np.log(np.clip(shares, LEAST_PROBABILITY, 1.0)) * self.x[0])
        odds = log_odds(shares)
        if self.method == "sigmoid":
            moved = self.x[0] * odds + self.x[1]
        else:  # beyond the last knots as steep as the log odds themselves
            beyond = np.minimum(odds - self.x[0], 0.0) + np.maximum(odds - self.x[-1], 0.0)
            moved = np.interp(odds, self.x, self.y) + beyond
        return _softmax(np.column_stack([np.zeros_like(moved), moved]))


def fit_repair(method: Method, shares: Array, codes: Codes, weights: Array) -> Repair:
    """Fit a repair to out-of-fold probabilities, shape (n_rows, n_classes); sigmoid and isotonic for two classes."""
    from scipy.optimize import minimize, minimize_scalar

    if method == "isotonic":
        return Repair(method, *_isotonic(log_odds(shares), codes, weights))
    if len(codes) > MOST_FITTED:
        some = np.linspace(0, len(codes) - 1, MOST_FITTED).astype(np.int64)
        shares, codes, weights = shares[some], codes[some], weights[some]
    if method == "temperature":
        logs = np.log(np.clip(shares, LEAST_PROBABILITY, 1.0))

        def cold(log_t: float) -> float:
            return float(weights @ log_losses(_softmax(logs * np.exp(-log_t)), codes))

        found = minimize_scalar(cold, bounds=(-2.5, 2.5), method="bounded", options={"xatol": 1e-4})
        return Repair(method, np.array([float(np.exp(-found.x))]), np.empty(0))
    odds, truth = log_odds(shares), codes.astype(np.float64)

    def bent(line: Array) -> tuple[float, Array]:
        z = line[0] * odds + line[1]
        apart = weights * (1.0 / (1.0 + np.exp(-np.clip(z, -35, 35))) - truth)
        return float(weights @ (np.logaddexp(0.0, z) - truth * z)), np.array([apart @ odds, apart.sum()])

    line = minimize(bent, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.05, 10.0), (-20.0, 20.0)])
    return Repair(method, np.asarray(line.x, np.float64), np.empty(0))


def _isotonic(odds: Array, codes: Codes, weights: Array) -> tuple[Array, Array]:
    """Return the middles of the steps on the log odds, and what they become; 0 and 1 are drawn in by one row."""
    from sklearn.isotonic import isotonic_regression

    levels, place = np.unique(odds, return_inverse=True)
    mass = np.bincount(place, weights)
    share = np.bincount(place, weights * codes) / mass
    _, step = np.unique(isotonic_regression(share, sample_weight=mass), return_inverse=True)
    total = np.bincount(step, mass)
    middle, height = np.bincount(step, mass * levels) / total, np.bincount(step, mass * share) / total
    least = 1 / (len(codes) + 2)
    height = np.clip(height, least, 1 - least)
    kept = np.concatenate([[True], (np.diff(height) > 0) & (np.diff(middle) > 0)])
    return middle[kept], np.log(height[kept]) - np.log1p(-height[kept])


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


def log_odds(shares: Array) -> Array:
    """Return the log odds of the second of two classes, shape (n_rows,)."""
    clipped = np.clip(shares, LEAST_PROBABILITY, 1.0)
    odds: Array = np.log(clipped[:, 1]) - np.log(clipped[:, 0])
    return odds


def _softmax(scores: Array) -> Array:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = raised / raised.sum(axis=1, keepdims=True)
    return shares
