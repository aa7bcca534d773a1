"""Weights of training rows that take a link between group and outcome away."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def reweighed(groups: Codes, classes: Codes, *, strength: float = 1.0) -> Floats:
    """Return weights that make group and class independent (Kamiran and Calders 2012, Knowl. Inf. Syst. 33).

    A row weighs ``n_g n_y / (n n_gy)``: as much as its cell would hold if class did not depend on group, per row that
    it does hold. Shares of groups and of classes stay as they were. Rows without a group (−1) weigh 1.

    Parameters
    ----------
    groups, classes
        Shape (n_rows,); groups from 0, −1 for rows that belong to none.
    strength
        The weights are raised to this power, and scaled back to a mean of 1: our departure, for a curve between
        nothing (0) and all (1).

    Returns
    -------
    array
        Shape (n_rows,), above 0, of mean 1.

    Examples
    --------
    >>> groups, classes = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([1, 1, 1, 0, 1, 0, 0, 0])
    >>> reweighed(groups, classes).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0, 2.0, 0.667, 0.667, 0.667]
    """
    n_g, n_y, n_gy, n = _counts(groups, classes)
    return _scaled(n_g * n_y / (n * n_gy), groups, strength)


def balanced(groups: Codes, classes: Codes, *, strength: float = 1.0) -> Floats:
    """Return weights by which every class weighs alike within each group, and each group as much as before.

    A row weighs ``n_g / (k_g n_gy)`` with k_g the classes that its group has.

    Examples
    --------
    >>> balanced(np.array([0, 0, 0, 0, 1, 1]), np.array([1, 1, 1, 0, 1, 0])).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0, 1.0, 1.0]
    """
    n_g, _, n_gy, _ = _counts(groups, classes)
    cells = np.unique(np.column_stack([groups, classes]), axis=0)[:, 0]
    found, sizes = np.unique(cells, return_counts=True)
    k_g = sizes[np.searchsorted(found, groups)]
    return _scaled(n_g / (k_g * n_gy), groups, strength)


def _counts(groups: Codes, classes: Codes) -> tuple[Floats, Floats, Floats, float]:
    """Return, for every row, the rows of its group, class and cell, and all rows; those of no group are not counted."""
    known = groups >= 0
    n_groups, n_classes = int(groups.max(initial=0)) + 1, int(classes.max(initial=0)) + 1
    cells = np.bincount((groups * n_classes + classes)[known], minlength=n_groups * n_classes)
    table = cells.reshape(n_groups, n_classes).astype(np.float64)
    own = np.where(known, groups, 0)
    in_cell = np.maximum(table[own, classes], 1.0)
    return table.sum(axis=1)[own], table.sum(axis=0)[classes], in_cell, float(known.sum())


def _scaled(weights: Floats, groups: Codes, strength: float) -> Floats:
    known = groups >= 0
    powered = np.where(known, np.maximum(weights, 1e-12) ** strength, 1.0)
    mean = powered[known].mean() if known.any() else 1.0
    return np.where(known, powered / mean, 1.0)
