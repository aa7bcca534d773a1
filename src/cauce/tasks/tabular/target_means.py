"""Categories with hundreds of levels → smoothed target means, out of fold on the rows that are fitted.

A mean that had seen its own row would tell the trees the answer (target leakage), so each training row gets the means
of the other folds: Micci-Barreca, SIGKDD Explorations 3:1 (2001), with folds as in CatBoost's and scikit-learn's use.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SMOOTHING = 10.0
"""Rows that the overall mean counts for."""
FOLDS = 5
MOST_OUTCOMES = 8
"""Classes, the most frequent ones, that get a share each."""

Array = npt.NDArray[np.float64]


def outcomes(codes: npt.NDArray[np.int64], weights: Array, n_classes: int) -> Array:
    """Return what is averaged per level, shape (n_rows, n_outcomes): is it class c? For two classes, the second."""
    frequent = np.argsort(-np.bincount(codes, weights, n_classes), kind="stable")[:MOST_OUTCOMES]
    chosen = np.array([1]) if n_classes == 2 else np.sort(frequent)
    belongs: Array = (codes[:, None] == chosen).astype(np.float64)
    return belongs


def fit_table(codes: npt.NDArray[np.int32], n_levels: int, outcome: Array, weights: Array) -> Array:
    """Return each level's smoothed means and the log of its weight, shape (n_levels + 2, n_outcomes + 1).

    The last two rows are for unseen and missing values, reached by their negative codes.
    """
    at = np.where(codes < 0, codes + n_levels + 2, codes)
    mass = np.bincount(at, weights, n_levels + 2)
    sums = np.column_stack([np.bincount(at, weights * column, n_levels + 2) for column in outcome.T])
    overall = weights @ outcome / max(weights.sum(), 1e-300)
    return np.column_stack([(sums + SMOOTHING * overall) / (mass + SMOOTHING)[:, None], np.log1p(mass)])


def out_of_fold(
    codes: npt.NDArray[np.int32], n_levels: int, outcome: Array, weights: Array, rng: np.random.Generator
) -> Array:
    """Return every row's means from the folds it is not in, shape (n_rows, n_outcomes + 1)."""
    encoded = fit_table(codes, n_levels, outcome, weights)[codes]  # the weight may be known, it holds no target
    fold = rng.permutation(len(codes)) % FOLDS
    for k in range(FOLDS):
        inside, outside = fold == k, fold != k
        table = fit_table(codes[outside], n_levels, outcome[outside], weights[outside])
        encoded[inside, :-1] = table[codes[inside], :-1]
    return encoded
