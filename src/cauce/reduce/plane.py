"""Rows on a plane, for a picture of which stayed: the two directions in which they scatter most."""

from __future__ import annotations

import numpy as np

from cauce.reduce.rows import Floats, Ints, Rows

MOST_POINTS = 1_500


def plane(rows: Rows, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Return some row numbers, ascending, and where these rows lie, shape (n_points, 2).

    Numbers are standardised, missing ones in the middle; categories count by how frequent they are.
    """
    numbers = np.sort(rng.choice(len(rows), min(len(rows), MOST_POINTS), replace=False))
    inputs = rows.inputs[numbers].astype(np.float64)
    for column in rows.categorical:
        codes = np.nan_to_num(inputs[:, column], nan=-1.0).astype(np.int64) + 1
        inputs[:, column] = np.bincount(codes)[codes]
    known = np.isfinite(inputs)
    middle = np.where(known, inputs, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    inputs = np.where(known, inputs, middle) - middle
    spread = inputs.std(axis=0)
    scaled = inputs / np.where(spread > 0, spread, 1.0)
    _, _, directions = np.linalg.svd(scaled, full_matrices=False)
    axes = directions[:2] * np.sign(directions[:2].sum(axis=1, keepdims=True) + 1e-300)
    places: Floats = scaled @ axes.T
    if places.shape[1] < 2:
        places = np.column_stack([places, np.zeros(len(places))])
    return numbers, places
