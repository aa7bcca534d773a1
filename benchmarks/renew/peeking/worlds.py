"""Losses of two models on the same requests, of a kind that is met in life; seeded by the generator handed in."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rng = np.random.Generator


class Drawn(NamedTuple):
    """Losses per run and request, and what was known of a request before its outcome; shape (n_runs, n_requests)."""

    candidate: Floats
    reference: Floats
    covariate: Floats
    bound: float | None = None
    """The largest difference that one request can show, where it is known beforehand."""


def normal(rng: Rng, runs: int, n: int, gap: float = 0.0, rho: float = 0.8) -> Drawn:
    """Normal losses of variance 1 that correlate by `rho`; half of the difference's variance is known beforehand."""
    part = np.sqrt((1 - rho) / 4)  # the difference is twice the known part and two parts of each one's own
    known, shared = rng.normal(size=(runs, n)), np.sqrt(1 - 3 * part**2) * rng.normal(size=(runs, n))
    ours = shared + part * (known + np.sqrt(2) * rng.normal(size=(runs, n)))
    theirs = shared + part * (-known + np.sqrt(2) * rng.normal(size=(runs, n)))
    return Drawn(ours + gap, theirs, known)


def log_loss(rng: Rng, runs: int, n: int, gap: float = 0.0, error: float = 0.6, spread: float = 1.5) -> Drawn:
    """Log losses of two classifiers whose logits err by `error`, the candidate's by `gap` more; known: their KL."""
    logit = rng.normal(0, spread, (runs, n))
    sign = np.where(rng.random((runs, n)) < 1 / (1 + np.exp(-logit)), -1.0, 1.0)
    ours, theirs = logit + (error + gap) * rng.normal(size=(runs, n)), logit + error * rng.normal(size=(runs, n))
    champion = 1 / (1 + np.exp(-theirs))
    both = [np.logaddexp(0, -ours) - np.logaddexp(0, -theirs), np.logaddexp(0, ours) - np.logaddexp(0, theirs)]
    divergence = champion * both[0] + (1 - champion) * both[1]
    return Drawn(np.logaddexp(0, sign * ours), np.logaddexp(0, sign * theirs), divergence)


def squared(rng: Rng, runs: int, n: int, gap: float = 0.0, error: float = 0.5) -> Drawn:
    """Squared errors under noise of t with 5 degrees of freedom; known: how far the two predictions lie apart."""
    noise = rng.standard_t(5, size=(runs, n))
    ours, theirs = (error + gap) * rng.normal(size=(runs, n)), error * rng.normal(size=(runs, n))
    return Drawn((noise - ours) ** 2, (noise - theirs) ** 2, (ours - theirs) ** 2)


def wrong(rng: Rng, runs: int, n: int, gap: float = 0.0, apart: float = 0.06) -> Drawn:
    """0/1 losses of two classifiers, both wrong in a fifth; each errs alone in up to `apart` / 2 of the rest."""
    base, place = rng.random((runs, n)) < 0.2, rng.random((runs, n))
    ours, theirs = base | (place < apart / 2 + gap), base | (place > 1 - apart / 2)
    return Drawn(ours.astype(float), theirs.astype(float), rng.random((runs, n)), 1.0)


def student(rng: Rng, runs: int, n: int, gap: float = 0.0) -> Drawn:
    """Differences of t with three degrees of freedom: no fourth moment."""
    return Drawn(rng.standard_t(3, size=(runs, n)) + gap, np.zeros((runs, n)), rng.random((runs, n)))


def exponential(rng: Rng, runs: int, n: int, gap: float = 0.0) -> Drawn:
    """Exponential losses against a reference that always loses their mean: skewness 2."""
    return Drawn(rng.exponential(size=(runs, n)) + gap, np.ones((runs, n)), rng.random((runs, n)))


def lognormal(rng: Rng, runs: int, n: int, gap: float = 0.0) -> Drawn:
    """Lognormal losses against a reference that always loses their mean: skewness 6."""
    return Drawn(np.exp(rng.normal(size=(runs, n))) + gap, np.full((runs, n), np.exp(0.5)), rng.random((runs, n)))


def rare(rng: Rng, runs: int, n: int, gap: float = 0.0, chance: float = 0.02) -> Drawn:
    """A candidate that loses 1 in one request of fifty and nothing else, against one that always loses 0.02."""
    return Drawn(
        (rng.random((runs, n)) < chance).astype(np.float64) + gap,
        np.full((runs, n), chance),
        rng.random((runs, n)),
        1.0,
    )


def rare_class(rng: Rng, runs: int, n: int, gap: float = 0.0, chance: float = 0.02, error: float = 0.3) -> Drawn:
    """Log losses where one request in fifty is positive: one model says too much, the other as much too little."""
    positive = rng.random((runs, n)) < chance
    shy = np.log(0.03 / 0.97) + error * rng.normal(size=(runs, n))
    sure = equally_bad(chance, error) + gap + error * rng.normal(size=(runs, n))
    sign = np.where(positive, -1.0, 1.0)
    ratios = [np.abs(np.logaddexp(0, s * sure) - np.logaddexp(0, s * shy)).max() for s in (-1.0, 1.0)]
    return Drawn(np.logaddexp(0, sign * sure), np.logaddexp(0, sign * shy), shy, float(max(ratios)))


@lru_cache
def equally_bad(chance: float, error: float) -> float:
    """Return the logit below the true one whose expected log loss is that of a share of 0.03."""
    points, weights = np.polynomial.hermite_e.hermegauss(60)

    def loss(logit: float) -> float:
        at = logit + error * points
        each = chance * np.logaddexp(0, -at) + (1 - chance) * np.logaddexp(0, at)
        return float(each @ weights / weights.sum())

    aim, low, high = loss(np.log(0.03 / 0.97)), -8.0, float(np.log(chance / (1 - chance)))
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if loss(middle) > aim else (low, middle)
    return low


WORLDS: dict[str, Callable[..., Drawn]] = {
    "normal": normal,
    "log loss": log_loss,
    "squared error, t5 noise": squared,
    "0/1 loss": wrong,
    "t3": student,
    "exponential": exponential,
    "lognormal": lognormal,
    "rare": rare,
    "log loss, a class of 2 %": rare_class,
}
