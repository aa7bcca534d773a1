"""Models whose true loss is known, judged by the guarantee: log losses of logits that are off by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from cauce.core.reduction import Reduction
from cauce.reduce.guarantee import Judges, Terms, prove
from cauce.reduce.rows import Floats, Ints, Kept, Rows

N_ROWS = 100
"""Rows that would be fitted on, were anything fitted."""
SHARES = (0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True)
class Model:
    """Logits ``sure · z + error · e`` where z is the truth and e normal."""

    error: float = 0.2
    sure: float = 1.0


@dataclass(frozen=True)
class World:
    """Units, the model from all rows, and the models from kept rows: one for each group."""

    n_units: int
    kept: tuple[Model, ...] = (Model(),)
    full: Model = Model()
    spread: float = 2.0
    """Of the true logits: the larger, the fewer units carry most of the loss."""
    cluster: int = 1
    """Units that share nine tenths of their logit, of their label's luck and of a model's error."""
    own_luck: bool = False
    """Labels fall independently within a cluster, so that a model's error there shows mostly as its square: skewed."""
    n_families: int = 1


def true_loss(model: Model, spread: float = 2.0) -> float:
    """Return the expected log loss, by quadrature.

    Examples
    --------
    >>> round(true_loss(Model(error=0.0), spread=1e-9), 6) == round(float(np.log(2)), 6)
    True
    """
    x, w = np.polynomial.hermite_e.hermegauss(80)
    w = w / w.sum()
    z = spread * x[:, None]
    logit = model.sure * z + model.error * x[None, :]
    p = 1 / (1 + np.exp(-z))
    return float((w[:, None] * w * (p * np.logaddexp(0, -logit) + (1 - p) * np.logaddexp(0, logit))).sum())


def true_margin(world: World) -> float:
    """Return by how much the worst group's kept model is truly worse, relative to the model from all rows."""
    full = true_loss(world.full, world.spread)
    return max(true_loss(model, world.spread) for model in world.kept) / full - 1.0


def judge(world: World, seed: int, terms: Terms) -> Reduction:
    """Return the record of one run; every fit errs anew."""
    rng = np.random.default_rng([seed, world.n_units])
    n, size = world.n_units, world.cluster
    cluster = np.arange(n) // size

    def normal(rng: np.random.Generator) -> Floats:
        own = rng.normal(size=n)
        if size == 1:
            return own
        shared: Floats = np.sqrt(0.9) * rng.normal(size=cluster[-1] + 1)[cluster] + np.sqrt(0.1) * own
        return shared

    z = world.spread * normal(rng)
    positive = ndtr(rng.normal(size=n) if world.own_luck else normal(rng)) < 1 / (1 + np.exp(-z))
    group = rng.permutation(n) % len(world.kept)
    sure = np.array([model.sure for model in world.kept])[group]
    error = np.array([model.error for model in world.kept])[group]

    def learner(number: int) -> object:
        def losses(rows: Rows, kept: Kept, judge: Rows, fit: int) -> Floats:
            chance = normal(np.random.default_rng([seed, number, len(kept.indices), fit]))
            full = len(kept.indices) == len(rows)
            logit = world.full.sure * z + world.full.error * chance if full else sure * z + error * chance
            loss: Floats = np.logaddexp(0, np.where(positive, -logit, logit))
            return loss

        return losses

    found = prove(
        _rows(N_ROWS, None),
        Judges(_rows(n, group if len(world.kept) > 1 else None), clusters=cluster if size > 1 else None),
        families={str(number): learner(number) for number in range(world.n_families)},  # type: ignore[misc]
        propose=_propose,
        terms=terms,
        clock=lambda: 0.0,
    )
    return found.record


def _propose(share: float) -> Kept:
    n = round(share * N_ROWS)
    return Kept(np.arange(n), np.full(n, N_ROWS / n))


def _rows(n: int, group: Ints | None) -> Rows:
    nothing: npt.NDArray[np.float32] = np.zeros((n, 1), dtype=np.float32)
    return Rows(nothing, np.zeros(n, dtype=np.int64), np.ones(n), n_classes=2, groups=group)
