"""Where rows lie for everything that goes by distance, and kernels in numba that go along all distances once.

The heterogeneous Euclidean-overlap metric (Wilson and Martinez 1997): numbers between 0 and 1, categories equal or not;
but missing numbers lie at the column's mean, not farthest away, and a missing category is a category of its own.
Columns lie one after the other, so that the innermost loop runs over rows. No distance comes from a product of
matrices: copies of a row are exactly 0 apart. Imported by functions that need it, since numba is an extra.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from cauce.reduce.rows import Floats, Ints, Kept, Rows

LARGEST = 1e30
"""What an infinite number counts as before it is scaled."""


class Places(NamedTuple):
    """Rows of a table as points."""

    columns: npt.NDArray[np.float32]
    """Shape (n_columns, n_rows): first the numbers, then the categories' codes, −1 where one is missing."""
    n_numbers: int

    def take(self, numbers: Ints) -> Places:
        """Return some of the points."""
        return Places(np.ascontiguousarray(self.columns[:, numbers]), self.n_numbers)


class Scale(NamedTuple):
    """How the numbers of a table become points, so that other rows can be put among them."""

    order: Ints
    """Numbers of the columns, those with numbers first."""
    means: Floats
    """Of columns with numbers, as `lows` and `spans`."""
    lows: Floats
    spans: Floats
    """1 where a column does not vary."""

    def place(self, rows: Rows) -> Places:
        """Return rows as points; of other rows than the scale was taken from, some may lie outside 0 to 1."""
        n_numbers = len(self.means)
        columns = np.array(rows.inputs.T[self.order], dtype=np.float32, order="C")
        known = np.clip(columns[:n_numbers].astype(np.float64), -LARGEST, LARGEST)
        known = np.where(np.isnan(known), self.means[:, None], known)
        columns[:n_numbers] = (known - self.lows[:, None]) / self.spans[:, None]
        columns[n_numbers:][np.isnan(columns[n_numbers:])] = -1.0
        return Places(columns, n_numbers)


def scale(rows: Rows, *, standard: bool = False) -> Scale:
    """Take means and ranges from all rows; standard deviations in place of ranges where asked."""
    categorical = np.array(sorted(rows.categorical), dtype=np.int64)
    numeric = np.setdiff1d(np.arange(rows.inputs.shape[1]), categorical)
    values = np.clip(rows.inputs[:, numeric].astype(np.float64), -LARGEST, LARGEST)
    known = ~np.isnan(values)
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, values, 0.0).sum(axis=0) / counts
    filled = np.where(known, values, means)
    if standard:
        lows, spans = means, filled.std(axis=0)
    else:
        lows, spans = filled.min(axis=0), filled.max(axis=0) - filled.min(axis=0)
    return Scale(np.concatenate([numeric, categorical]), means, lows, np.where(spans > 0, spans, 1.0))


def encode(rows: Rows) -> Places:
    """Return the rows as points on their own scale.

    Examples
    --------
    >>> inputs = np.array([[0.0, 1.0], [5.0, 1.0], [np.nan, 0.0]], dtype=np.float32)
    >>> encode(Rows(inputs, np.zeros(3, dtype=np.int64), np.ones(3), 1, categorical=(1,))).columns.tolist()
    [[0.0, 1.0, 0.5], [1.0, 1.0, 0.0]]
    """
    return scale(rows).place(rows)


def apart(places: Places) -> npt.NDArray[np.float32]:
    """Return squared distances between all points, shape (n_rows, n_rows), infinite from a row to itself."""
    found: npt.NDArray[np.float32] = between(places.columns, places.columns, places.n_numbers)
    np.fill_diagonal(found, np.inf)
    return found


def predict(rows: Rows, indices: Ints, others: Rows) -> Ints | Floats:
    """Return what the nearest of the kept rows says of others, the first of equally near ones, shape (n_others,)."""
    measure = scale(rows)
    kept, asked = measure.place(rows.take(indices)), measure.place(others)
    found: Ints | Floats = rows.target[indices][nearest(asked.columns, kept.columns, kept.n_numbers)]
    return found


def stand_for(places: Places, weights: Floats, indices: Ints) -> Kept:
    """Return rows with what lies nearest to each of them as its weight: the mass of its Voronoi cell."""
    kept = places.take(indices)
    owner = nearest(places.columns, kept.columns, places.n_numbers)
    owner[indices] = np.arange(len(indices))  # a kept copy of a kept row stands for itself
    return Kept(indices, np.bincount(owner, weights, minlength=len(indices)).astype(np.float64))


def strata(labels: Ints, size: int, rng: np.random.Generator) -> list[Ints]:
    """Cut rows into parts of about `size`, each with its share of every class; row numbers ascend."""
    n_parts = max(1, round(len(labels) / size))
    order = np.lexsort([rng.random(len(labels)), labels])
    return [np.sort(order[part::n_parts]) for part in range(n_parts)]


@numba.njit(cache=True)
def _from_one(columns, n_numbers, others, row, out):  # type: ignore[no-untyped-def]
    """Fill `out` with the squared distances from a row of `others` to all rows of `columns`."""
    out[:] = 0.0
    for column in range(columns.shape[0]):
        here = others[column, row]
        values = columns[column]
        if column < n_numbers:
            for j in range(len(values)):
                step = values[j] - here
                out[j] += step * step
        else:
            for j in range(len(values)):
                out[j] += np.float32(values[j] != here)


@numba.njit(cache=True)
def between(columns, others, n_numbers):  # type: ignore[no-untyped-def]
    """Return squared distances, shape (n_others, n_rows), from columns of shapes (n_columns, n)."""
    out = np.empty((others.shape[1], columns.shape[1]), dtype=np.float32)
    for row in range(len(out)):
        _from_one(columns, n_numbers, others, row, out[row])
    return out


@numba.njit(cache=True)
def nearest(columns, others, n_numbers):  # type: ignore[no-untyped-def]
    """Return for each row which of `others` lies nearest, the first of equals, shape (n_rows,)."""
    n_rows = columns.shape[1]
    found = np.zeros(n_rows, dtype=np.int64)
    least = np.full(n_rows, np.inf, dtype=np.float32)
    now = np.empty(n_rows, dtype=np.float32)
    for row in range(others.shape[1]):
        _from_one(columns, n_numbers, others, row, now)
        for j in range(n_rows):
            if now[j] < least[j]:
                least[j], found[j] = now[j], row
    return found


@numba.njit(cache=True)
def farthest_first(columns, n_numbers, first, n_keep):  # type: ignore[no-untyped-def]
    """Return `n_keep` rows, each the one farthest from those before it: Gonzalez' greedy k-centre."""
    n_rows = columns.shape[1]
    chosen = np.empty(n_keep, dtype=np.int64)
    least = np.full(n_rows, np.inf, dtype=np.float32)
    now = np.empty(n_rows, dtype=np.float32)
    row = first
    for place in range(n_keep):
        chosen[place] = row
        _from_one(columns, n_numbers, columns, row, now)
        for j in range(n_rows):
            least[j] = min(least[j], now[j])
        least[row] = -1.0
        row = np.argmax(least)
    return chosen


@numba.njit(cache=True)
def condense(columns, n_numbers, labels, order):  # type: ignore[no-untyped-def]
    """Return which rows Hart's rule keeps, shape (n_rows,): pass after pass, every row that those kept get wrong."""
    n_rows = columns.shape[1]
    kept = np.zeros(n_rows, dtype=np.bool_)
    least = np.full(n_rows, np.inf, dtype=np.float32)
    said = np.full(n_rows, -1, dtype=np.int64)
    by = np.full(n_rows, n_rows, dtype=np.int64)
    now = np.empty(n_rows, dtype=np.float32)
    going = True
    while going:
        going = False
        for row in order:
            if kept[row] or said[row] == labels[row]:
                continue
            kept[row] = going = True
            _from_one(columns, n_numbers, columns, row, now)
            for j in range(n_rows):
                if now[j] < least[j] or (now[j] == least[j] and row < by[j]):
                    least[j], said[j], by[j] = now[j], labels[row], row
    return kept


@numba.njit(cache=True)
def nearest_few(columns, n_numbers, k):  # type: ignore[no-untyped-def]
    """Return each row's `k` nearest others, nearest first, shape (n_rows, k); -1 where there are not so many."""
    n_rows = columns.shape[1]
    who = np.full((n_rows, k), -1, dtype=np.int64)
    now = np.empty(n_rows, dtype=np.float32)
    least = np.empty(k, dtype=np.float32)
    for row in range(n_rows):
        _from_one(columns, n_numbers, columns, row, now)
        now[row] = np.inf
        least[:] = np.inf
        for j in range(n_rows):
            if now[j] < least[k - 1]:
                place = k - 1
                while place > 0 and least[place - 1] > now[j]:
                    least[place], who[row, place] = least[place - 1], who[row, place - 1]
                    place -= 1
                least[place], who[row, place] = now[j], j
    return who
