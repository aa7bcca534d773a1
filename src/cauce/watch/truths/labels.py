"""Truths that come late, and truths that come selectively: how far they have come, and which rows they are of.

A prediction without a truth is not one that never gets any: it may be too young. How many get one in the end, and after
how long, is told by Kaplan and Meier's estimator (1958, JASA 53), with the age of a prediction that waits as the time
at which it was censored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import LabelsSeen, Signal
from cauce.watch.truths import words
from cauce.watch.truths.estimate import Expectation, Said
from cauce.watch.truths.judged import Judgement

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

ENOUGH = 0.9
"""Share of the truths that come in the end with which a window counts as complete."""
BLOCK = 200
"""Predictions in a block whose coverage is told."""
EFFECT = 0.1
"""Cramér's V from which rows with truths differ from the others by more than a trifle (Cohen's "small" effect)."""
HEAVIEST = 10.0
"""How many times the mean a row may weigh where losses are corrected."""


@dataclass(frozen=True, eq=False)
class Arrivals:
    """When truths came, of the newest predictions of a release: more of them than a window holds."""

    ages_s: Floats
    """Seconds since each prediction, shape (n,)."""
    lags_s: Floats
    """Seconds from it to its truth, NaN where none came, shape (n,)."""


@dataclass(frozen=True, eq=False)
class TruthsView:
    """All that a look may know of truths, and of what to expect without them. Filled by `loop/watch_truths.py`."""

    expectation: Expectation | None
    """None of a release without one: then nothing is estimated."""
    said: Said | None
    """What was said of the window's rows; None where it cannot be told."""
    arrivals: Arrivals
    losses: Floats
    """Realised losses of the closed rows: predictions old enough for their truths to have come; shape (n_losses,)."""
    n_closed: int
    """Closed rows, with truths or without."""
    n_window_truths: int
    """Truths of the window's rows, closed or not."""
    n_window: int
    bins: Mapping[str, Codes] = field(default_factory=dict)
    """Input column, and ``prediction``, → each closed row's bin, shape (n_closed,)."""
    has_truth: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    """Whether each closed row's truth came, shape (n_closed,)."""
    groups: Mapping[str, Codes] = field(default_factory=dict)
    """Column → the segment of each row of `losses`, −1 where it has none, shape (n_losses,)."""
    judgement: Judgement | None = None
    moments_s: Floats = field(default_factory=lambda: np.zeros(0))
    """When each row of `losses` was predicted, seconds since 1970, rising; shape (n_losses,), empty: not told."""


@dataclass(frozen=True)
class Waiting:
    """How long truths take."""

    final: float
    """Share of predictions that get a truth in the end, as far as the oldest tell."""
    median_s: float | None
    """Of those that get one."""
    slow_s: float | None
    """Nine of ten of those have come by then."""


def waiting(arrivals: Arrivals) -> Waiting:
    """Estimate how many truths come in the end, and how long they take.

    Never more of them than the best block of `BLOCK` neighbours has got: where many truths are sent at one moment, lags
    hang on when predictions were made, and Kaplan and Meier's estimator alone would promise too many.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> lags, ages = rng.exponential(100, 5000), rng.uniform(0, 600, 5000)
    >>> lags = np.where(rng.random(5000) < 0.5, lags, np.inf)
    >>> found = waiting(Arrivals(ages, np.where(lags < ages, lags, np.nan)))
    >>> round(found.final, 1), round(found.median_s, -1), round(found.slow_s, -1)
    (0.5, 70.0, 230.0)
    """
    came = np.isfinite(arrivals.lags_s)
    if not came.any():
        return Waiting(0.0, None, None)
    times = np.where(came, np.maximum(arrivals.lags_s, 0.0), np.maximum(arrivals.ages_s, 0.0))
    order = np.lexsort((~came, times))
    times, hits = times[order], came[order]
    at_risk = len(times) - np.arange(len(times))
    left = np.cumprod(np.where(hits, 1.0 - 1.0 / at_risk, 1.0))
    arrived = 1.0 - left
    final = min(float(arrived[-1]), _best_block(arrivals.ages_s, came))
    median, slow = (float(times[np.searchsorted(arrived, share * final - 1e-12)]) for share in (0.5, ENOUGH))
    return Waiting(final, median, slow)


def _best_block(ages_s: Floats, came: npt.NDArray[np.bool_]) -> float:
    """Return the largest share of truths among `BLOCK` predictions made one after the other."""
    so_far = np.concatenate([[0], np.cumsum(came[np.argsort(-ages_s, kind="stable")])])
    size = min(BLOCK, len(came))
    return float((so_far[size:] - so_far[:-size]).max() / size)


def labels_seen(view: TruthsView, selected: Sequence[str], corrected: float | None) -> LabelsSeen:
    """Return how far the truths of a window have come."""
    found = waiting(view.arrivals)
    coverage = view.n_window_truths / view.n_window if view.n_window else 0.0
    return LabelsSeen(
        n_predictions=view.n_window,
        n_truths=view.n_window_truths,
        coverage=coverage,
        lag_median_s=found.median_s,
        lag_90_s=found.slow_s,
        complete=found.final > 0 and coverage >= ENOUGH * found.final,
        selected=tuple(selected),
        final_coverage=found.final if found.median_s is not None else None,
        n_closed=view.n_closed,
        corrected_loss=corrected,
    )


@dataclass(frozen=True)
class Selection:
    """Along which columns rows with truths differ from those without."""

    columns: tuple[str, ...]
    """The strongest first."""
    effect: float
    """Cramér's V of the strongest column, selected or not; 0 where none can be told."""
    strongest: str | None


def selection(view: TruthsView, error: float, min_rows: int) -> Selection:
    """Test, column by column, whether rows whose truths came differ from those whose truths did not.

    Parameters
    ----------
    error
        Probability that any column is named where truths come by chance alone (Holm over the columns).
    min_rows
        Fewest rows on either side from which anything is concluded.

    Notes
    -----
    Pearson's chi-square over the bins of training, bins of fewer than five expected rows joined; a column is named
    where it is significant and Cramér's V is at least `EFFECT`. Closed rows alone are asked: among younger ones, those
    without truths differ for no other reason than that they came later.
    """
    from scipy.special import chdtrc

    has = view.has_truth
    if min(int(has.sum()), int((~has).sum())) < min_rows:
        return Selection((), 0.0, None)
    found = []
    for name, bins in view.bins.items():
        size = int(bins.max(initial=0)) + 1
        table = np.stack([np.bincount(bins[side], minlength=size) for side in (has, ~has)]).astype(np.float64)
        table = _joined(table)
        if table.shape[1] < 2:
            continue
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
        statistic, freedom = float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1
        # Chance alone makes the statistic as large as its degrees of freedom: Bergsma (2013) takes them off.
        effect = math.sqrt(max(0.0, statistic - freedom) / table.sum())
        found.append((float(chdtrc(freedom, statistic)), effect, name))
    if not found:
        return Selection((), 0.0, None)
    named = []
    for place, (p, effect, name) in enumerate(sorted(found)):
        if p > error / (len(found) - place):
            break
        if effect >= EFFECT:
            named.append((effect, name))
    strongest = max(found, key=lambda one: one[1])
    return Selection(tuple(name for _, name in sorted(named, reverse=True)), strongest[1], strongest[2])


def _joined(table: Floats) -> Floats:
    """Join bins in which either side expects fewer than five rows, and drop empty ones."""
    table = table[:, table.sum(axis=0) > 0]
    least = table.sum(axis=0) * float(table.sum(axis=1).min()) / max(float(table.sum()), 1.0)
    rare = least < 5
    if not rare.any():
        return table
    kept, joined = table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)
    return np.hstack([kept, joined]) if joined.sum() else kept


def corrected_weights(view: TruthsView, columns: Sequence[str]) -> Floats:
    """Return a weight for each closed row with a truth, so that together they resemble all closed rows.

    Inverse-probability weights by raking (Deming and Stephan 1940): the shares of every bin of `columns` are brought to
    those of all closed rows, column by column in turn. It mends what those columns tell, and nothing else: truths that
    hang on the outcome itself cannot be mended.

    Returns
    -------
    Floats
        Shape (n_with_truth,), mean 1.
    """
    has = view.has_truth
    weights = np.ones(int(has.sum()))
    for _ in range(10):
        for name in columns[:5]:
            bins = view.bins[name]
            size = int(bins.max(initial=0)) + 1
            wanted = np.bincount(bins, minlength=size) / len(bins)
            now = np.bincount(bins[has], weights, size) / weights.sum()
            weights = weights * np.divide(wanted, now, out=np.ones(size), where=now > 0)[bins[has]]
        weights = np.minimum(weights / weights.mean(), HEAVIEST)
    scaled: Floats = weights / weights.mean()
    return scaled


def labels_signal(found: Selection, seen: LabelsSeen, realised: float | None, *, squared: bool = False) -> Signal:
    """Return the signal: alarming where truths come selectively. `value` is the strongest column's Cramér's V."""
    column = found.columns[0] if found.columns else None
    detail = words.labels(found.columns, seen, realised, squared=squared)
    return Signal("labels", column, found.effect, EFFECT, bool(found.columns), detail)
