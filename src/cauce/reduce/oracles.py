"""Kernels of the two classical searches in numba: SSMA and CHC, with 1-NN and the distances between all rows at hand.

SSMA: Garcia, Cano and Herrera, Pattern Recognition 41, 2008. CHC for instance selection: Cano, Herrera and Lozano, IEEE
TEC 7, 2003. What the papers leave open is as in KEEL, their authors' program: in CHC a gene that crossover or a restart
would set is set only with a chance; in SSMA a child that is no better than the worst gets its meme one time in sixteen.
Imported by functions that need it, since numba is an extra.
"""

from __future__ import annotations

import numba
import numpy as np

SSMA_POPULATION, SSMA_CROSS, SSMA_MUTATE, SSMA_ANYWAY, SSMA_STALE = 30, 0.5, 0.001, 0.0625, 10
CHC_POPULATION, CHC_RESTART, CHC_TO_ONE, CHC_TO_ONE_AT_RESTART = 50, 0.35, 0.25, 0.05


@numba.njit(cache=True)
def _listed(genes, kept):  # type: ignore[no-untyped-def]
    """Fill `kept` with the rows whose gene is set, ascending; return how many."""
    n_kept = 0
    for i in range(len(genes)):
        if genes[i]:
            kept[n_kept] = i
            n_kept += 1
    return n_kept


@numba.njit(cache=True)
def evaluate(apart, labels, genes, kept, who):  # type: ignore[no-untyped-def]
    """Fill `who` with every row's nearest kept other row; return how many are told rightly and how many are kept."""
    n_kept = _listed(genes, kept)
    n_right = 0
    for j in range(len(labels)):
        row = apart[j]
        best, least = -1, np.float32(np.inf)
        for place in range(n_kept):
            i = kept[place]
            if row[i] < least:
                best, least = i, row[i]
        who[j] = best
        n_right += best >= 0 and labels[best] == labels[j]
    return n_right, n_kept


@numba.njit(cache=True)
def fitness(n_right, n_kept, n_rows):  # type: ignore[no-untyped-def]
    """Return half the share told rightly and half the share left out."""
    return 0.5 * n_right / n_rows + 0.5 * (n_rows - n_kept) / n_rows


@numba.njit(cache=True)
def without(apart, labels, kept, n_kept, who, one, moved, to):  # type: ignore[no-untyped-def]
    """Score the set without one row: fill which rows change their nearest, and to whom; return gain and how many."""
    change, n_moved = 0, 0
    for j in range(len(labels)):
        if who[j] != one:
            continue
        row = apart[j]
        best, least = -1, np.float32(np.inf)
        for place in range(n_kept):
            i = kept[place]
            if i != one and row[i] < least:
                best, least = i, row[i]
        change += int(best >= 0 and labels[best] == labels[j]) - int(labels[one] == labels[j])
        moved[n_moved], to[n_moved] = j, best
        n_moved += 1
    return change, n_moved


@numba.njit(cache=True)
def _meme(apart, labels, genes, who, n_right, threshold, visits, kept, moved, to):  # type: ignore[no-untyped-def]
    """Take rows out in random order, each if no more is lost than the threshold allows, and begin again after each."""
    n_rows, spent = len(labels), 0.0
    n_kept = _listed(genes, kept)
    visits[:n_kept] = kept[:n_kept]
    at, n_visits = 0, n_kept
    while at < n_visits:
        other = np.random.randint(at, n_visits)
        visits[at], visits[other] = visits[other], visits[at]
        one = visits[at]
        change, n_moved = without(apart, labels, kept, n_kept, who, one, moved, to)
        spent += n_moved / n_rows
        at += 1
        if change >= threshold and n_kept > 1:
            genes[one] = False
            for place in range(n_moved):
                who[moved[place]] = to[place]
            n_right += change
            n_kept = _listed(genes, kept)
            visits[:n_kept] = kept[:n_kept]
            at, n_visits = 0, n_kept
    return n_right, n_kept, spent


@numba.njit(cache=True)
def _tournament(quality):  # type: ignore[no-untyped-def]
    one = np.random.randint(len(quality))
    other = np.random.randint(len(quality) - 1)
    other += other >= one
    return one if quality[one] > quality[other] else other


@numba.njit(cache=True)
def _stale(now, state):  # type: ignore[no-untyped-def]
    """Count in `state` (last value, turns) how long a figure has not grown."""
    state[1] = state[1] + 1 if state[0] >= now else 0
    state[0] = now


@numba.njit(cache=True)
def _adapt(threshold, accuracy, reduction):  # type: ignore[no-untyped-def]
    """Move the meme's threshold up where accuracy stands still, down where reduction does; by lot where both do."""
    up, down = accuracy[1] >= SSMA_STALE, reduction[1] >= SSMA_STALE
    if up and (not down or np.random.randint(2) == 0):
        accuracy[1] = 0
        return threshold + 1
    if down:
        reduction[1] = 0
        return threshold - 1
    return threshold


@numba.njit(cache=True)
def _cross_and_mutate(genes, one, other, out):  # type: ignore[no-untyped-def]
    """Take each gene from either parent, then flip a few."""
    for i in range(len(out)):
        gene = genes[other, i] if np.random.random() < SSMA_CROSS else genes[one, i]
        out[i] = gene != (np.random.random() < SSMA_MUTATE)


@numba.njit(cache=True)
def ssma(apart, labels, seed, evaluations):  # type: ignore[no-untyped-def]
    """Return the genes of the fittest set, shape (n_rows,), and the evaluations spent."""
    np.random.seed(seed)
    n_rows, size = len(labels), SSMA_POPULATION
    genes = np.random.random((size, n_rows)) < 0.5
    quality, rights = np.empty(size), np.empty(size, dtype=np.int64)
    kept, visits, moved, to = np.empty((4, n_rows), dtype=np.int64)
    who = np.empty((2, n_rows), dtype=np.int64)
    for i in range(size):
        rights[i], n_kept = evaluate(apart, labels, genes[i], kept, who[0])
        quality[i] = fitness(rights[i], n_kept, n_rows)
    spent, threshold = 0.0, 0
    accuracy, reduction = np.zeros(2), np.zeros(2)
    children = np.empty((2, n_rows), dtype=np.bool_)
    told, made = np.empty(2, dtype=np.int64), np.empty(2)
    while spent < evaluations:
        order = np.argsort(-quality)
        _stale(rights[order[0]] / n_rows, accuracy)
        _stale(1.0 - genes[order[0]].sum() / n_rows, reduction)
        threshold = _adapt(threshold, accuracy, reduction)
        one, other = _tournament(quality), _tournament(quality)
        _cross_and_mutate(genes, one, other, children[0])
        _cross_and_mutate(genes, other, one, children[1])
        for i in range(2):
            told[i], n_kept = evaluate(apart, labels, children[i], kept, who[i])
            made[i] = fitness(told[i], n_kept, n_rows)
            spent += 1.0
        for i in range(2):
            if made[i] > quality[order[size - 1]] or np.random.random() < SSMA_ANYWAY:
                told[i], n_kept, more = _meme(
                    apart, labels, children[i], who[i], told[i], threshold, visits, kept, moved, to
                )
                made[i] = fitness(told[i], n_kept, n_rows)
                spent += more
        for i in range(2):
            place = order[size - 1 - i]
            if made[i] > quality[place]:
                genes[place], quality[place], rights[place] = children[i], made[i], told[i]
    return genes[np.argmax(quality)], spent


@numba.njit(cache=True)
def _half_uniform(one, other):  # type: ignore[no-untyped-def]
    """Exchange about half of the genes that differ; one that would be set is so only with a chance."""
    for i in range(len(one)):
        if one[i] != other[i] and np.random.random() < 0.5:
            one[i] = not one[i] and np.random.random() < CHC_TO_ONE
            other[i] = not other[i] and np.random.random() < CHC_TO_ONE


@numba.njit(cache=True)
def _children(genes, distance):  # type: ignore[no-untyped-def]
    """Pair all at random and return the children of those that differ enough."""
    size, n_rows = genes.shape
    order = np.random.permutation(size)
    children = np.empty((size, n_rows), dtype=np.bool_)
    n_children = 0
    for pair in range(size // 2):
        one, other = order[2 * pair], order[2 * pair + 1]
        if (genes[one] != genes[other]).sum() // 2 > distance:
            children[n_children], children[n_children + 1] = genes[one], genes[other]
            _half_uniform(children[n_children], children[n_children + 1])
            n_children += 2
    return children[:n_children]


@numba.njit(cache=True)
def _restart(genes, best):  # type: ignore[no-untyped-def]
    """Make all but the best anew from it, a share of their genes drawn again."""
    for i in range(len(genes)):
        if i == best:
            continue
        for j in range(genes.shape[1]):
            fresh = np.random.random() < CHC_RESTART
            genes[i, j] = (np.random.random() < CHC_TO_ONE_AT_RESTART) if fresh else genes[best, j]


@numba.njit(cache=True)
def chc(apart, labels, seed, evaluations):  # type: ignore[no-untyped-def]
    """Return the genes of the fittest set, shape (n_rows,), and the evaluations spent."""
    np.random.seed(seed)
    n_rows, size = len(labels), CHC_POPULATION
    genes = np.random.random((size, n_rows)) < 0.5
    quality = np.empty(size)
    kept, who = np.empty((2, n_rows), dtype=np.int64)
    for i in range(size):
        n_right, n_kept = evaluate(apart, labels, genes[i], kept, who)
        quality[i] = fitness(n_right, n_kept, n_rows)
    spent, distance = 0, n_rows // 4
    while spent < evaluations:
        children = _children(genes, distance)
        made = np.empty(len(children))
        for i in range(len(children)):
            n_right, n_kept = evaluate(apart, labels, children[i], kept, who)
            made[i] = fitness(n_right, n_kept, n_rows)
        spent += len(children)
        if len(children) == 0 or made.max() < quality.min():
            distance -= 1
            spent += len(children) == 0  # a set of very few rows would go on for ever
        else:
            both, all_genes = np.concatenate((quality, made)), np.concatenate((genes, children))
            order = np.argsort(-both, kind="mergesort")[:size]
            genes, quality = all_genes[order], both[order]
        if distance < 0:
            best = np.argmax(quality)
            _restart(genes, best)
            for i in range(size):
                if i != best:
                    n_right, n_kept = evaluate(apart, labels, genes[i], kept, who)
                    quality[i] = fitness(n_right, n_kept, n_rows)
            spent += size - 1
            distance = int(CHC_RESTART * (1.0 - CHC_RESTART) * n_rows)
    return genes[np.argmax(quality)], spent
