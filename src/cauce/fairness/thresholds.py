"""A threshold for each group, so that groups differ by no more than a bound, at the fewest errors.

Hardt, Price and Srebro (2016, Equality of Opportunity in Supervised Learning) choose points on the groups' ROC curves,
by lot where a point lies between two. Here every group has one threshold and nobody's answer hangs on a lot: the price
is that a gap of exactly zero may not be had.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.specs import FairnessMetric
from cauce.evidence.gaps import measured_on
from cauce.evidence.shares import rows_needed

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CUTS = {1: 1000, 2: 250}
"""Rates that a metric compares → thresholds tried in a group, evenly by rank of its scores."""
STEPS = {1: 400, 2: 60}
"""Rates that a metric compares → places at which the band that all groups must lie in is tried, in each rate."""
LEAST_BOUND = 0.004
"""The narrowest band: exactly equal shares are had by giving nobody, or everybody, the favoured class."""
KNOWN_TO = 0.1
"""A group whose shares are known no better than this keeps the common threshold of 0."""


class Cuts(NamedTuple):
    """What each threshold of one group would do."""

    at: Floats
    """Thresholds on the score, shape (n_cuts,): above it the favoured class is said."""
    errors: Floats
    """Wrong rows, shape (n_cuts,)."""
    rates: Floats
    """The shares that the metric compares, shape (n_cuts, n_rates)."""


def choose(
    scores: Floats, truth: Bools, groups: Codes, n_groups: int, *, metric: FairnessMetric, bound: float
) -> Floats:
    """Return each group's threshold, shape (n_groups,).

    Every band of width `bound` that the groups' rates may share is tried; within it each group takes the threshold with
    the fewest errors. Where no band holds all groups, the narrowest that does is taken.

    Parameters
    ----------
    scores
        Log-odds of the favoured class against the likeliest other, of models that the rows did not teach; shape
        (n_rows,). Above 0 it is predicted.
    truth
        Whether the favoured class is the true one, shape (n_rows,).
    groups
        Shape (n_rows,), −1 for rows of none.
    bound
        The largest gap wanted between two groups; not below `LEAST_BOUND`, nor below the standard error of the
        smallest group's share.
    """
    least = rows_needed(KNOWN_TO)
    parts = [np.flatnonzero(groups == group) for group in range(n_groups)]
    masks = [[mask[rows] for mask in measured_on(metric, truth)] for rows in parts]
    chosen = [g for g in range(n_groups) if min(int(mask.sum()) for mask in masks[g]) >= least]
    found = np.zeros(n_groups)
    if len(chosen) < 2:
        return found
    cuts = [_cuts(scores[parts[g]], truth[parts[g]], masks[g], metric) for g in chosen]
    smallest = min(int(mask.sum()) for g in chosen for mask in masks[g])
    # A share of the smallest group is not known better than its standard error: a narrower band would be met by luck,
    # or by giving everybody the same answer.
    width = max(bound, LEAST_BOUND, 0.5 / np.sqrt(smallest))
    places = _within(cuts, width)
    while places is None:
        width *= 1.5
        places = _within(cuts, width)
    for group, cut, place in zip(chosen, cuts, places, strict=True):
        found[group] = cut.at[place]
    return found


def _cuts(scores: Floats, truth: Bools, masks: list[Bools], metric: FairnessMetric) -> Cuts:
    order = np.argsort(scores, kind="stable")
    sorted_scores, sorted_truth = scores[order], truth[order]
    middles = np.flatnonzero(np.diff(sorted_scores) > 0) + 1
    most = CUTS[len(masks)]
    if len(middles) > most:
        middles = middles[np.linspace(0, len(middles) - 1, most).astype(np.int64)]
    zero = int(np.searchsorted(sorted_scores, 0.0, side="right"))
    places = np.unique([0, *middles.tolist(), zero, len(scores)])
    low = np.concatenate([[sorted_scores[0] - 1.0], sorted_scores])
    high = np.concatenate([sorted_scores, [sorted_scores[-1] + 1.0]])
    at = np.where(places == zero, 0.0, (low[places] + high[places]) / 2)
    missed = np.concatenate([[0], np.cumsum(sorted_truth)])[places]
    alarms = np.concatenate([[0], np.cumsum(~sorted_truth)])
    errors = (missed + (alarms[-1] - alarms[places])).astype(np.float64)
    if metric == "error_rate":
        return Cuts(at, errors, errors[:, None] / len(scores))
    rates = []
    for mask in masks:
        below = np.concatenate([[0], np.cumsum(mask[order])])
        rates.append(1.0 - below[places] / max(1, below[-1]))
    return Cuts(at, errors, np.column_stack(rates))


def _within(cuts: list[Cuts], width: float) -> list[int] | None:
    """Return each group's place, all in one band of `width` in every rate, with the fewest errors; None without one."""
    n_rates = cuts[0].rates.shape[1]
    starts = [_starts([cut.rates[:, k] for cut in cuts], STEPS[n_rates]) for k in range(n_rates)]
    best, places = np.inf, None
    for corner in itertools.product(*starts):
        own, total = [], 0.0
        for cut in cuts:
            inside = np.all(
                (cut.rates >= np.asarray(corner) - 1e-12) & (cut.rates <= np.asarray(corner) + width + 1e-12), axis=1
            )
            if not inside.any():
                break
            place = int(np.argmin(np.where(inside, cut.errors, np.inf)))
            own.append(place)
            total += float(cut.errors[place])
        else:
            if total < best:
                best, places = total, own
    return places


def _starts(rates: list[Floats], n_steps: int) -> Floats:
    """Return where a band may begin: at rates that occur, thinned evenly."""
    known = np.unique(np.concatenate(rates))
    if len(known) <= n_steps:
        return known
    return known[np.linspace(0, len(known) - 1, n_steps).astype(np.int64)]
