"""Confidence-based performance estimation: the figures of a classifier on rows whose truths have not come.

Białek et al., "Estimating Model Performance Under Covariate Shift Without Labels" (arXiv 2401.08348), section on CBPE,
and NannyML's documentation of it, written from the text: a probability that comes true says how often a prediction is
right, so the expected confusion matrix, and every figure made of it, follows from the probabilities alone.

Where we depart from it. The map from what the model says to what happens is a ridge towards "as it says", a straight
line with two bends on the log odds: few held-out rows then leave a good model as it is, and the map is as steep beyond
its data as at their edge. Its posterior gives the uncertainty of calibration. ROC-AUC is the ratio of expected pairs,
without the pairs of a row with itself. The scatter of a figure around its expectation follows from its influence
function, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

LOWEST = 1e-15
"""Probabilities are raised to this before a logarithm, as in the losses of the task."""
MOST_ODDS = 12.0
"""Log odds are cut here: surer than that a model has no evidence to be."""
FEWEST_BENT = 400
"""Held-out rows below which the map is a straight line."""
PRIOR = (0.5, 0.5, 0.2, 0.2)
"""Standard deviations, before the held-out rows are seen, of shift, slope and the two bends."""
DRAWS = 40
"""Maps drawn from their posterior: a standard deviation of so many is known to a tenth."""


@dataclass(frozen=True)
class Calibration:
    """What one class's probabilities become, on the log odds: shift, slope, and a bend at each knot."""

    line: tuple[float, ...]
    knots: tuple[float, ...]
    root: tuple[tuple[float, ...], ...]
    """How far each of several independent standard normal causes moves `line`, given the held-out rows.

    Shape (n_line, n_causes); the causes are the same for the maps of all classes.
    """


class Figures(NamedTuple):
    """Figures of the same rows, and how each row's class moves them."""

    values: dict[str, Floats]
    """Figure → its value, shape (n_draws,): one for each set of class shares."""
    influence: dict[str, Floats]
    """Figure → what its value gains with a unit of each class on each row, shape (n_rows, n_classes), first draw."""


class Expected(NamedTuple):
    """One figure as it is to be expected."""

    value: float
    sampling: float
    """Variance of the realised figure about its expectation: which class each row turns out to have."""
    moves: tuple[float, ...]
    """What training did not know: how far each of several independent standard normal causes moves the expectation.

    They are the same causes for all rows of a release.
    """
    skewness: float = 0.0
    """Of the realised figure about its expectation."""

    @property
    def calibration(self) -> float:
        """Variance of the expectation itself, since the map was learnt on so many held-out rows."""
        return sum(move**2 for move in self.moves)


def log_odds(shares: Floats) -> Floats:
    """Return the log odds of each probability, cut at ±`MOST_ODDS`."""
    inside = np.clip(shares, LOWEST, 1.0 - 1e-12)
    odds: Floats = np.clip(np.log(inside) - np.log1p(-inside), -MOST_ODDS, MOST_ODDS)
    return odds


def fit_calibration(shares: Floats, hits: Floats) -> Calibration:
    """Learn what one class's probabilities become, from rows that the model had not seen.

    Parameters
    ----------
    shares
        Predicted probability of the class, shape (n_rows,).
    hits
        1 where the row was of it, else 0, shape (n_rows,).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(0.05, 0.95, 4000)
    >>> said = 1 / (1 + np.exp(-1.5 * np.log(p / (1 - p))))
    >>> round(float(calibrated(fit_calibration(said, (rng.random(4000) < p) * 1.0), np.array([0.9]))[0]), 2)
    0.82
    """
    return _with_roots([_fitted(shares, hits)])[0]


class _Fit(NamedTuple):
    line: Floats
    knots: tuple[float, ...]
    basis: Floats
    chances: Floats
    hessian: Floats


def _fitted(shares: Floats, hits: Floats) -> _Fit:
    """Fit one map: maximum a posteriori under normal priors about the identity, by Newton's method."""
    odds = log_odds(shares)
    knots: tuple[float, ...] = ()
    if len(odds) >= FEWEST_BENT:
        low, high = (float(cut) for cut in np.quantile(odds, [1 / 3, 2 / 3]))
        knots = (low, high) if high - low > 1e-6 else ()
    basis = _basis(odds, knots)
    start = np.zeros(basis.shape[1])
    start[1] = 1.0
    precision = np.diag(1.0 / np.square(PRIOR[: len(start)]))
    line = start.copy()
    hessian = precision
    for _ in range(30):
        p = _logistic(basis @ line)
        slope = basis.T @ (p - hits) + precision @ (line - start)
        hessian = (basis * (p * (1 - p))[:, None]).T @ basis + precision
        step = np.linalg.solve(hessian, slope)
        line = line - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return _Fit(line, knots, basis, _logistic(basis @ line), hessian)


def _with_roots(fits: Sequence[_Fit]) -> tuple[Calibration, ...]:
    """Return the maps, and how far the held-out rows leave them open, all classes together.

    One map's covariance is Laplace's. A row is of one class alone, so that the maps of three classes or more err
    together: their scores' covariance is the multinomial's, of a row's chances (a sandwich with the maps' own
    Hessians). Taken apart they would promise a mean over classes that is too sure.
    """
    whole = np.maximum(sum(fit.chances for fit in fits), 1.0)
    rows = []
    for k, one in enumerate(fits):
        both = [(one.chances * other.chances / whole)[:, None] for other in fits]
        crossed = [-(one.basis * part).T @ other.basis for other, part in zip(fits, both, strict=True)]
        rows.append(np.hstack([*crossed[:k], one.hessian, *crossed[k + 1 :]]))
    values, vectors = np.linalg.eigh(np.vstack(rows))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    ends = np.cumsum([len(fit.line) for fit in fits])[:-1]
    return tuple(
        Calibration(tuple(fit.line.tolist()), fit.knots, tuple(map(tuple, np.linalg.solve(fit.hessian, part).tolist())))
        for fit, part in zip(fits, np.split(root, ends), strict=True)
    )


def calibrated(calibration: Calibration, shares: Floats, lines: Floats | None = None) -> Floats:
    """Return what probabilities become, shape (n_rows,), or (n_lines, n_rows) for other lines, shape (n_lines, k)."""
    basis = _basis(log_odds(shares), calibration.knots)
    return _logistic((np.asarray(calibration.line) if lines is None else lines) @ basis.T)


def _basis(odds: Floats, knots: Sequence[float]) -> Floats:
    return np.column_stack([np.ones_like(odds), odds, *(np.maximum(odds - knot, 0.0) for knot in knots)])


def _logistic(odds: Floats) -> Floats:
    found: Floats = 1.0 / (1.0 + np.exp(-np.clip(odds, -35.0, 35.0)))
    return found


def fit_calibrations(shares: Floats, truth: Codes) -> tuple[Calibration, ...]:
    """Learn a map for every class, or for the second of two alone.

    Parameters
    ----------
    shares
        Shape (n_rows, n_classes).
    truth
        Class of each row, shape (n_rows,); −1 for one that the model does not know.
    """
    classes = [1] if shares.shape[1] == 2 else range(shares.shape[1])
    return _with_roots([_fitted(shares[:, k], (truth == k).astype(np.float64)) for k in classes])


def class_shares(calibrations: Sequence[Calibration], shares: Floats, n_draws: int = DRAWS) -> Floats:
    """Return the calibrated share of every class, shape (1 + n_draws, n_rows, n_classes).

    The first is the estimate; the others are drawn as far from it as the held-out rows leave open, always the same.
    """
    n_causes = len(calibrations[0].root[0])
    causes = np.vstack([np.zeros(n_causes), np.random.default_rng(0).standard_normal((n_draws, n_causes))])
    found = []
    for k, one in enumerate(calibrations):
        lines = np.asarray(one.line) + causes @ np.asarray(one.root).T
        found.append(calibrated(one, shares[:, 1 if len(calibrations) == 1 else k], lines))
    if len(found) == 1:
        return np.stack([1.0 - found[0], found[0]], axis=2)
    stacked = np.stack(found, axis=2)
    whole: Floats = stacked / np.maximum(stacked.sum(axis=2, keepdims=True), LOWEST)
    return whole


def figures(chances: Floats, shares: Floats, said: Codes, positive: int | None, counted: Sequence[int]) -> Figures:
    """Return ROC-AUC, accuracy, F1, log loss and 0/1 loss of rows whose classes are known, or so probable.

    Parameters
    ----------
    chances
        Share of each class on each row, shape (n_draws, n_rows, n_classes): 1 and 0 where the truth is known, all 0
        where it is a class that the model does not know.
    shares
        What the model says, shape (n_rows, n_classes).
    said
        The class that it says, shape (n_rows,).
    positive
        The class whose F1 counts, of two; the mean over the classes where None.
    counted
        Classes whose ROC-AUC against the rest counts; of two classes both are the same.
    """
    n_rows, n_classes = shares.shape
    values: dict[str, Floats] = {}
    influence: dict[str, Floats] = {}
    if counted:
        areas = [_area(chances[:, :, k], shares[:, k]) for k in counted]
        values["roc_auc"] = np.mean([area for area, _ in areas], axis=0)
        moved = np.zeros((n_rows, n_classes))
        for k, (_, gain) in zip(counted, areas, strict=True):
            moved[:, k] = gain / len(counted)
        influence["roc_auc"] = moved
    right = (said[:, None] == np.arange(n_classes)).astype(np.float64)
    values["accuracy"] = np.einsum("rnk,nk->r", chances, right) / n_rows
    influence["accuracy"] = right / n_rows
    values["f1"], influence["f1"] = _f1(chances, right, positive)
    values["zero_one"], influence["zero_one"] = 1.0 - values["accuracy"], -influence["accuracy"]
    unknown = -np.log(LOWEST)
    costs = -np.log(np.clip(shares, LOWEST, 1.0)) - unknown
    values["log_loss"] = np.einsum("rnk,nk->r", chances, costs) / n_rows + unknown
    influence["log_loss"] = costs / n_rows
    return Figures(values, influence)


def _area(chances: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Return the expected ROC-AUC of each draw, and the influence of each row being of the class, first draw."""
    levels, place = np.unique(scores, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(levels)))
    sorted_chances = chances[:, order]
    own = np.add.reduceat(sorted_chances, starts, axis=1)
    sizes = np.diff(np.append(starts, len(scores)))
    rest = sizes - own
    below = np.cumsum(rest, axis=1) - rest / 2
    alone = (chances * (1.0 - chances)).sum(axis=1)
    pairs = own.sum(axis=1) * rest.sum(axis=1) - alone
    safe = np.maximum(pairs, 1e-12)
    area = ((own * below).sum(axis=1) - alone / 2) / safe
    positives, negatives = float(own[0].sum()), float(rest[0].sum())
    above = positives - np.cumsum(own[0]) + own[0] / 2
    gain = (below[0] - above) / safe[0] - area[0] * (negatives - positives) / safe[0]
    return area, gain[place]


def _f1(chances: Floats, right: Floats, positive: int | None) -> tuple[Floats, Floats]:
    """Return the expected F1, a ratio of expectations, and its influence; the mean over classes that occur."""
    hits = np.einsum("rnk,nk->rk", chances, right)
    mass = chances.sum(axis=1) + right.sum(axis=0)
    each = 2 * hits / np.maximum(mass, 1e-12)
    moved = (2 * right - each[0]) / np.maximum(mass[0], 1e-12)
    if positive is not None:
        only = np.zeros_like(moved)
        only[:, positive] = moved[:, positive]
        return each[:, positive], only
    seen = mass[0] > 1e-9
    return each[:, seen].mean(axis=1), moved * seen / max(1, int(seen.sum()))


def expect(
    calibrations: Sequence[Calibration],
    sources: Floats,
    shares: Floats,
    said: Codes,
    positive: int | None,
    counted: Sequence[int],
) -> dict[str, Expected]:
    """Return every figure that is to be expected of rows without truths.

    Parameters
    ----------
    calibrations
        As `fit_calibrations` gives, of what `sources` say.
    sources
        Probabilities to calibrate, shape (n_sources, n_rows, n_classes): the champion's own, or those of several second
        models, whose mean counts and whose scatter about it is a jackknife's.
    shares, said, positive, counted
        What the champion says, as `figures` takes it.
    """
    n_draws = DRAWS if len(said) * shares.shape[1] <= 40_000 else 10
    chances = class_shares(calibrations, sources.mean(axis=0), n_draws)
    weights = np.full(n_draws, 1.0 / n_draws)
    if len(sources) > 1:
        alone = [class_shares(calibrations, source, 0) for source in sources]
        chances = np.concatenate([chances, *alone])
        weights = np.append(weights, np.full(len(sources), (len(sources) - 1) / len(sources)))
    found = figures(chances, shares, said, positive, counted)
    first = chances[0]
    result = {}
    for name, values in found.values.items():
        moved = found.influence[name]
        apart = moved - (first * moved).sum(axis=1, keepdims=True)
        scatter, third = (float((first * apart**power).sum()) for power in (2, 3))
        moves = np.sqrt(weights) * (values[1:] - values[0])
        lean = third / scatter**1.5 if scatter > 0 else 0.0
        result[name] = Expected(float(values[0]), scatter, tuple(moves.tolist()), lean)
    return result


def realise(
    truth: Codes, shares: Floats, said: Codes, positive: int | None, counted: Sequence[int]
) -> dict[str, float]:
    """Return the same figures of rows whose truths came; −1 for a class that the model does not know."""
    known = (truth[:, None] == np.arange(shares.shape[1])).astype(np.float64)[None]
    return {name: float(value[0]) for name, value in figures(known, shares, said, positive, counted).values.items()}


def counted_classes(truth: Codes, n_classes: int) -> tuple[int, ...]:
    """Return the classes whose ROC-AUC can be told: some rows are of it, some are not. The second alone of two."""
    counts = np.bincount(truth[truth >= 0], minlength=n_classes)
    told = [k for k in range(n_classes) if 0 < counts[k] < len(truth)]
    if n_classes == 2:
        return (1,) if 1 in told else ()
    return tuple(told)
