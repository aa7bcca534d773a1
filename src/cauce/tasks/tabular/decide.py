"""From probabilities to a class: the largest of probability × weight, with weights for a stated cost or metric.

Weights are chosen on out-of-fold probabilities, and their worth is measured on rows that did not choose them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.finishing import Figure

MOST_SEARCHED, MOST_CLASSES, MOST_LEVELS = 20_000, 30, 512
STEPS = np.geomspace(0.05, 20.0, 25)
"""Factors that a class's weight is tried with."""
PASSES, N_DRAWS = 2, 200
Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


class Aim(NamedTuple):
    """What a decision is good at: higher is better."""

    name: str
    score: Callable[[Array], float]
    """Of a confusion matrix, true classes by predicted ones."""


def confusion(truth: Codes, said: Codes, n_classes: int, weights: Array) -> Array:
    """Return the weighted confusion matrix, shape (n_classes, n_classes)."""
    flat = np.bincount(truth * n_classes + said, weights, n_classes**2).astype(np.float64)
    return flat.reshape(n_classes, n_classes)


def aim_of(name: str, positive: int | None, costs: Array | None = None) -> Aim:
    """Return an aim by its name.

    Parameters
    ----------
    name
        ``costs``, ``accuracy``, ``balanced_accuracy``, ``f1`` or ``mcc``.
    positive
        The class whose F1 counts; the mean over classes when None.
    costs
        Cost of missing each class, shape (n_classes,), for ``costs``.
    """

    def score(table: Array) -> float:
        hits, true, said = table.diagonal(), table.sum(axis=1), table.sum(axis=0)
        if name == "costs":
            assert costs is not None
            return -float(costs @ (true - hits) / table.sum())
        if name == "accuracy":
            return float(hits.sum() / table.sum())
        if name == "balanced_accuracy":
            return float((hits / np.maximum(true, 1e-12))[true > 0].mean())
        if name == "mcc":
            n = table.sum()
            above = hits.sum() * n - true @ said
            below = np.sqrt(max(n**2 - said @ said, 0.0)) * np.sqrt(max(n**2 - true @ true, 0.0))
            return float(above / below) if below > 0 else 0.0
        f1 = 2 * hits / np.maximum(true + said, 1e-12)
        return float(f1[positive] if positive is not None else f1[true + said > 0].mean())

    return Aim(name, score)


def said_by(shares: Array, weights: Array) -> Codes:
    """Return the class with the largest probability × weight, shape (n_rows,)."""
    return np.asarray((shares * weights).argmax(axis=1), np.int64)


def search(aim: Aim, shares: Array, truth: Codes, weights: Array) -> Array:
    """Return weights per class that serve the aim best on these rows: all thresholds for two classes, else by turns."""
    n_classes = shares.shape[1]
    if n_classes == 2:
        return _threshold(aim, shares[:, 1], truth, weights)
    found = np.ones(n_classes)
    if n_classes > MOST_CLASSES:
        return found
    shares, truth, weights = shares[:MOST_SEARCHED], truth[:MOST_SEARCHED], weights[:MOST_SEARCHED]

    def worth(tried: Array) -> float:
        return aim.score(confusion(truth, said_by(shares, tried), n_classes, weights))

    best = worth(found)
    for _ in range(PASSES):
        for k in range(n_classes):
            for step in STEPS:
                tried = found.copy()
                tried[k] = step
                value = worth(tried)
                if value > best + 1e-12:
                    best, found = value, tried
    scaled: Array = found / found.max()
    return scaled


def _threshold(aim: Aim, second: Array, truth: Codes, weights: Array) -> Array:
    """Scan thresholds of the second class's probability, halfway between neighbours; at most some hundreds of them."""
    levels = np.unique(second)
    if len(levels) > MOST_LEVELS:
        levels = np.unique(np.quantile(levels, np.linspace(0, 1, MOST_LEVELS)))
    cuts = np.concatenate([[0.5], (levels[1:] + levels[:-1]) / 2])
    order = np.argsort(second, kind="stable")
    ones = np.concatenate([[0.0], np.cumsum((weights * (truth == 1))[order])])
    zeros = np.concatenate([[0.0], np.cumsum((weights * (truth == 0))[order])])
    under = np.searchsorted(second[order], cuts, side="left")
    tables = [
        np.array([[zeros[i], zeros[-1] - zeros[i]], [ones[i], ones[-1] - ones[i]]])  # said no | said yes
        for i in under.tolist()
    ]
    cut = float(np.clip(cuts[int(np.argmax([aim.score(table) for table in tables]))], 1e-9, 1 - 1e-9))
    return np.array([cut, 1.0 - cut]) / max(cut, 1.0 - cut)


def judge(
    aim: Aim,
    shares: Array,
    truth: Codes,
    weights: Array,
    part: Codes,
    rng: np.random.Generator,
    *,
    fixed: Array | None = None,
) -> tuple[float, float, Figure]:
    """Return the aim's figure saying the likeliest class, and with weights chosen on the other parts, and the gain.

    Parameters
    ----------
    fixed
        Weights that are not chosen but given.
    """
    n_classes = shares.shape[1]
    plain = shares.argmax(axis=1).astype(np.int64)
    chosen = np.empty_like(plain)
    for k in np.unique(part):
        inside = part == k
        found = fixed if fixed is not None else search(aim, shares[~inside], truth[~inside], weights[~inside])
        chosen[inside] = said_by(shares[inside], found)

    def scores(times: Array) -> tuple[float, float]:
        first, second = (aim.score(confusion(truth, said, n_classes, times)) for said in (plain, chosen))
        return first, second

    before, after = scores(weights)
    n = len(truth)
    draws = [scores(weights * np.bincount(rng.integers(0, n, n), minlength=n)) for _ in range(N_DRAWS)]
    low, high = np.quantile([second - first for first, second in draws], [0.025, 0.975])
    return before, after, Figure(after - before, float(low), float(high))
