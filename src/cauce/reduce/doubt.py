"""How unsure a model that never saw a row is of it: where doubt is, rows are worth keeping.

For classes the root of the chance that two draws from the predicted probabilities differ (Gini), for numbers the local
standard deviation of the error. Unlike the row's own error, neither is large because a label is wrong.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cauce.reduce import trees
from cauce.reduce.rows import Floats, Ints, Rows

N_FOLDS = 3
ROUNDS = 50
FEWEST = 40
"""Rows below which nothing is cross-fitted: every row is as doubtful as the next."""
SETTINGS = {"learning_rate": 0.1, "num_leaves": 31}
SPREAD = {"learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 30}
LEAST = 0.05
"""Quantile of squared errors below which a local variance is not taken."""


class Doubt(NamedTuple):
    """What cross-fitting says of every row."""

    predicted: Floats
    """Out-of-fold probabilities, shape (n_rows, n_classes), or numbers, shape (n_rows, 1)."""
    doubt: Floats
    """Above zero, shape (n_rows,)."""


def cross_fit(rows: Rows, rng: np.random.Generator) -> Doubt:
    """Predict every row by a booster that did not learn from it, and say how doubtful each is.

    Every booster learns from at most `trees.MOST_FITTED` rows: the cost grows with the rows only by their prediction.
    """
    if len(rows) < FEWEST:
        return _alike(rows)
    fold = rng.permutation(len(rows)) % N_FOLDS
    predicted = np.zeros((len(rows), max(1, rows.n_classes)))
    for number in range(N_FOLDS):
        others, own = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        numbers = others[trees.some(len(others), trees.MOST_FITTED, rng)]
        booster = trees.grow(rows, numbers, SETTINGS, rounds=ROUNDS, seed=number)
        predicted[own] = trees.told(booster, rows.inputs[own], rows.n_classes)
    return Doubt(predicted, _doubt(rows, predicted, rng))


def _alike(rows: Rows) -> Doubt:
    if not rows.n_classes:
        return Doubt(np.full((len(rows), 1), float(np.mean(rows.target))), np.ones(len(rows)))
    shares = np.bincount(rows.target.astype(np.int64), minlength=rows.n_classes) / len(rows)
    return Doubt(np.tile(shares, (len(rows), 1)), np.ones(len(rows)))


def _doubt(rows: Rows, predicted: Floats, rng: np.random.Generator) -> Floats:
    if rows.n_classes:
        doubt: Floats = np.sqrt(np.clip(1.0 - (predicted**2).sum(axis=1), 1e-4, 1.0))
        return doubt
    squared = (rows.target - predicted[:, 0]) ** 2
    numbers: Ints = trees.some(len(rows), trees.MOST_FITTED, rng)
    booster = trees.grow(rows, numbers, SPREAD, rounds=40, seed=0, target=squared)
    local = trees.told(booster, rows.inputs, 0)[:, 0]
    least = max(float(np.quantile(squared, LEAST)), 1e-12 * float(squared.max()), 1e-300)
    spread: Floats = np.sqrt(np.clip(local, least, None))
    return spread
