"""How many rows of which kind stay: inclusion probabilities, draws that keep to them, and the one-shot control."""

from __future__ import annotations

import numpy as np

from cauce.reduce import trees
from cauce.reduce.doubt import Doubt
from cauce.reduce.rows import Floats, Ints, Kept, Rows

N_SLICES = 10
"""Quantiles by which numbers to predict are cut into labels."""
ONE_SHOT_TREES = {"learning_rate": 0.3, "num_leaves": 31, "min_data_in_leaf": 10}
ONE_SHOT_EXPONENT = 0.7


def inclusion(mass: Floats, n_keep: float) -> Floats:
    """Return probabilities of staying in proportion to `mass`, none above 1, summing to `n_keep`.

    Examples
    --------
    >>> inclusion(np.array([1.0, 1.0, 8.0]), 2).tolist()
    [0.5, 0.5, 1.0]
    """
    chances: Floats = np.zeros(len(mass))
    free = np.arange(len(mass))
    left = float(min(n_keep, len(mass)))
    while len(free):
        share = mass[free] * (left / mass[free].sum())
        over = share >= 1.0
        if not over.any():
            chances[free] = share
            break
        chances[free[over]] = 1.0
        left -= int(over.sum())
        free = free[~over]
        if left <= 0:
            break
    return chances


def systematic(chances: Floats, order: Ints, rng: np.random.Generator) -> Ints:
    """Draw rows with their probabilities, evenly along an order: ``sum(chances)`` of them, rounded up or down.

    Parameters
    ----------
    chances
        Probability of each row, shape (n_rows,).
    order
        Row numbers in the order in which the draw is to be even, shape (n_rows,).

    Returns
    -------
    numpy.ndarray
        Row numbers, ascending.
    """
    total = np.cumsum(chances[order]) + rng.random()
    steps = np.floor(total)
    before = np.concatenate([[0.0], steps[:-1]])
    return np.sort(order[steps > before])


def labels(rows: Rows) -> Ints:
    """Return each row's class, or the tenth of the target that it lies in, shape (n_rows,)."""
    if rows.n_classes:
        return rows.target.astype(np.int64)
    cuts = np.quantile(rows.target, np.linspace(0, 1, N_SLICES + 1)[1:-1])
    return np.digitize(rows.target, cuts).astype(np.int64)


def weigh(rows: Rows, indices: Ints, chances: Floats) -> Kept:
    """Return the rows, each for as many as its probability says, weighing together what all rows weigh."""
    return rows.kept(indices, rows.weights[indices] / chances[indices])


def stratified(rows: Rows, n_keep: int, rng: np.random.Generator) -> Kept:
    """Keep rows at random, of every class or tenth of the target as many as its share says.

    Examples
    --------
    >>> rows = Rows(np.zeros((100, 1), dtype=np.float32), np.repeat([0, 1], [70, 30]), np.ones(100), 2)
    >>> np.bincount(rows.target[stratified(rows, 20, np.random.default_rng(0)).indices]).tolist()
    [14, 6]
    """
    chances = inclusion(np.ones(len(rows)), n_keep)
    return weigh(rows, systematic(chances, np.lexsort([rng.random(len(rows)), labels(rows)]), rng), chances)


def one_shot(rows: Rows, n_keep: int, rng: np.random.Generator, doubt: Doubt) -> Kept:
    """Keep of every cell as its mass and its doubt say, without any search: the control that the search has to beat.

    Cells are leaves of a 3-tree boosted forest × label; each keeps rows in proportion to mass × (mean of
    √(p(1−p)))^0.7, p the cross-fitted probability of the row's own class (regression: of the absolute error).
    """
    numbers = trees.some(len(rows), trees.MOST_FITTED, rng)
    booster = trees.grow(rows, numbers, ONE_SHOT_TREES, rounds=3, seed=int(rng.integers(2**31)))
    cell = np.unique(np.column_stack([trees.leaves(booster, rows.inputs), labels(rows)]), axis=0, return_inverse=True)[
        1
    ].ravel()
    if rows.n_classes:
        own = doubt.predicted[np.arange(len(rows)), rows.target.astype(np.int64)]
        unsure = np.sqrt(np.clip(own * (1.0 - own), 1e-6, 1.0))
    else:
        unsure = np.abs(rows.target - doubt.predicted[:, 0]) + 1e-300
    mass = np.bincount(cell).astype(np.float64)
    mean = np.bincount(cell, unsure) / mass
    chances = inclusion((mean**ONE_SHOT_EXPONENT)[cell], n_keep)
    order = np.lexsort([rng.random(len(rows)), cell])
    return weigh(rows, systematic(chances, order, rng), chances)
