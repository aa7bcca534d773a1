"""From probabilities to a class: the largest of probability × weight, with weights for a stated cost or metric.

Weights are chosen on out-of-fold probabilities, and their worth is measured on rows that did not choose them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.finishing import Figure
from cauce.tasks.tabular import reliability

MOST_SEARCHED, MOST_CLASSES = 20_000, 30
STEPS = np.geomspace(0.05, 20.0, 25)
"""Factors that a class's weight is tried with."""
PASSES = 2
N_BAGS = 25
"""Samples of the rows whose best thresholds are averaged: one best threshold follows its rows' noise."""
Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


class Aim(NamedTuple):
    """What a decision is good at: higher is better."""

    name: str
    """``costs``, ``accuracy``, ``balanced_accuracy``, ``f1`` or ``mcc``."""
    positive: int | None
    """The class whose F1 counts; the mean over classes when None."""
    costs: Array | None = None
    """Cost of missing each class, shape (n_classes,), for ``costs``."""

    def score(self, found: Array) -> Array:
        """Return the figure of each count, shape (…, 3, n_classes) → (…); what is undefined counts 0."""
        hits, true, said = (found[..., i, :] for i in range(3))
        n = true.sum(axis=-1)
        if self.costs is not None:
            return np.asarray(-(true - hits) @ self.costs / n)
        if self.name == "accuracy":
            return np.asarray(hits.sum(axis=-1) / n)
        if self.name == "balanced_accuracy":
            return _mean(hits / np.maximum(true, 1e-12), true > 0)
        if self.name == "mcc":
            above = hits.sum(axis=-1) * n - (true * said).sum(axis=-1)
            below = (n**2 - (said**2).sum(axis=-1)) * (n**2 - (true**2).sum(axis=-1))
            return np.where(below > 1e-9 * n**4, above / np.sqrt(np.maximum(below, 1e-300)), 0.0)
        f1 = 2 * hits / np.maximum(true + said, 1e-12)
        return np.asarray(f1[..., self.positive]) if self.positive is not None else _mean(f1, true + said > 0)


def counts(truth: Codes, said: Codes, n_classes: int, weights: Array) -> Array:
    """Return the weight of hits, of true and of predicted ones by class, shape (3, n_classes)."""
    hits = np.bincount(truth, weights * (truth == said), n_classes)
    return np.stack([hits, np.bincount(truth, weights, n_classes), np.bincount(said, weights, n_classes)])


def said_by(shares: Array, weights: Array) -> Codes:
    """Return the class with the largest probability × weight, shape (n_rows,)."""
    return np.asarray((shares * weights).argmax(axis=1), np.int64)


def search(aim: Aim, shares: Array, truth: Codes, weights: Array, rng: np.random.Generator) -> Array:
    """Return weights per class that serve the aim best on these rows: all thresholds for two classes, else by turns."""
    n_classes = shares.shape[1]
    if n_classes == 2:
        return _threshold(aim, shares[:, 1], truth, weights, rng)
    found = np.ones(n_classes)
    if n_classes > MOST_CLASSES:
        return found
    if len(truth) > MOST_SEARCHED:
        some = rng.permutation(len(truth))[:MOST_SEARCHED]
        shares, truth, weights = shares[some], truth[some], weights[some]
    best = aim.score(counts(truth, said_by(shares, found), n_classes, weights))
    for _ in range(PASSES):
        for k in range(n_classes):
            others = shares * found
            others[:, k] = -1.0
            rival, rivals = others.argmax(axis=1), others.max(axis=1)
            said = np.where(shares[:, k] * STEPS[:, None] > rivals, k, rival)
            values = aim.score(np.stack([counts(truth, one, n_classes, weights) for one in said]))
            if values.max() > best + 1e-12:
                best, found[k] = values.max(), STEPS[values.argmax()]
    scaled: Array = found / found.max()
    return scaled


def _threshold(aim: Aim, second: Array, truth: Codes, weights: Array, rng: np.random.Generator) -> Array:
    """Return the weights whose threshold is the mean, in log-odds, of those that are best on samples of the rows.

    Every threshold between two neighbouring probabilities of the second class is scanned.
    """
    order = np.argsort(second, kind="stable")
    second, truth, weights = second[order], truth[order], weights[order]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(second) > 0]))  # said from here on
    cuts = np.concatenate([second[:1] / 2, (second[starts[1:]] + second[starts[1:] - 1]) / 2, [(second[-1] + 1) / 2]])
    edges = np.append(starts, len(second))
    n, odds = len(second), []
    for _ in range(max(1, min(N_BAGS, 4_000_000 // n))):
        mass = weights * (np.bincount(rng.integers(0, n, n), minlength=n))
        ones = np.concatenate([[0.0], np.cumsum(mass * truth)])
        zeros = np.concatenate([[0.0], np.cumsum(mass * (1 - truth))])
        hits = np.stack([zeros[edges], ones[-1] - ones[edges]], axis=-1)
        true = np.broadcast_to([zeros[-1], ones[-1]], hits.shape)
        said = np.stack([zeros[edges] + ones[edges], zeros[-1] - zeros[edges] + ones[-1] - ones[edges]], axis=-1)
        best = np.clip(cuts[int(np.argmax(aim.score(np.stack([hits, true, said], axis=-2))))], 1e-9, 1 - 1e-9)
        odds.append(np.log(best) - np.log1p(-best))
    cut = float(1 / (1 + np.exp(-np.mean(odds))))
    return np.array([cut, 1.0 - cut]) / max(cut, 1.0 - cut)


def judge(
    aim: Aim,
    shares: Array,
    truth: Codes,
    weights: Array,
    part: Codes,
    units: Codes,
    rng: np.random.Generator,
    *,
    fixed: Array | None = None,
) -> tuple[float, float, Figure]:
    """Return the aim's figure saying the likeliest class, and with weights chosen on the other parts, and the gain.

    Parameters
    ----------
    units
        Unit that each row is drawn with for the interval, as from `reliability.draw_units`.
    fixed
        Weights that are not chosen but given.
    """
    n_classes = shares.shape[1]
    plain = shares.argmax(axis=1).astype(np.int64)
    chosen = np.empty_like(plain)
    for k in np.unique(part):
        inside = part == k
        given = (aim, shares[~inside], truth[~inside], weights[~inside], rng)
        chosen[inside] = said_by(shares[inside], fixed if fixed is not None else search(*given))
    drawn = reliability.draw(int(units.max(initial=-1)) + 1, rng)
    figures, draws = [], []
    for said in (plain, chosen):
        each = [
            reliability.sums(units, place, n_classes, values)
            for place, values in ((truth, weights * (truth == said)), (truth, weights), (said, weights))
        ]
        figures.append(float(aim.score(np.stack([one.sum(axis=0) for one in each]))))
        draws.append(aim.score(np.stack([drawn @ one for one in each], axis=1)))
    gain = figures[1] - figures[0]
    low, high = np.quantile(draws[1] - draws[0], [0.025, 0.975])
    return figures[0], figures[1], Figure(gain, min(gain, float(low)), max(gain, float(high)))


def _mean(values: Array, counted: npt.NDArray[np.bool_]) -> Array:
    """Return the mean over the classes that occur, along the last axis."""
    return np.asarray((values * counted).sum(axis=-1) / np.maximum(counted.sum(axis=-1), 1))
