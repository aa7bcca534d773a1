"""Folds among the rows to develop on: random, by class, by group, or expanding in time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cauce.profile.hashing import Hashes

Rows = npt.NDArray[np.int64]
Folds = tuple[tuple[Rows, Rows], ...]
FIRST_TRAINING = 0.4
"""Least share of the rows in the first training part of expanding folds, where the moments allow it."""


def random(develop: Rows, order: Hashes, n_folds: int) -> Folds:
    """Deal the rows into folds of equal size, in the order of their hashes."""
    codes = np.zeros(len(order), np.int64)
    return stratified(develop, codes, order, n_folds)


def stratified(develop: Rows, codes: Rows, order: Hashes, n_folds: int) -> Folds:
    """Deal each class into the folds in turn, by hash; each class starts where the last one ended."""
    _, local = np.unique(codes[develop], return_inverse=True)
    position, sizes = ranks(local, order[develop])
    if sizes.sum() < 2:  # copies of one row
        position, sizes = ranks(local, np.arange(len(develop), dtype=np.uint64))
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)[:-1]])
    return _from_assignment(develop, (position + start[local]) % min(n_folds, len(develop)))


def ranks(codes: Rows, order: Hashes) -> tuple[Rows, Rows]:
    """Return each row's rank by hash within its class, shape (n,), and how many ranks each class has.

    Rows of one hash, which are copies of each other, have the same rank.
    """
    sorted_rows = np.lexsort((order, codes))
    code, own = codes[sorted_rows], order[sorted_rows]
    fresh = np.ones(len(codes), bool)
    fresh[1:] = (code[1:] != code[:-1]) | (own[1:] != own[:-1])
    sizes = np.bincount(code[fresh])
    start = np.cumsum(sizes) - sizes
    rank = np.empty(len(codes), np.int64)
    rank[sorted_rows] = np.cumsum(fresh) - 1 - start[code]
    return rank, sizes.astype(np.int64)


def grouped(develop: Rows, groups: Rows, order: Hashes, n_folds: int) -> Folds:
    """Put whole groups into folds of about equal size: the largest first, each into the fold with the fewest rows.

    Parameters
    ----------
    groups
        Group number of every row of the table.
    order
        Hash of every group; decides among groups of equal size.
    """
    present, sizes = np.unique(groups[develop], return_counts=True)
    n_folds = min(n_folds, len(present))
    load = np.zeros(n_folds, np.int64)
    fold_of = np.zeros(int(groups.max()) + 1, np.int64)
    for i in np.lexsort((order[present], -sizes)):
        lightest = int(np.argmin(load))
        fold_of[present[i]] = lightest
        load[lightest] += sizes[i]
    return _from_assignment(develop, fold_of[groups[develop]])


def expanding(develop: Rows, when: Rows, n_folds: int) -> Folds:
    """Cut time into a first training part and `n_folds` test parts; each fold trains on all that is strictly earlier.

    Few distinct moments give fewer folds; one moment gives none.

    Examples
    --------
    >>> year = np.array([1, 1, 2, 2, 3, 3, 4, 4])
    >>> [(train.tolist(), test.tolist()) for train, test in expanding(np.arange(8), year, 5)]
    [([0, 1, 2, 3], [4, 5]), ([0, 1, 2, 3, 4, 5], [6, 7])]
    """
    moments, counts = np.unique(when[develop], return_counts=True)
    if len(moments) < 2:
        return ()
    share = np.cumsum(counts)[:-1] / len(develop)  # share of the rows before each possible start of a test part
    starts = _starts(share, n_folds)
    folds = []
    for i, start in enumerate(starts):
        begin = moments[start + 1]
        end = moments[starts[i + 1] + 1] if i + 1 < len(starts) else None
        inside = when[develop] >= begin
        if end is not None:
            inside &= when[develop] < end
        folds.append((develop[when[develop] < begin], develop[inside]))
    return tuple(folds)


def _starts(share: npt.NDArray[np.float64], n_folds: int) -> list[int]:
    """Choose where test parts begin: near equal steps from the first training part on."""
    late = np.flatnonzero(share >= FIRST_TRAINING)
    if len(late) < 2:  # two folds where possible, even if the first one trains on less
        late = np.arange(max(0, len(share) - 2), len(share))
    goals = FIRST_TRAINING + (1.0 - FIRST_TRAINING) * np.arange(n_folds) / n_folds
    nearest = {int(late[np.argmin(np.abs(share[late] - goal))]) for goal in goals}
    return sorted(nearest) if len(nearest) > 1 else [int(i) for i in late[:n_folds]]


def _from_assignment(develop: Rows, fold_of: Rows) -> Folds:
    return tuple((develop[fold_of != i], develop[fold_of == i]) for i in range(int(fold_of.max()) + 1))
