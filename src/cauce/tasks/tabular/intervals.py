"""A regression's intervals from out-of-fold errors: of one width, or as wide as errors are for rows alike.

The absolute errors that models made on rows they had not seen are the scores of a conformal prediction (Lei et al.,
JASA 113, 2018; with the folds as in CV+, Barber et al., Annals of Statistics 49, 2021). Divided by an expected error
that depends on the row they give intervals that widen where errors are large (Papadopoulos et al. 2008). That is
adopted only where its interval score (Gneiting & Raftery, JASA 102, 2007) is proven lower on rows that taught neither.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison
from cauce.core.finishing import Intervals
from cauce.evidence import paired
from cauce.tasks.tabular.parts import COVERAGE, half_width

FEWEST = 200
"""Rows below which one width is all that can be told."""
FLOOR = 0.2
"""Smallest expected error, as a share of the median one: a row that looks sure is not sure beyond that."""
Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
FitScale = Callable[[Codes], Callable[[Codes], Array]]
"""Row numbers to fit the expected error on → what predicts it for row numbers."""


def interval_scores(residuals: Array, half: Array) -> Array:
    """Return width + 2/α × what the truth lies outside, shape (n_rows,); lower is better."""
    scores: Array = 2 * half + 2 / (1 - COVERAGE) * np.maximum(np.abs(residuals) - half, 0.0)
    return scores


def floored(expected: Array, floor: float) -> Array:
    """Keep an expected error from vanishing."""
    return np.maximum(expected, floor)


def measure(
    residuals: Array,
    predicted: Array,
    weights: Array,
    part: Codes,
    clusters: npt.NDArray[np.int64] | None,
    fit_scale: FitScale | None,
) -> tuple[Intervals, Array]:
    """Compare one width with adaptive ones; return the record and each row's expected error, 1 where one width is kept.

    Parameters
    ----------
    residuals, predicted
        Out of fold, shape (n_rows,).
    part
        Part of each row: widths are told from the other parts.
    fit_scale
        Fits what expects a row's absolute error; None keeps to one width.
    """
    expected = np.ones(len(residuals))
    constant = _halves(residuals, expected, weights, part)
    gain: Comparison | None = None
    half, method = constant, "constant"
    if fit_scale is not None and len(residuals) >= FEWEST:
        scale = np.empty(len(residuals))
        for k in np.unique(part):
            scale[part == k] = fit_scale(np.flatnonzero(part != k))(np.flatnonzero(part == k))
        scale = floored(scale, FLOOR * float(np.median(np.abs(residuals))))
        adaptive = _halves(residuals, scale, weights, part)
        per_row = weights / weights.mean()
        ours, theirs = (interval_scores(residuals, one) * per_row for one in (adaptive, constant))
        gain = paired(ours, theirs, margin=0.0, groups=clusters)
        if gain.verdict == "better":
            half, method, expected = adaptive, "adaptive", scale
    inside = np.abs(residuals) <= half
    record = Intervals(
        method=method,  # type: ignore[arg-type]
        nominal=COVERAGE,
        coverage=float(np.average(inside, weights=weights)),
        thirds=_thirds(predicted, inside, weights),
        mean_width=float(np.average(2 * half, weights=weights)),
        gain=gain,
    )
    return record, expected


def _halves(residuals: Array, scale: Array, weights: Array, part: Codes) -> Array:
    """Return each row's half width, told from the other parts."""
    half = np.empty(len(residuals))
    for k in np.unique(part):
        inside = part == k
        others = residuals[~inside] / scale[~inside]
        half[inside] = half_width(others, weights[~inside]) * scale[inside]
    return half


def _thirds(predicted: Array, inside: npt.NDArray[np.bool_], weights: Array) -> tuple[float, float, float]:
    order = np.argsort(predicted, kind="stable")
    low, middle, high = (float(np.average(inside[part], weights=weights[part])) for part in np.array_split(order, 3))
    return low, middle, high
