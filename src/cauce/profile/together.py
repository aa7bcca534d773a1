"""How numeric columns move together: merged moments of every pair, over the rows in which both are present.

Chan, Golub and LeVeque (1979), for each pair alone: rows where one of the two is missing or infinite do not count
for that pair, and count for all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

MOST_COLUMNS = 512
"""Numeric columns that are paired, the first of the table: 4 matrices of 512 × 512 take 8 MB."""
_FLAT = 1e-14
"""A spread of less than this, relative to the mean, is rounding: the column is constant."""


@dataclass(frozen=True, eq=False)
class Together:
    """Moments of pairs; entry ``[i, j]`` is about column i over the rows in which i and j are present."""

    names: tuple[str, ...]
    """At most 512 columns of whole numbers, decimals and booleans, in the table's order."""
    n_rows: Matrix = field(repr=False)
    """Rows in which both are present and finite; symmetric."""
    means: Matrix = field(repr=False)
    """Mean of i."""
    squares: Matrix = field(repr=False)
    """Sum of squared deviations of i."""
    products: Matrix = field(repr=False)
    """Sum of products of both deviations; symmetric."""

    def __eq__(self, other: object) -> bool:
        """Compare names and all moments."""
        if not isinstance(other, Together):
            return NotImplemented
        mine, others = ((part.n_rows, part.means, part.squares, part.products) for part in (self, other))
        return self.names == other.names and all(
            np.array_equal(a, b, equal_nan=True) for a, b in zip(mine, others, strict=True)
        )

    def __hash__(self) -> int:
        """Hash the names."""
        return hash(self.names)

    @classmethod
    def nothing(cls, names: Sequence[str] = ()) -> Together:
        """Return the moments of no rows."""
        kept = tuple(names)[:MOST_COLUMNS]
        zeros = np.zeros((len(kept), len(kept)))
        return cls(kept, zeros, zeros, zeros, zeros)

    @classmethod
    def of(cls, names: Sequence[str], values: Matrix) -> Together:
        """Return the moments of rows, shape (n_rows, n_columns); NaN and infinity are missing."""
        present = np.isfinite(values)
        n_each = present.sum(axis=0).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            filled = np.where(present, values, 0.0)
            mean = filled.sum(axis=0) / np.maximum(n_each, 1)
            centred = np.where(present, values - mean, 0.0)
            n_rows, sums, squares = _gapless(len(values), centred)
            gaps = np.flatnonzero(n_each < len(values))
            if len(gaps):  # columns without gaps need no further products
                marks = present[:, gaps].astype(np.float64)
                sums[:, gaps], squares[:, gaps] = centred.T @ marks, np.square(centred).T @ marks
                n_rows[:, gaps] = present.T.astype(np.float64) @ marks
                n_rows[gaps, :] = n_rows[:, gaps].T
            n = np.maximum(n_rows, 1)
            products = centred.T @ centred - sums * sums.T / n
            spread = np.maximum(squares - np.square(sums) / n, 0.0)
            return cls(tuple(names), n_rows, np.where(n_rows > 0, mean[:, None] + sums / n, 0.0), spread, products)

    def merge(self, other: Together) -> Together:
        """Return the moments over both parts' rows; the first 512 columns of both are kept."""
        names = (*self.names, *(name for name in other.names if name not in set(self.names)))[:MOST_COLUMNS]
        a, b = self._among(names), other._among(names)
        n = a.n_rows + b.n_rows
        with np.errstate(over="ignore", invalid="ignore"):
            share = b.n_rows / np.maximum(n, 1)
            gap = np.where((a.n_rows > 0) & (b.n_rows > 0), b.means - a.means, 0.0)
            weight = a.n_rows * share
            means = np.where(a.n_rows > 0, a.means + gap * share, b.means)
            squares = a.squares + b.squares + np.square(gap) * weight
            products = a.products + b.products + gap * gap.T * weight
        return Together(names, n, means, squares, products)

    def _among(self, names: tuple[str, ...]) -> Together:
        """Return the moments spread over `names`, with no rows where a column is not ours."""
        if names == self.names:
            return self
        mine = {name: place for place, name in enumerate(self.names)}
        here = [place for place, name in enumerate(names) if name in mine]
        there = [mine[names[place]] for place in here]
        wide = []
        for matrix in (self.n_rows, self.means, self.squares, self.products):
            empty = np.zeros((len(names), len(names)))
            empty[np.ix_(here, here)] = matrix[np.ix_(there, there)]
            wide.append(empty)
        return Together(names, *wide)

    def correlations(self) -> Matrix:
        """Return Pearson's correlation of every pair, shape (n_columns, n_columns).

        NaN where fewer than three rows have both, or one of the two does not vary in them.
        """
        with np.errstate(all="ignore"):
            scale = np.abs(self.means) * _FLAT
            flat = np.sqrt(self.squares / np.maximum(self.n_rows, 1)) <= scale
            known = (self.n_rows >= 3) & ~flat & ~flat.T & (self.squares > 0) & (self.squares.T > 0)
            found = self.products / (np.sqrt(self.squares) * np.sqrt(self.squares.T))
        return np.where(known, np.clip(found, -1.0, 1.0), np.nan)

    def correlation(self, one: str, other: str) -> float | None:
        """Return Pearson's correlation of two columns; None where it is not known."""
        if one not in self.names or other not in self.names:
            return None
        places = [self.names.index(one), self.names.index(other)]
        pair = Together((one, other), *(m[np.ix_(places, places)] for m in self._matrices()))
        value = float(pair.correlations()[0, 1])
        return None if np.isnan(value) else value

    def _matrices(self) -> tuple[Matrix, Matrix, Matrix, Matrix]:
        return self.n_rows, self.means, self.squares, self.products


def _gapless(n_rows: int, centred: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Return counts, sums and sums of squares of each pair as if no value of the other column were missing."""
    width = centred.shape[1]
    present = np.full((width, width), float(n_rows))
    sums = np.repeat(centred.sum(axis=0)[:, None], width, axis=1)
    return present, sums, np.repeat(np.square(centred).sum(axis=0)[:, None], width, axis=1)
