"""LightGBM as the reducer uses it: fits that say what a row is like, on at most so many rows, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.reduce.rows import Floats, Ints, Rows

MOST_FITTED = 100_000
"""Rows that a describing forest learns from: more of them would not change where it cuts."""
BATCH = 65_536
"""Rows predicted at a time."""


def grow(
    rows: Rows, numbers: Ints, settings: dict[str, float | int], *, rounds: int, seed: int, target: Floats | None = None
) -> Any:
    """Fit a booster on some of the rows.

    Parameters
    ----------
    numbers
        Row numbers to fit on, shape (n_fitted,).
    settings
        LightGBM's parameters beside objective, seed and threads.
    target
        Numbers to fit in place of the rows' own target, shape (n_rows,).

    Returns
    -------
    lightgbm.Booster
        With `rounds` trees, times the classes where there are more than two.
    """
    import lightgbm

    aim: dict[str, Any] = {"objective": "regression"}
    if target is None and rows.n_classes > 2:
        aim = {"objective": "multiclass", "num_class": rows.n_classes}
    elif target is None and rows.n_classes:
        aim = {"objective": "binary"}
    fixed = {"verbose": -1, "num_threads": 1, "seed": seed, "deterministic": True, "force_row_wise": True}
    data = lightgbm.Dataset(
        rows.inputs[numbers],
        (rows.target if target is None else target)[numbers],
        weight=rows.weights[numbers],
        categorical_feature=list(rows.categorical),
        params={"verbose": -1, "max_bin": 127, "num_threads": 1},
    )
    return lightgbm.train({**fixed, **aim, **settings}, data, rounds)


def told(booster: Any, inputs: npt.NDArray[np.float32], n_classes: int) -> Floats:
    """Return probabilities, shape (n_rows, n_classes), or predicted numbers, shape (n_rows, 1)."""
    parts = [booster.predict(inputs[i : i + BATCH], num_threads=1) for i in range(0, len(inputs), BATCH)]
    said: Floats = np.concatenate(parts) if parts else np.zeros(0)
    if n_classes == 2:
        return np.column_stack([1.0 - said, said])
    return said.reshape(len(inputs), -1)


def leaves(booster: Any, inputs: npt.NDArray[np.float32], wanted: Ints | None = None) -> npt.NDArray[np.int32]:
    """Return the leaf of every row in every tree, or in the `wanted` ones, shape (n_rows, n_trees)."""
    trees = np.arange(booster.num_trees()) if wanted is None else wanted
    found = np.zeros((len(inputs), len(trees)), dtype=np.int32)
    for start in range(0, len(inputs), BATCH):
        part = inputs[start : start + BATCH]
        told = booster.predict(part, pred_leaf=True, num_threads=1).reshape(len(part), -1)
        found[start : start + BATCH] = told[:, trees]
    return found


def some(n_rows: int, most: int, rng: np.random.Generator) -> Ints:
    """Return all row numbers, or `most` of them drawn, ascending."""
    if n_rows <= most:
        return np.arange(n_rows)
    return np.sort(rng.choice(n_rows, most, replace=False))
