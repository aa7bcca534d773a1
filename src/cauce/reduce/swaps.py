"""The meme in numba: kept rows swapped for others of their kind, as long as the discrepancy of the cells falls.

Imported by functions that need it, since numba is an extra.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(fastmath=True, cache=True)
def _change(leaves, brings, scale, gap, out, out_weight, into, into_weight):  # type: ignore[no-untyped-def]
    """Return by how much the discrepancy changes when one row goes and another comes."""
    total = 0.0
    for tree in range(leaves.shape[1]):
        here, there = leaves[out, tree], leaves[into, tree]
        for channel in range(brings.shape[1]):
            less = out_weight * brings[out, channel]
            more = into_weight * brings[into, channel]
            if here == there:
                step = more - less
                total += scale[here, channel] * step * (2.0 * gap[here, channel] + step)
            else:
                total -= scale[here, channel] * less * (2.0 * gap[here, channel] - less)
                total += scale[there, channel] * more * (2.0 * gap[there, channel] + more)
    return total


@numba.njit(fastmath=True, cache=True)
def _exchange(leaves, brings, gap, out, out_weight, into, into_weight):  # type: ignore[no-untyped-def]
    for tree in range(leaves.shape[1]):
        here, there = leaves[out, tree], leaves[into, tree]
        for channel in range(brings.shape[1]):
            gap[here, channel] -= out_weight * brings[out, channel]
            gap[there, channel] += into_weight * brings[into, channel]


@numba.njit(fastmath=True, cache=True)
def improve(leaves, brings, scale, gap, weight, starts, members, kind, kept, chosen, tries, seed):  # type: ignore[no-untyped-def]
    """Try `tries` swaps within kinds; change `gap`, `kept` and `chosen` in place and return how many were made.

    Parameters
    ----------
    weight
        What each row weighs when it is kept, shape (n_rows,).
    starts, members
        Rows sorted by kind, and where each kind begins.
    kind
        Kind of each row, shape (n_rows,).
    kept, chosen
        Whether a row is kept, shape (n_rows,), and the numbers of those that are, shape (n_kept,).
    """
    np.random.seed(seed)
    made = 0
    for _ in range(tries):
        place = np.random.randint(len(chosen))
        out = chosen[place]
        first, last = starts[kind[out]], starts[kind[out] + 1]
        into = members[first + np.random.randint(last - first)]
        if kept[into]:
            continue
        if _change(leaves, brings, scale, gap, out, weight[out], into, weight[into]) < 0.0:
            _exchange(leaves, brings, gap, out, weight[out], into, weight[into])
            kept[out], kept[into] = False, True
            chosen[place] = into
            made += 1
    return made
