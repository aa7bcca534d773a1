"""How far probabilities are from what happens: the calibration error over bins of equally many rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.core.finishing import Bins, Figure

MOST_BINS = 15
ROWS_PER_BIN = 20
DRAWS = 500
MOST_CLUSTERS = 400
"""Rows are joined at random into so many units to be drawn from: as good for a sum's scatter, and quick."""
Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def measure(p: Array, hit: Array, weights: Array, clusters: Codes, rng: np.random.Generator) -> tuple[Figure, Bins]:
    """Return the expected calibration error with its interval, and the bins.

    The interval is the basic bootstrap's, twice the figure minus the quantiles drawn: the figure is a sum of absolute
    values, too large by chance alone, and each draw adds to that. It begins at 0 where chance alone makes as large a
    figure of probabilities that are right: the draws about their own mean say how large that is.

    Parameters
    ----------
    p, hit
        Probability, and 1 where it came true, else 0, shape (n_rows,).
    clusters
        Unit that each row is drawn with, as from `draw_units`.
    """
    n_bins = max(1, min(MOST_BINS, len(p) // ROWS_PER_BIN))
    number = np.empty(len(p), np.int64)
    number[np.argsort(p, kind="stable")] = np.arange(len(p)) * n_bins // len(p)
    mass, said, came = (np.bincount(number, weights * each, n_bins) for each in (np.ones_like(p), p, hit))
    counts = np.bincount(number, minlength=n_bins)
    bins = tuple((float(s / m), float(c / m), int(n)) for s, c, m, n in zip(said, came, mass, counts, strict=True) if m)
    apart = sums(clusters, number, n_bins, weights * (p - hit))
    total = np.bincount(clusters, weights)
    drawn = draw(len(total), rng)
    figures = np.abs(drawn @ apart).sum(axis=1) / (drawn @ total)
    chance = np.abs((drawn - 1) @ apart).sum(axis=1) / (drawn @ total)
    found = figure(float(np.abs(said - came).sum() / weights.sum()), figures, lowest=0.0)
    return (found if found.value > np.quantile(chance, 0.975) else replace(found, lower=0.0)), bins


def draw_units(n_rows: int, groups: npt.NDArray[Any] | None, rng: np.random.Generator) -> Codes:
    """Number the units that rows are drawn with: their groups, else the rows, at most `MOST_CLUSTERS` of them."""
    units = np.arange(n_rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(units.max(initial=-1)) + 1
    chosen: Codes = (rng.permutation(n_units) % MOST_CLUSTERS)[units]
    return chosen


def draw(n_units: int, rng: np.random.Generator) -> Array:
    """Return how often each unit is drawn, shape (DRAWS, n_units)."""
    times: Array = rng.multinomial(n_units, np.full(n_units, 1 / n_units), DRAWS).astype(np.float64)
    return times


def sums(clusters: Codes, number: Codes, n_numbers: int, values: Array) -> Array:
    """Return the sum of values by unit and number, shape (n_units, n_numbers)."""
    n_units = int(clusters.max(initial=-1)) + 1
    flat = np.bincount(clusters * n_numbers + number, values, n_units * n_numbers).astype(np.float64)
    return flat.reshape(n_units, n_numbers)


def figure(value: float, drawn: Array, *, lowest: float = -np.inf, highest: float = np.inf) -> Figure:
    """Return a figure with the basic bootstrap's 95 % interval."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    lower, upper = 2 * value - float(high), 2 * value - float(low)
    return Figure(value, min(value, max(lowest, lower)), max(value, min(highest, upper)))
