"""Our own 1-NN mode: few prototypes whose nearest neighbours tell the rows' classes, by a memetic search.

The fitness is that of the classical searches: half the leave-one-out accuracy of 1-NN, half the share left out. What
they score from scratch thousands of times is kept up to date here (`moves`), so the best of all candidates is known at
every step. Rows are cut into strata; in each, a small population of settled sets is united in pairs and settled again.
Then the prototypes of all strata compete once more, for all rows or for many. The fitness of training rows is easily
won by luck, so a prototype must earn more than the one row that it costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.errors import UserError
from cauce.core.extras import need
from cauce.reduce.rows import Floats, Ints, Kept, Rows

STRATUM = 2_000
"""Rows whose distances to each other are held at a time."""
POPULATION = 4
PASSES = 4
PRICE = 4.0
"""Rows that a prototype must tell rightly beyond what the others do. In the fitness it costs one."""
STARTS = (0.02, 0.05, 0.01, 0.1)
"""Share of rows that a set begins with, drawn at random, set by set."""
MOST_CELLS = 40_000_000
"""Distances between candidates of all strata and rows that are held at once, 8 bytes each."""
UNIT = 1_024
"""Whole numbers that a row's worth is counted in; fewer where there are very many rows."""


class _Labelled(NamedTuple):
    """All rows, as far as the search looks at them."""

    places: Any  # nearest.Places, which needs numba
    labels: Ints
    n_classes: int
    mass: Floats
    """Weights, 1 in the mean."""


def nearest_prototypes(
    rows: Rows,
    rng: np.random.Generator,
    *,
    budget_s: float | None = None,
    population: int = POPULATION,
    price: float = PRICE,
    clock: Callable[[], float] = time.monotonic,
) -> Kept:
    """Keep the rows that tell all others' classes best by their nearest neighbour, and as few as that takes.

    Parameters
    ----------
    budget_s
        Seconds after which nothing further is tried. One stratum is searched at least; its prototypes then stand for
        all rows, since every stratum is a sample of them. Without a budget the same seed gives the same rows.
    population
        Sets per stratum, and as many unions of two.
    price
        Rows that a prototype must tell rightly beyond what the others do, above 0. With 1 the training fitness itself
        is sought; it is won by luck in part, and more keeps fewer rows that do better on others.

    Returns
    -------
    Kept
        Each row weighs what lies nearest to it.

    Raises
    ------
    UserError
        There are no classes, or no rows.
    MissingExtra
        Numba is not installed.

    Examples
    --------
    >>> x = np.concatenate([np.linspace(0, 1, 50), np.linspace(2, 3, 50)]).astype(np.float32)
    >>> rows = Rows(x[:, None], np.repeat([0, 1], 50), np.ones(100), 2)
    >>> kept = nearest_prototypes(rows, np.random.default_rng(0))
    >>> len(kept.indices), kept.weights.sum().item()
    (2, 100.0)
    """
    need("numba", extra="reduce", what="reduction for nearest neighbours")
    from cauce.reduce import nearest

    if not rows.n_classes or not len(rows):
        hint = "For a number to predict, keep rows by the search for any model."
        raise UserError("Reduction for nearest neighbours needs rows with classes", where="reduce", hint=hint)
    until = np.inf if budget_s is None else clock() + budget_s
    labels = rows.target.astype(np.int64)
    seen = _Labelled(nearest.encode(rows), labels, rows.n_classes, rows.weights / rows.weights.mean())

    def late() -> bool:
        return clock() > until

    parts: list[tuple[Ints, Ints]] = []
    for part in nearest.strata(labels, STRATUM, rng):
        if not parts or not late():
            parts.append(_of_stratum(seen, part, (population, price), rng, late))
    if len(parts) == 1 or late():
        indices = np.sort(np.concatenate([best for best, _ in parts]))
    else:
        indices = _merged(seen, parts, price, rng)
    return nearest.stand_for(seen.places, rows.weights, indices)


def _ground(seen: _Labelled, judges: Ints, candidates: Ints) -> tuple[Any, int]:
    """Return distances and worths of candidates, sorted by class, among judges, and what one row is worth."""
    from cauce.reduce import moves, nearest

    order = np.argsort(seen.labels[candidates], kind="stable")
    there = seen.places.take(candidates[order])
    if len(judges) == len(candidates):
        judges = candidates[order]
        to_rows = to_candidates = nearest.apart(there)
    else:
        to_rows = nearest.between(seen.places.take(judges).columns, there.columns, there.n_numbers)
        place = np.minimum(np.searchsorted(judges, candidates[order]), len(judges) - 1)
        own = np.flatnonzero(judges[place] == candidates[order])
        to_rows[own, place[own]] = np.inf
        to_candidates = np.ascontiguousarray(to_rows.T)
    labels = seen.labels[candidates[order]]
    starts = np.searchsorted(labels, np.arange(seen.n_classes + 1))
    mass = seen.mass[judges]
    unit = min(UNIT, max(1, int(2**29 / mass.sum())))
    worth = np.zeros((len(judges), seen.n_classes), dtype=np.int32)
    worth[np.arange(len(judges)), seen.labels[judges]] = np.round(unit * mass)
    return moves.Ground(to_rows, to_candidates, starts, labels, order.astype(np.int32), worth), unit


def _of_stratum(
    seen: _Labelled, part: Ints, wanted: tuple[int, float], rng: np.random.Generator, late: Callable[[], bool]
) -> tuple[Ints, Ints]:
    """Return the prototypes of the best set found among the rows of `part`, and those of all sets, ascending."""
    from cauce.reduce import moves

    population, price = wanted
    ground, unit = _ground(seen, part, part)
    cost = max(1, round(price * unit))

    def settled(stand: Any) -> tuple[int, Any]:
        moves.settle(ground, stand, cost, PASSES, int(rng.integers(2**31)))
        return int(moves.score(stand, cost)), stand

    sets: list[tuple[int, Any]] = []
    while not sets or (len(sets) < population and not late()):
        share = STARTS[len(sets) % len(STARTS)]
        n_begin = min(len(part), seen.n_classes + int(share * len(part)))
        begin = rng.choice(len(part), n_begin, replace=False)
        sets.append(settled(moves.seeded(ground, begin)))
    for _ in range(population if len(sets) > 1 else 0):
        if late():
            break
        one, other = rng.choice(len(sets), 2, replace=False)
        child = settled(moves.united(ground, sets[one][1], sets[other][1]))
        worst = min(range(len(sets)), key=lambda place: sets[place][0])
        if child[0] > sets[worst][0]:
            sets[worst] = child
    chosen: list[npt.NDArray[np.int32]] = [ground.ranks[stand.kept[: stand.size[0]]] for _, stand in sets]
    best = chosen[max(range(len(sets)), key=lambda place: sets[place][0])]
    return part[np.sort(best)], part[np.unique(np.concatenate(chosen))]


def _merged(seen: _Labelled, parts: list[tuple[Ints, Ints]], price: float, rng: np.random.Generator) -> Ints:
    """Return the prototypes that stay when those of all strata compete, ascending.

    The best set of every stratum begins, and what other sets had may join. They are taken together in as many bundles
    as keep what is held at once within bounds; each is judged by all rows, or by as many as fit.
    """
    from cauce.reduce import moves

    n_rows = len(seen.labels)
    n_candidates = sum(len(all_) for _, all_ in parts)
    n_bundles = max(1, -(-n_candidates * min(n_rows, 4 * STRATUM) // MOST_CELLS))
    stay = []
    for bundle in np.array_split(np.arange(len(parts)), min(n_bundles, len(parts))):
        candidates = np.sort(np.concatenate([parts[number][1] for number in bundle]))
        begin = np.concatenate([parts[number][0] for number in bundle])
        n_judges = min(n_rows, max(1, MOST_CELLS // len(candidates)))
        judges = np.arange(n_rows) if n_judges == n_rows else np.sort(rng.choice(n_rows, n_judges, replace=False))
        ground, unit = _ground(seen, judges, candidates)
        place = np.argsort(ground.ranks)[np.searchsorted(candidates, begin)]
        stand = moves.seeded(ground, place)
        cost = max(1, round(price * unit * n_judges / n_rows))
        moves.settle(ground, stand, cost, PASSES, int(rng.integers(2**31)))
        stay.append(candidates[ground.ranks[stand.kept[: stand.size[0]]]])
    return np.sort(np.concatenate(stay))
