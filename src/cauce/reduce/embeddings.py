"""The same search for texts and other things known by their embeddings: near-duplicates first, then cells of meaning.

For similarity and fine-tuning sets nothing is predicted, so nothing is doubtful: cells are clusters of directions at
several finenesses, and kept items sum to what all do in each. An item nearly the same as an earlier one is not kept;
what it weighs goes to that one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.extras import need
from cauce.reduce import cells, trees
from cauce.reduce.cells import Cells
from cauce.reduce.quotas import inclusion, systematic
from cauce.reduce.rows import Floats, Ints, Kept

SAME = 0.97
"""Cosine from which two items are nearly the same."""
PLANES, BANDS = 16, 12
"""Random planes a band, and bands: items on one side of all planes of some band are compared. Two of cosine 0.97 share
a band in 98 of 100 cases."""
MOST_IN_BUCKET = 2_000
CLUSTERS = (8, 32, 128)
"""Finenesses of the cells: numbers of clusters, less where items are few."""
MOST_FITTED = 20_000
TRIES = 400


class Distinct(NamedTuple):
    """Items of which none is nearly the same as another, and what each stands for."""

    indices: Ints
    """Item numbers, shape (n_distinct,), ascending."""
    weights: Floats
    """Shape (n_distinct,): of the item and of those nearly the same."""


def near_duplicates(
    vectors: npt.ArrayLike, rng: np.random.Generator, *, weights: npt.ArrayLike | None = None, same: float = SAME
) -> Distinct:
    """Return the first of every set of items that are nearly the same.

    Parameters
    ----------
    vectors
        Embeddings, shape (n_items, n_dimensions), finite; lengths do not count.
    weights
        Shape (n_items,), above zero; 1 each when None.
    same
        Cosine from which two items are nearly the same.

    Notes
    -----
    Signs of random projections propose pairs (Charikar, STOC 2002), their cosine decides.
    """
    unit = _unit(vectors)
    weight = np.ones(len(unit)) if weights is None else np.array(weights, dtype=np.float64)
    leader = np.arange(len(unit))
    for _ in range(BANDS):
        sides = unit @ rng.normal(size=(unit.shape[1], PLANES)).astype(np.float32) > 0
        codes = sides @ (1 << np.arange(PLANES))
        order = np.argsort(codes, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
            _merge(unit, np.sort(bucket)[:MOST_IN_BUCKET], leader, same)
    total: Floats = np.bincount(leader, weight, len(unit)).astype(np.float64)
    indices = np.flatnonzero(leader == np.arange(len(unit)))
    return Distinct(indices, total[indices])


def _merge(unit: npt.NDArray[np.float32], bucket: Ints, leader: Ints, same: float) -> None:
    """Give every item of a bucket that still leads to the first one that it is nearly the same as."""
    bucket = bucket[leader[bucket] == bucket]
    if len(bucket) < 2:
        return
    close = unit[bucket] @ unit[bucket].T >= same
    first = close.argmax(axis=1)
    for place in np.flatnonzero(first < np.arange(len(bucket))):
        to = bucket[first[place]]
        if leader[to] == to:
            leader[leader == bucket[place]] = to


def keep_items(
    vectors: npt.ArrayLike, n_keep: int, rng: np.random.Generator, *, weights: npt.ArrayLike | None = None
) -> Kept:
    """Return items that stand for all: no near-duplicates, and in every cell of meaning as much weight as all have.

    Parameters
    ----------
    vectors
        Embeddings, shape (n_items, n_dimensions), finite.
    n_keep
        Items to keep; fewer where fewer are distinct.
    weights
        Shape (n_items,), above zero; 1 each when None.

    Raises
    ------
    MissingExtra
        numba is not installed.
    """
    need("numba", extra="reduce", what="the search for items to keep")
    from cauce.reduce import swaps

    distinct = near_duplicates(vectors, rng, weights=weights)
    unit, weight = _unit(vectors)[distinct.indices], distinct.weights
    if n_keep >= len(unit):
        return Kept(distinct.indices, weight)
    found = _cells(unit, weight, rng)
    chances = inclusion(weight, n_keep)
    chosen = systematic(chances, np.argsort(found.leaves[:, -1] + rng.random(len(unit))), rng)
    kept = np.zeros(len(unit), dtype=np.bool_)
    kept[chosen] = True
    each = weight / np.maximum(chances, 1e-12)
    each *= weight.sum() / each[chosen].sum()
    starts, members, kind = np.array([0, len(unit)]), np.arange(len(unit)), np.zeros(len(unit), dtype=np.int64)
    gap = found.gap(chosen, each[chosen])
    fixed = (found.leaves, found.brings, found.scale)
    swaps.improve(*fixed, gap, each, starts, members, kind, kept, chosen, TRIES * len(chosen), int(rng.integers(2**31)))
    chosen = np.sort(chosen)
    stood_for = each[chosen] * (weight.sum() / each[chosen].sum())
    return Kept(distinct.indices[chosen], stood_for)


def _cells(unit: npt.NDArray[np.float32], weight: Floats, rng: np.random.Generator) -> Cells:
    """Return clusters as cells, to each of which an item brings its weight."""
    from sklearn.cluster import MiniBatchKMeans

    some = trees.some(len(unit), MOST_FITTED, rng)
    leaves = []
    before = 0
    for n_clusters in CLUSTERS:
        model = MiniBatchKMeans(
            min(n_clusters, max(1, len(unit) // 10)), n_init=1, random_state=int(rng.integers(2**31))
        ).fit(unit[some])
        leaves.append(model.predict(unit) + before)
        before += model.n_clusters
    lies = np.stack(leaves, axis=1).astype(np.int32)
    brings = np.ones((len(unit), 1), dtype=np.float32)
    whole = cells.sums(lies, brings, weight, before)
    return Cells(lies, brings, whole, 1.0 / (whole + cells.SHRINKAGE * whole.mean()))


def _unit(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    given = np.asarray(vectors, dtype=np.float32)
    if given.ndim != 2 or not len(given) or not np.isfinite(given).all():
        raise ValueError(
            f"vectors have shape {given.shape}: finite numbers of shape (n_items, n_dimensions) are needed"
        )
    length = np.linalg.norm(given, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = given / np.maximum(length, 1e-12)
    return unit
