"""Prototypes for the nearest neighbour: a memetic search for few rows by which 1-NN tells all others.

Fitness is the mass of rows told rightly, each by its nearest prototype other than itself, less a price for every
prototype. A price of 1 is the classical half accuracy, half reduction; the usual price is higher, since the best of
many candidates always tells a row or two rightly by luck.

Large tables are searched in strata of the same mix of classes, then the strata's prototypes compete for all rows. What
differs from SSMA (Garcia, Cano and Herrera 2008): sets grow from nothing or from a few rows, where SSMA's shrink from
half of the rows; a row's second nearest prototype is known, so that all deletions are scored in one pass; the meme adds
and swaps as well; and a population of a few good sets takes the place of thousands of evaluations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cauce.core.extras import need
from cauce.reduce import neighbours
from cauce.reduce.neighbours import Places
from cauce.reduce.rows import Floats, Ints, Kept, Rows

STRATUM = 2_000
"""Rows that are searched together."""
POPULATION = 4
GENERATIONS = 8
PRICE = 3.0
"""Rows that a prototype must tell rightly beyond those told without it."""
STARTS = (0.0, 0.05, 0.0, 0.1)
"""Share of rows that a first set begins with, in turn; 0 grows from nothing."""
TRIES = 64
"""Candidates drawn for a place."""
ROUNDS = 4
MOST_JUDGED = 20_000
"""Rows by which prototypes of several strata are held against each other at most."""
MOST_MERGED = 1_000
"""Prototypes held against each other at a time."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Ground:
    """Candidates and the rows that they are judged by."""

    apart: npt.NDArray[np.float32]
    """Squared distances, shape (n_candidates, n_rows), infinite from a row to itself."""
    labels: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    mass: npt.NDArray[np.float32]

    def improve(self, begin: Ints, rng: np.random.Generator, price: float) -> tuple[float, Ints]:
        """Return a set that the meme has nothing to add to, and its fitness."""
        from cauce.reduce import prototypes

        seed = int(rng.integers(2**31))
        kept, right = prototypes.improve(
            self.apart, self.labels, self.targets, self.mass, begin, seed, price, TRIES, ROUNDS
        )
        return float(right) - price * len(kept), kept


def _ground(places: Places, labels: Ints, weights: Floats, candidates: Ints, judges: Ints) -> _Ground:
    from cauce.reduce import distances

    asked, put = places.take(judges), places.take(candidates)
    apart = distances.between(asked.columns, put.columns, places.n_numbers)
    at = np.searchsorted(judges, candidates)
    there = (at < len(judges)) & (judges[np.minimum(at, len(judges) - 1)] == candidates)
    apart[np.flatnonzero(there), at[there]] = np.inf
    mass = weights[judges] * (len(judges) / weights[judges].sum())
    codes = labels.astype(np.int32)
    return _Ground(apart, codes[candidates], codes[judges], mass.astype(np.float32))


def _evolve(
    ground: _Ground, firsts: list[Ints], rng: np.random.Generator, *, price: float, generations: int,
    late: Callable[[], bool],
) -> Ints:  # fmt: skip
    """Return the fittest set after as many unions of two parents, each trimmed by the meme."""
    population: list[tuple[float, Ints]] = []
    for first in firsts:
        if not population or not late():
            population.append(ground.improve(first, rng, price))
    population.sort(key=lambda member: -member[0])
    for _ in range(generations if len(population) > 1 else 0):
        if late():
            break
        one, other = rng.choice(len(population), 2, replace=False)
        both = rng.permutation(np.union1d(population[one][1], population[other][1]))
        child = ground.improve(both, rng, price)
        if child[0] > population[-1][0] and not any(np.array_equal(child[1], kept) for _, kept in population):
            population[-1] = child
            population.sort(key=lambda member: -member[0])
    return population[0][1]


def strata(labels: Ints, rng: np.random.Generator, size: int = STRATUM) -> list[Indices]:
    """Cut rows into parts of about `size` with the same mix of classes, each ascending.

    Examples
    --------
    >>> parts = strata(np.array([0, 0, 1, 1]), np.random.default_rng(0), size=2)
    >>> [np.array([0, 0, 1, 1])[part].tolist() for part in parts]
    [[0, 1], [0, 1]]
    """
    n_parts = max(1, round(len(labels) / size))
    order = np.lexsort([rng.random(len(labels)), labels])
    return [np.sort(order[part::n_parts]) for part in range(n_parts)]


def nearest_prototypes(
    rows: Rows,
    rng: np.random.Generator,
    *,
    budget_s: float | None = None,
    population: int = POPULATION,
    price: float = PRICE,
    clock: Callable[[], float] = time.monotonic,
) -> Kept:
    """Keep few rows by which 1-NN tells the classes of all others.

    Parameters
    ----------
    budget_s
        Seconds after which nothing new is begun. Every stratum is still searched once, so that it may take longer; the
        outcome then depends on the machine, else on the seed alone.
    population
        Sets that are improved in each stratum; twice as many children follow.
    price
        Rows that a prototype must tell rightly beyond those told without it; 1 weighs accuracy and reduction alike.

    Returns
    -------
    Kept
        Rows, each weighing what lies nearest to it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2)).astype(np.float32)
    >>> rows = Rows(x, (x[:, 0] > 0).astype(np.int64), np.ones(200), 2)
    >>> kept = nearest_prototypes(rows, rng)
    >>> len(kept.indices) < 10, float(kept.weights.sum())
    (True, 200.0)
    """
    need("numba", extra="reduce", what="the search for prototypes")
    labels = neighbours.classes_of(rows, "the search for prototypes")
    places = neighbours.encode(rows)
    until = np.inf if budget_s is None else clock() + budget_s

    def late() -> bool:
        return clock() > until

    found = []
    for part in strata(labels, rng):
        ground = _ground(places, labels, rows.weights, part, part)
        shares = [STARTS[i % len(STARTS)] for i in range(max(1, population))]
        firsts = [rng.permutation(len(part))[: int(share * len(part))] for share in shares]
        kept = _evolve(ground, firsts, rng, price=price, generations=2 * population, late=late)
        found.append(part[kept])
    return neighbours.stand_for(places, rows.weights, _merge(places, labels, rows.weights, found, rng, price, late))


def _merge(
    places: Places, labels: Ints, weights: Floats, found: list[Indices], rng: np.random.Generator,
    price: float, late: Callable[[], bool],
) -> Ints:  # fmt: skip
    """Let prototypes of several strata compete for the rows of all, in groups where they are many."""
    while len(found) > 1:
        groups: list[list[Indices]] = [[]]
        for some in found:
            if len(groups[-1]) > 1 and sum(map(len, groups[-1])) + len(some) > MOST_MERGED:
                groups.append([])
            groups[-1].append(some)
        found = [_compete(places, labels, weights, np.sort(np.concatenate(g)), rng, price, late) for g in groups]
    return np.sort(found[0])


def _compete(
    places: Places, labels: Ints, weights: Floats, candidates: Ints, rng: np.random.Generator,
    price: float, late: Callable[[], bool],
) -> Ints:  # fmt: skip
    judges = np.arange(len(labels))
    if len(judges) > MOST_JUDGED:
        judges = np.sort(rng.choice(len(judges), MOST_JUDGED, replace=False))
    ground = _ground(places, labels, weights, candidates, judges)
    everyone = np.arange(len(candidates))
    return candidates[_evolve(ground, [rng.permutation(everyone)], rng, price=price, generations=0, late=late)]
