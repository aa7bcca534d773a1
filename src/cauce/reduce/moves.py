"""Moves of the prototype search in numba: a prototype joins or goes, and what every candidate would gain follows.

Every row knows its nearest and its second nearest prototype, and every candidate knows by how much the rows would be
told better if it joined. When a prototype joins or goes, only the rows of its cell change their nearest one, and only
for these the gains of all candidates are put right. So the best of all candidates is always known, and a pass that
takes every prototype out and puts the best candidate in its place visits all distances twice, not once per prototype.
Of prototypes equally near the one with the lowest rank decides: a score depends on the set alone, not on its history.
Worth is counted in whole numbers, so that nothing drifts. Imported by functions that need it, since numba is an extra.
"""

from __future__ import annotations

from collections import namedtuple  # numba knows no other records

import numba
import numpy as np

NOBODY = -1

# to_rows (n_candidates, n_rows), to_candidates (n_rows, n_candidates): squared distances, infinite to oneself.
# starts (n_classes + 1,): candidates are sorted by class; labels, ranks (n_candidates,).
# worth (n_rows, n_classes): what it is worth that a row is told a class.
Ground = namedtuple("Ground", ["to_rows", "to_candidates", "starts", "labels", "ranks", "worth"])
# far, who (2, n_rows): distance and number of the nearest two prototypes; now (n_rows,): worth of what is told;
# gains (n_candidates,), 0 for those that are in; kept (n_candidates,), of which the first size[0] count.
Stand = namedtuple("Stand", ["far", "who", "now", "gains", "kept", "size"])


@numba.njit(cache=True)
def copied(stand):  # type: ignore[no-untyped-def]
    """Return the same stand, to be changed on its own."""
    return Stand(
        stand.far.copy(), stand.who.copy(), stand.now.copy(), stand.gains.copy(), stand.kept.copy(), stand.size.copy()
    )


@numba.njit(cache=True)
def _retell(apart, row, starts, ranks, worth, old, old_rank, was, new, new_rank, told, gains):  # type: ignore[no-untyped-def]
    """Put the gains right after a row's nearest prototype went from `old` away, told worth `was`, to `new`, `told`."""
    for label in range(len(starts) - 1):
        before, after = np.int32(worth[row, label] - was), np.int32(worth[row, label] - told)
        for i in range(np.uint64(starts[label]), np.uint64(starts[label + 1])):
            d = apart[row, i]
            less = before if (d < old) | ((d == old) & (ranks[i] < old_rank)) else np.int32(0)
            more = after if (d < new) | ((d == new) & (ranks[i] < new_rank)) else np.int32(0)
            gains[i] += more - less


@numba.njit(cache=True)
def add(ground, stand, one):  # type: ignore[no-untyped-def]
    """Let a prototype join."""
    stand.kept[stand.size[0]] = one
    stand.size[0] += 1
    apart, starts, ranks, worth = ground.to_candidates, ground.starts, ground.ranks, ground.worth
    far, who, now, gains = stand.far, stand.who, stand.now, stand.gains
    to, rank, label = ground.to_rows[one], ranks[one], ground.labels[one]
    for row in range(len(now)):
        d = to[row]
        if d > far[1, row] or d == np.inf:
            continue
        first, second = who[0, row], who[1, row]
        first_rank = ranks[first] if first != NOBODY else np.int32(NOBODY)
        if d < far[0, row] or (d == far[0, row] and rank < first_rank):
            told = worth[row, label]
            _retell(apart, row, starts, ranks, worth, far[0, row], first_rank, now[row], d, rank, told, gains)
            far[1, row], who[1, row] = far[0, row], first
            far[0, row], who[0, row], now[row] = d, one, told
        elif d < far[1, row] or (second != NOBODY and rank < ranks[second]):
            far[1, row], who[1, row] = d, one


@numba.njit(cache=True)
def _nearest_of(apart, row, ranks, rest, but):  # type: ignore[no-untyped-def]
    """Return which of the rest but one lies nearest to a row, and how far it is."""
    best, least, least_rank = np.int32(NOBODY), np.float32(np.inf), np.int32(NOBODY)
    for other in rest:
        d = apart[row, other]
        if d > least or other == but or d == np.inf:
            continue
        if d < least or ranks[other] < least_rank:
            best, least, least_rank = other, d, ranks[other]
    return best, least


@numba.njit(cache=True)
def drop(ground, stand, one):  # type: ignore[no-untyped-def]
    """Let a prototype go."""
    size = stand.size[0] - 1
    stand.kept[np.flatnonzero(stand.kept[: size + 1] == one)[0]] = stand.kept[size]
    stand.size[0] = size
    rest = stand.kept[:size]
    apart, starts, ranks, worth, labels = ground.to_candidates, ground.starts, ground.ranks, ground.worth, ground.labels
    far, who, now, gains = stand.far, stand.who, stand.now, stand.gains
    for row in range(len(now)):
        if who[0, row] == one:
            heir, d = who[1, row], far[1, row]
            rank = ranks[heir] if heir != NOBODY else np.int32(NOBODY)
            told = worth[row, labels[heir]] if heir != NOBODY else np.int32(0)
            _retell(apart, row, starts, ranks, worth, far[0, row], ranks[one], now[row], d, rank, told, gains)
            far[0, row], who[0, row], now[row] = d, heir, told
        elif who[1, row] != one:
            continue
        who[1, row], far[1, row] = _nearest_of(apart, row, ranks, rest, who[0, row])


@numba.njit(cache=True)
def seeded(ground, begin):  # type: ignore[no-untyped-def]
    """Return the stand of some prototypes, or of none, each named once: every gain is counted once."""
    n_candidates, n_rows = ground.to_rows.shape
    apart, ranks, worth = ground.to_candidates, ground.ranks, ground.worth
    far = np.full((2, n_rows), np.inf, dtype=np.float32)
    who = np.full((2, n_rows), NOBODY, dtype=np.int32)
    now, gains = np.zeros(n_rows, dtype=np.int32), np.zeros(n_candidates, dtype=np.int32)
    kept = np.zeros(n_candidates, dtype=np.int32)
    kept[: len(begin)] = begin
    rest = kept[: len(begin)]
    nowhere = np.float32(-1.0)
    for row in range(n_rows):
        who[0, row], far[0, row] = _nearest_of(apart, row, ranks, rest, NOBODY)
        first = who[0, row]
        who[1, row], far[1, row] = _nearest_of(apart, row, ranks, rest, first)
        told = worth[row, ground.labels[first]] if first != NOBODY else np.int32(0)
        rank = ranks[first] if first != NOBODY else np.int32(NOBODY)
        now[row] = told
        _retell(
            apart, row, ground.starts, ranks, worth,
            nowhere, np.int32(NOBODY), np.int32(0), far[0, row], rank, told, gains,
        )  # fmt: skip
    size = np.zeros(1, dtype=np.int64)
    size[0] = len(begin)
    return Stand(far, who, now, gains, kept, size)


@numba.njit(cache=True)
def _best(gains):  # type: ignore[no-untyped-def]
    """Return the candidate that gains most, one of equals by lot."""
    most = gains.max()
    n_equal = 0
    for i in range(len(gains)):
        n_equal += gains[i] == most
    lot = np.random.randint(n_equal)
    for i in range(len(gains)):
        if gains[i] == most:
            if lot == 0:
                return i
            lot -= 1
    return 0


@numba.njit(cache=True)
def _wake(before, after, stale):  # type: ignore[no-untyped-def]
    """Let all prototypes be tried again that won or lost a row."""
    for row in range(len(before)):
        if before[row] != after[row]:
            if before[row] != NOBODY:
                stale[before[row]] = False
            if after[row] != NOBODY:
                stale[after[row]] = False


@numba.njit(cache=True)
def _grow(ground, stand, price, stale):  # type: ignore[no-untyped-def]
    """Let the best candidate join as long as it gains more than its price; the first joins whatever it gains."""
    while stand.size[0] < len(stand.gains):
        one = _best(stand.gains)
        if stand.gains[one] <= price and stand.size[0]:
            break
        owners = stand.who[0].copy()
        add(ground, stand, one)
        _wake(owners, stand.who[0], stale)


@numba.njit(cache=True)
def score(stand, price):  # type: ignore[no-untyped-def]
    """Return the worth of all that is told, less the price of the prototypes."""
    return stand.now.astype(np.int64).sum() - price * stand.size[0]


@numba.njit(cache=True)
def settle(ground, stand, price, passes, seed):  # type: ignore[no-untyped-def]
    """Grow, then take every prototype out and put the best candidate in, pass after pass until nothing is won.

    A prototype that was its own best substitute is tried again only when it has won or lost a row since.

    Parameters
    ----------
    price
        What a prototype must gain to stay, above 0, in units of worth.
    passes
        At most so many.
    """
    np.random.seed(seed)
    stale = np.zeros(len(stand.gains), dtype=np.bool_)
    _grow(ground, stand, price, stale)
    for _ in range(passes):
        before = score(stand, price)
        for one in np.random.permutation(stand.kept[: stand.size[0]].copy()):
            if stale[one]:
                continue
            owners = stand.who[0].copy()
            drop(ground, stand, one)
            best = _best(stand.gains)
            worthy = stand.gains[best] > price or stand.size[0] == 0
            if worthy:
                add(ground, stand, best)
            stale[one] = True
            if best != one or not worthy:
                _wake(owners, stand.who[0], stale)
        _grow(ground, stand, price, stale)
        if score(stand, price) <= before:
            break


@numba.njit(cache=True)
def united(ground, one, other):  # type: ignore[no-untyped-def]
    """Return the stand of all prototypes of two stands."""
    child = copied(one)
    inside = np.zeros(len(one.gains), dtype=np.bool_)
    for prototype in one.kept[: one.size[0]]:
        inside[prototype] = True
    for prototype in other.kept[: other.size[0]]:
        if not inside[prototype]:
            add(ground, child, prototype)
    return child
