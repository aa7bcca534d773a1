"""The fast clock: when a row came, when its truth came, when the loop looks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
DAY = 86_400.0
NICE = (60.0, 600.0, 3600.0, 6 * 3600.0, DAY, 7 * DAY, 28 * DAY, 91 * DAY, 364 * DAY)
"""Intervals between looks that a person would set."""


def spread_ties(times: Floats) -> Floats:
    """Return times in which rows of one moment are spread evenly until the next moment.

    A column of years would else bring a whole year's rows at once. The rows of the last moment take as long as those
    before them.

    Parameters
    ----------
    times
        Seconds, shape (n_rows,), not falling.

    Examples
    --------
    >>> spread_ties(np.array([0.0, 0.0, 10.0, 20.0, 20.0])).tolist()
    [0.0, 5.0, 10.0, 20.0, 25.0]
    """
    moments, first, counts = np.unique(times, return_index=True, return_counts=True)
    if len(moments) == len(times):
        return times.astype(np.float64)
    gaps = np.diff(moments)
    last = gaps[-1] if len(gaps) else float(len(times))
    gaps = np.append(gaps, last)
    within = np.arange(len(times)) - np.repeat(first, counts)
    return np.asarray(times + within * np.repeat(gaps / counts, counts), dtype=np.float64)


def nice_interval(span_s: float, *, most: int = 100) -> float:
    """Return the shortest interval that a person would set with which `most` looks cover the span.

    Examples
    --------
    >>> nice_interval(660 * DAY) / DAY
    7.0
    """
    return next((each for each in NICE if span_s / each <= most), span_s / most)


def look_times(start: float, end: float, every_s: float) -> Floats:
    """Return when the loop looks: every `every_s` after `start`, the last time when all rows have come."""
    n = max(1, int(np.ceil((end - start) / every_s - 1e-9)))
    return np.asarray(start + every_s * np.arange(1, n + 1), dtype=np.float64)


def arrivals(times: Floats, delay_s: float, *, rng: np.random.Generator, never: float = 0.0) -> Floats:
    """Return when each row's truth is known: the delay afterwards, or never for a share of the rows (infinity)."""
    known = times + delay_s
    if never > 0:
        known = np.where(rng.random(len(times)) < never, np.inf, known)
    return np.asarray(known, dtype=np.float64)
