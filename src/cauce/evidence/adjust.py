"""What was known before the outcome, taken out of a mean: regression on covariates (CUPED), one or several arms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.evidence.spread import Floats


class Fitted(NamedTuple):
    """A regression within arms: one slope for all, each arm its own level."""

    slope: Floats
    """Shape (k,)."""
    residuals: list[Floats]
    """Per arm, around a mean of zero, shape (n_arm,)."""
    rank: int
    """Covariates that count: collinear ones count once, constant ones not at all."""
    precision: Floats
    """Inverse of the covariates' sums of squares and products within arms, shape (k, k)."""

    def leverage(self, shift: Floats) -> float:
        """Return by how many units' share of variance the slope's own error adds when moving by `shift`, (k,)."""
        return max(0.0, float(shift @ self.precision @ shift))


def within(targets: Sequence[Floats], known: Sequence[Floats]) -> Fitted:
    """Regress targets on covariates, each around its arm's mean.

    Parameters
    ----------
    targets
        Per arm, shape (n_arm,).
    known
        Per arm, shape (n_arm, k); in the size of 1, as `covariates` returns them.

    Examples
    --------
    >>> x = np.array([[1.0], [2.0], [4.0]])
    >>> fit = within([np.array([2.0, 4.0, 8.0])], [x])
    >>> fit.slope.round(6), fit.rank
    (array([2.]), 1)
    """
    centred = [own - own.mean(axis=0) for own in known]
    apart = [own - own.mean() for own in targets]
    gram = np.sum([own.T @ own for own in centred], axis=0)
    size = np.sqrt(np.diag(gram))
    told = size > 1e-10 * np.sqrt(sum(len(own) for own in known))
    unit = np.where(told, size, 1.0)
    strength, directions = np.linalg.eigh(gram / np.outer(unit, unit) * np.outer(told, told))
    kept = strength > 1e-10
    inverse = np.where(kept, 1.0 / np.where(kept, strength, 1.0), 0.0)
    precision = (directions * inverse) @ directions.T / np.outer(unit, unit)
    slope = precision @ np.sum([x.T @ y for x, y in zip(centred, apart, strict=True)], axis=0)
    residuals = [y - x @ slope for x, y in zip(centred, apart, strict=True)]
    return Fitted(slope, residuals, int(kept.sum()), precision)


def covariates(name: str, *arms: npt.ArrayLike) -> list[Floats]:
    """Return covariates of one or several arms as arrays of shape (n, k), all brought to the size of 1 by one factor.

    Raises
    ------
    ValueError
        A value that is not finite, more than two dimensions, arms with different numbers of covariates.

    Examples
    --------
    >>> covariates("covariate", [2.0, 4.0])[0].tolist()
    [[0.5], [1.0]]
    """
    found = []
    for values in arms:
        own = np.asarray(values, dtype=np.float64)
        own = own[:, None] if own.ndim == 1 else own
        if own.ndim != 2 or not own.size:
            raise ValueError(f"{name} has shape {np.shape(values)}: (n,) or (n, k) is needed, at least one of each")
        if not np.isfinite(own).all():
            raise ValueError(f"{name} has a value that is not finite")
        found.append(own)
    if len({own.shape[1] for own in found}) > 1:
        raise ValueError(f"{name} has {' and '.join(str(own.shape[1]) for own in found)} columns: as many are needed")
    size = np.max([np.abs(own).max(axis=0) for own in found], axis=0)
    return [own / np.where(size > 0, size, 1.0) for own in found]
