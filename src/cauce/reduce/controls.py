"""Other ways to keep fewer rows, in one shape, for the search to be held against.

Some keep as many rows as they are asked to: `every`, `random`, `stratified`, `k_centre`, `one_shot`. The others are for
1-NN and find their own number: `condensed`, `edited`, and the searches `ssma` and `chc`, which are slow and here as
oracles. These go by classes alone, and by distances as `nearest.encode` lays rows out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cauce.core.errors import UserError
from cauce.core.extras import need
from cauce.reduce import doubt, quotas
from cauce.reduce.rows import Ints, Kept, Rows

EVALUATIONS = 10_000
"""Sets that SSMA and CHC score in each stratum."""
STRATUM = 2_000
"""Rows in a stratum of SSMA and CHC."""
EDITED_BY = 3


class Control(Protocol):
    """One way to keep fewer rows."""

    def __call__(self, rows: Rows, n_keep: int, rng: np.random.Generator) -> Kept:
        """Return which rows stay; 1 to all are asked for, and ways that find their own number do not look at it.

        The same generator gives the same rows.
        """


def every(rows: Rows, n_keep: int, rng: np.random.Generator) -> Kept:
    """Keep all rows."""
    return Kept(np.arange(len(rows)), rows.weights.astype(np.float64))


def random(rows: Rows, n_keep: int, rng: np.random.Generator) -> Kept:
    """Keep rows drawn without regard to anything."""
    n_keep = _bounded(rows, n_keep)
    return _scaled(rows, np.sort(rng.choice(len(rows), n_keep, replace=False)))


def one_shot(rows: Rows, n_keep: int, rng: np.random.Generator) -> Kept:
    """Keep of every cell as its mass and its cross-fitted doubt say (`quotas.one_shot`)."""
    n_keep = _bounded(rows, n_keep)
    return quotas.one_shot(rows, n_keep, rng, doubt.cross_fit(rows, rng))


def stratified(rows: Rows, n_keep: int, rng: np.random.Generator) -> Kept:
    """Keep of every class, or tenth of the target, its share (`quotas.stratified`)."""
    return quotas.stratified(rows, _bounded(rows, n_keep), rng)


def k_centre(rows: Rows, n_keep: int, rng: np.random.Generator) -> Kept:
    """Keep rows so that none is far from a kept one: Gonzalez' greedy choice, on columns of standard deviation 1."""
    nearest = _nearest("k-centre")
    n_keep = _bounded(rows, n_keep)
    places = nearest.scale(rows, standard=True).place(rows)
    chosen = nearest.farthest_first(places.columns, places.n_numbers, int(rng.integers(len(rows))), n_keep)
    return _stand_for(nearest, rows, np.sort(chosen), places)


def condensed(rows: Rows, n_keep: int, rng: np.random.Generator) -> Kept:
    """Keep rows that tell all others rightly by 1-NN (Hart 1968), visited in random order."""
    nearest, labels = _nearest("condensing"), classes_of(rows, "Condensing")
    places = nearest.encode(rows)
    kept = nearest.condense(places.columns, places.n_numbers, labels, rng.permutation(len(rows)))
    return _stand_for(nearest, rows, np.flatnonzero(kept), places)


def edited(rows: Rows, n_keep: int, rng: np.random.Generator) -> Kept:
    """Keep rows whose three nearest others agree with them (Wilson 1972), or all where none does.

    Where every one of the three says something else, the nearest decides.
    """
    nearest, labels = _nearest("editing"), classes_of(rows, "Editing")
    places = nearest.encode(rows)
    who = nearest.nearest_few(places.columns, places.n_numbers, EDITED_BY)
    kept = np.flatnonzero(voted(labels, who, rows.n_classes) == labels)
    return _scaled(rows, kept if len(kept) else np.arange(len(rows)))


def voted(labels: Ints, who: npt.NDArray[np.int64], n_classes: int) -> Ints:
    """Return what most of each row's neighbours say, the nearest of the most frequent, shape (n_rows,).

    Parameters
    ----------
    who
        Row numbers, nearest first, shape (n_rows, k); −1 for nobody. Without any neighbour a row says its own.
    """
    votes = np.zeros((len(labels), n_classes), dtype=np.int64)
    for place in range(who.shape[1]):
        there = np.flatnonzero(who[:, place] >= 0)
        votes[there, labels[who[there, place]]] += 1
    said = labels.copy()
    for place in reversed(range(who.shape[1])):
        there = np.flatnonzero(who[:, place] >= 0)
        heard = labels[who[there, place]]
        most = votes[there, heard] == votes[there].max(axis=1)
        said[there[most]] = heard[most]
    return said


def ssma(rows: Rows, n_keep: int, rng: np.random.Generator) -> Kept:
    """Keep what the steady-state memetic algorithm finds (Garcia, Cano and Herrera 2008): slow, an oracle."""
    nearest = _nearest("SSMA")
    from cauce.reduce import oracles

    return _searched(nearest, rows, oracles.ssma, rng)


def chc(rows: Rows, n_keep: int, rng: np.random.Generator) -> Kept:
    """Keep what CHC finds (Cano, Herrera and Lozano 2003): slow, an oracle."""
    nearest = _nearest("CHC")
    from cauce.reduce import oracles

    return _searched(nearest, rows, oracles.chc, rng)


CONTROLS: dict[str, Control] = {
    "every": every,
    "random": random,
    "stratified": stratified,
    "one_shot": one_shot,
    "k_centre": k_centre,
    "condensed": condensed,
    "edited": edited,
    "ssma": ssma,
    "chc": chc,
}
OWN_SIZE = frozenset({"every", "condensed", "edited", "ssma", "chc"})
"""Controls that do not look at the number asked for."""


def classes_of(rows: Rows, what: str) -> Ints:
    """Return class codes, or refuse numbers to predict."""
    if not rows.n_classes:
        raise UserError(f"{what} needs classes", where="reduce", hint="For numbers, ask for another control.")
    return rows.target.astype(np.int64)


def _searched(nearest: Any, rows: Rows, search: Callable[..., Any], rng: np.random.Generator) -> Kept:
    labels = classes_of(rows, "A search for 1-NN")
    places, found = nearest.encode(rows), []
    for part in nearest.strata(labels, STRATUM, rng):
        genes, _ = search(nearest.apart(places.take(part)), labels[part], int(rng.integers(2**31)), EVALUATIONS)
        found.append(part[genes] if genes.any() else part[:1])
    return _stand_for(nearest, rows, np.sort(np.concatenate(found)), places)


def _nearest(what: str) -> Any:
    need("numba", extra="reduce", what=what)
    from cauce.reduce import nearest

    return nearest


def _bounded(rows: Rows, n_keep: int) -> int:
    if not 1 <= n_keep <= len(rows):
        raise UserError(f"{n_keep} rows to keep of {len(rows)}", where="reduce", hint=f"Ask for 1 to {len(rows)}.")
    return n_keep


def _scaled(rows: Rows, indices: Ints) -> Kept:
    """Return rows with their own weights, scaled to weigh what all rows do."""
    return rows.kept(indices, rows.weights[indices].astype(np.float64))


def _stand_for(nearest: Any, rows: Rows, indices: Ints, places: Any) -> Kept:
    found: Kept = nearest.stand_for(places, rows.weights, indices)
    return found
