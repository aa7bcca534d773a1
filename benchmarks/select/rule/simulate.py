"""Losses whose truth is known, and what the rule makes of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, Choice, Schema, TaskSpec
from cauce.select import Attempt, Climb, choose

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def choice(losses: Floats, folds: Ints, *, margin: float) -> Choice:
    """Return the choice among rungs named 0, 1, … by their losses, shape (n_rungs, n_units)."""
    n_rungs, n = losses.shape
    k = int(folds.max()) + 1
    found = Climb(
        spec=TaskSpec("m", "regress", "y", Schema(()), "own"),
        attempts=tuple(Attempt(Candidate(str(i), {"en": str(i)}), losses[i]) for i in range(n_rungs)),
        units=np.arange(n).astype(np.str_),
        rows=None,
        folds=folds,
        groups=None,
        test_per_train=1 / max(1, k - 1),
    )
    return choose(found, margin=margin)


def place(losses: Floats, folds: Ints, *, margin: float) -> int:
    """Return the place of the rung that is chosen."""
    return int(choice(losses, folds, margin=margin).chosen)


def equal_ridges(
    rng: np.random.Generator, n: int, n_rungs: int, p: int, n_folds: int, shrinkage: float = 0.1
) -> tuple[Floats, Ints]:
    """Return out-of-fold losses of ridge regressions on columns of their own, each with an equal part of the signal."""
    columns = rng.normal(size=(n_rungs, n, p))
    slopes = rng.normal(size=(n_rungs, p))
    slopes /= np.linalg.norm(slopes, axis=1, keepdims=True)
    target = np.einsum("rnp,rp->n", columns, slopes) + rng.normal(size=n)
    folds = np.arange(n) % n_folds
    losses = np.empty((n_rungs, n))
    for fold in range(n_folds):
        seen, asked = columns[:, folds != fold], columns[:, folds == fold]
        gram = np.einsum("rnp,rnq->rpq", seen, seen) + shrinkage * np.eye(p)
        fitted = np.linalg.solve(gram, np.einsum("rnp,n->rp", seen, target[folds != fold])[..., None])
        losses[:, folds == fold] = (target[folds == fold] - (asked @ fitted)[..., 0]) ** 2
    return losses, folds


def better_by(rng: np.random.Generator, n: int, gain: float, noise: float, n_folds: int) -> tuple[Floats, Ints]:
    """Return losses of two rungs, mean 1 and ``1 − gain``; `noise` is the standard deviation of their difference."""
    shared = rng.exponential(size=n)
    apart = gain + noise * rng.normal(size=n)
    return np.stack([shared, shared - apart]), np.arange(n) % n_folds
