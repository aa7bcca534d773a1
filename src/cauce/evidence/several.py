"""Several models on the same units: how much chance has to play with when the best of them is picked.

The lowest of several mean losses is low partly by luck, and a model held against it looks worse than it is. How much
worse depends on how alike the models are: two that err on the same units give luck one chance, not two. Bonferroni
counts every model in full; here they are counted as the correlation of their losses has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.evidence.spread import Floats, places

DRAWS = 2**14
"""Of the mean losses: 5 % of errors asked for are then 4.7 to 5.3 % in 19 of 20 seeds."""
SAME = 1e-12
"""Share of two models' variance below which that of their difference is rounding: they are one model."""


@dataclass(frozen=True, eq=False)
class Chance:
    """Mean losses of several models as chance alone would scatter them, if all were truly equal."""

    covariance: Floats
    """Of the models' mean losses, up to a factor, shape (n_models, n_models)."""
    draws: Floats
    """Shape (n_models, n_draws)."""

    def counted(self, model: int, rivals: Sequence[int], *, confidence: float) -> float:
        """Return as how many comparisons it counts to hold `model` against whichever rival looks best.

        Parameters
        ----------
        model
            Its place among the models.
        rivals
            Those that might turn out lowest, without `model`.
        confidence
            With which `model`, where it is as good as every rival, is not called worse than any.

        Returns
        -------
        float
            m, from 1 for rivals that are all alike to their number: a one-sided level of ``(1 − confidence) / m`` for
            a single comparison keeps the level ``1 − confidence`` for the worst of them. `paired` takes it as
            `comparisons`.

        Notes
        -----
        The critical value is the quantile of the largest of the standardised differences, one-sided: that of Dunnett
        (1955, JASA 50) for estimated correlations. That it suffices although the best is picked by its loss is Hsu's
        (1984, Annals of Statistics 12) multiple comparison with the best. It is turned into a level, so that each
        pair keeps its own t quantile (Conneely & Boehnke 2007, American Journal of Human Genetics 81).

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> alike = rng.normal(size=1000) + 0.1 * rng.normal(size=(3, 1000))
        >>> losses = np.vstack([rng.normal(size=1000), alike])
        >>> found = chance(losses, rng=rng)
        >>> round(found.counted(0, [1, 2, 3], confidence=0.95), 1), round(found.counted(1, [2, 3], confidence=0.95), 1)
        (1.1, 1.8)
        """
        from scipy.special import ndtr

        others = np.asarray(rivals, dtype=np.int64)
        own, theirs = self.covariance[model, model], self.covariance[others, others]
        variance = own + theirs - 2 * self.covariance[model, others]
        apart = variance > SAME * (own + theirs)
        if apart.sum() < 2:
            return 1.0
        standard = (self.draws[model] - self.draws[others[apart]]) / np.sqrt(variance[apart])[:, None]
        critical = float(np.quantile(standard.max(axis=0), confidence))
        return float(np.clip((1.0 - confidence) / ndtr(-critical), 1.0, apart.sum()))


def chance(
    losses: npt.ArrayLike, *, rng: np.random.Generator, groups: npt.NDArray[Any] | None = None, n_draws: int = DRAWS
) -> Chance:
    """Draw the mean losses of several models as they would scatter by chance alone.

    Parameters
    ----------
    losses
        Loss per model and unit, shape (n_models, n_units), finite; the same units in the same order.
    groups
        Group of each unit, shape (n_units,), where the units of a group resemble each other.
    n_draws
        How often.

    Notes
    -----
    Drawn from the normal distribution with the covariance of the units' (or groups') sums. That is what the Gaussian
    multiplier bootstrap of Chernozhukov, Chetverikov & Kato (2013, Annals of Statistics 41) draws from, without a
    multiplier for each unit: a million units cost one product of matrices.
    """
    values = np.asarray(losses, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"losses has shape {values.shape}: (n_models, n_units) is needed, at least one of each")
    apart = values - values.mean(axis=1, keepdims=True)
    apart -= apart.mean(axis=0)  # what all share says nothing of differences, and would drown them in rounding
    apart /= float(np.max(np.abs(apart))) or 1.0
    if groups is not None:
        index = places(groups)
        apart = np.stack([np.bincount(index, weights=own) for own in apart])
    covariance = apart @ apart.T
    strength, directions = np.linalg.eigh(covariance)
    scale = directions * np.sqrt(np.maximum(strength, 0.0))
    return Chance(covariance, scale @ rng.standard_normal((len(values), n_draws)))
