"""Cells: leaves of a boosted forest, and what all rows sum to in each. Kept weighted rows ought to sum to the same.

A tree that is fitted on few rows goes wrong where its leaves' sums of labels and errors are far from those of all
rows. So a set of kept rows is judged, without fitting anything, by how far its weighted sums are off, leaf by leaf
over many trees (Newton's estimate of what that costs: the square of the gap over what the leaf holds). A leaf is local
in the columns that matter, takes categories and missing values as they are, and costs O(n) to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.reduce import trees
from cauce.reduce.doubt import Doubt
from cauce.reduce.rows import Floats, Ints, Rows

N_TREES = 40
"""Trees whose leaves are cells, spread evenly over all that are grown."""
ROUNDS = 60
SETTINGS = {
    "learning_rate": 0.1, "num_leaves": 31, "bagging_fraction": 0.6, "bagging_freq": 1, "feature_fraction": 0.8,
}  # fmt: skip
SHRINKAGE = 0.5
"""Rows that every cell is given beside its own, as a share of the mean cell: small cells are mostly luck."""
MOST_RESIDUALS = 10
"""Classes up to which errors are told class by class; with more, only that of the row's own class."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Which cells every row lies in, what it brings, and what all rows bring."""

    leaves: npt.NDArray[np.int32]
    """Shape (n_rows, n_trees): numbers of cells, counted through over all trees."""
    brings: npt.NDArray[np.float32]
    """Shape (n_rows, n_channels): labels as 0 and 1 or a number, then errors out of fold."""
    sums: Floats
    """Of all weighted rows, shape (n_cells, n_channels)."""
    scale: Floats
    """By what a squared gap is multiplied, shape (n_cells, n_channels)."""

    def gap(self, indices: Ints, weights: Floats) -> Floats:
        """Return what weighted rows sum to, less what all do, shape (n_cells, n_channels)."""
        return sums(self.leaves[indices], self.brings[indices], weights, len(self.sums)) - self.sums

    def discrepancy(self, indices: Ints, weights: Floats) -> float:
        """Return how far weighted rows are from all rows: the scaled squares of all gaps, 0 where none is left."""
        return float((self.gap(indices, weights) ** 2 * self.scale).sum())


def find(rows: Rows, doubt: Doubt, rng: np.random.Generator) -> Cells:
    """Grow the forest, send every row through it, and sum up."""
    numbers = trees.some(len(rows), trees.MOST_FITTED, rng)
    booster = trees.grow(rows, numbers, SETTINGS, rounds=ROUNDS, seed=int(rng.integers(2**31)))
    leaves, n_cells = _leaves(booster, rows.inputs)
    brings = _brings(rows, doubt)
    held = sums(leaves, brings**2, rows.weights, n_cells)
    whole = sums(leaves, brings, rows.weights, n_cells)
    return Cells(leaves, brings, whole, 1.0 / (held + SHRINKAGE * held.mean() + 1e-300))


def _leaves(booster: Any, inputs: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int32], int]:
    n_trees = booster.num_trees()
    wanted: Ints = np.unique(np.linspace(0, max(0, n_trees - 1), min(N_TREES, n_trees)).astype(np.int64))
    leaves = trees.leaves(booster, inputs, wanted) if len(wanted) else np.zeros((len(inputs), 1), dtype=np.int32)
    before = np.concatenate([[0], np.cumsum(leaves.max(axis=0, initial=0) + 1)])
    return leaves + before[:-1].astype(np.int32), int(before[-1])


def _brings(rows: Rows, doubt: Doubt) -> npt.NDArray[np.float32]:
    if not rows.n_classes:
        scale = float(np.std(rows.target)) or 1.0
        label = (rows.target - rows.target.mean()) / scale
        error = (rows.target - doubt.predicted[:, 0]) / scale
        return np.column_stack([np.ones(len(rows)), label, error]).astype(np.float32)
    own = rows.target.astype(np.int64)
    labels = np.eye(rows.n_classes, dtype=np.float32)[own]
    if rows.n_classes > MOST_RESIDUALS or rows.n_classes == 2:
        own_error = 1.0 - doubt.predicted[np.arange(len(rows)), own]
        errors = own_error if rows.n_classes > 2 else np.where(own == 1, own_error, -own_error)
        return np.column_stack([labels, errors]).astype(np.float32)
    return np.column_stack([labels, doubt.predicted - labels]).astype(np.float32)


def sums(leaves: npt.NDArray[np.int32], brings: npt.NDArray[np.float32], weights: Floats, n_cells: int) -> Floats:
    """Return what weighted rows bring to every cell, shape (n_cells, n_channels)."""
    total = np.zeros((n_cells, brings.shape[1]))
    for channel in range(brings.shape[1]):
        carried = brings[:, channel] * weights
        for tree in range(leaves.shape[1]):
            total[:, channel] += np.bincount(leaves[:, tree], carried, n_cells)
    return total
