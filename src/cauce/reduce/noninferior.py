"""Non-inferiority by a share of the reference's loss: the one-sided test, and what some units could prove by it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.core.choice import Comparison, Verdict
from cauce.evidence import MARGIN_FLOOR, WIDEST, paired, provable_margin, units_needed
from cauce.evidence.spread import Spread, between, places
from cauce.reduce.rows import Floats

DOUBLED = 2.0
"""Times a sample's own skewness, which is too low where tails are heavy. Chosen on two simulated cases and confirmed on
a third (benchmarks/reduce/guarantee)."""
MOST = 10.0
"""Relative margins above this prove nothing worth saying."""


def not_worse(
    candidate: Floats,
    reference: Floats,
    *,
    margin: float,
    confidence: float = 0.95,
    tries: int = 1,
    clusters: npt.NDArray[Any] | None = None,
) -> Comparison:
    """Compare losses on the same units for one-sided non-inferiority, the reference's own scatter counted in.

    Parameters
    ----------
    candidate, reference
        Loss per unit, shape (n_units,).
    margin
        Relative to the expected loss of the reference.
    confidence
        One-sided, of all tries together.
    tries
        How many such comparisons there may be, of which one that passes is enough.
    clusters
        Which units belong together, shape (n_units,).

    Returns
    -------
    Comparison
        `Comparison.not_worse` is the test. Its interval is two-sided with an error of ``1 − confidence`` at *each* end,
        and that of the difference less the margin, moved back by the margin.
    """
    allowed = margin * reference * (1.0 if reference.mean() >= 0 else -1.0)
    two_sided = 1.0 - 2.0 * (1.0 - confidence)
    found = paired(candidate - allowed, reference, margin=0.0, confidence=two_sided, comparisons=tries, groups=clusters)
    moved = float(allowed.mean())
    limit = max(moved, MARGIN_FLOOR)
    # Where the units say nothing the ends are the largest floats, which moving leaves where they are.
    below, above = _stretch(candidate - allowed - reference, clusters, found)
    lower, upper = found.lower - below + moved, found.upper + above + moved
    verdict: Verdict = "undecided"
    if -limit < lower and upper < limit:
        verdict = "equivalent"
    elif upper < 0:
        verdict = "better"
    elif lower > 0:
        verdict = "worse"
    return replace(
        found,
        mean_candidate=float(candidate.mean()),
        difference=float((candidate - reference).mean()),
        lower=lower,
        upper=upper,
        margin=limit,
        verdict=verdict,
    )


def _stretch(values: Floats, clusters: npt.NDArray[Any] | None, found: Comparison) -> tuple[float, float]:
    """Return how much further than those of a t interval the ends have to lie, since the values are skewed.

    A mean of losses that a few units carry is too low together with its own scatter, so that a t interval ends too
    early above. Hall (1992, JRSS B 54, 221–228) transforms t by a cubic that takes the skewness out. Here it may only
    widen.
    """
    if found.provable >= WIDEST / 2 or found.provable <= 0:
        return 0.0, 0.0
    error = (values - values.mean()) / len(values)
    if clusters is not None:
        error = np.bincount(places(clusters), weights=error)
    std = math.sqrt(between(values, groups=clusters).variance)
    skew = DOUBLED * float(np.sum(error * error * error)) / float(error @ error) ** 1.5
    q = found.provable / std
    if abs(skew) < 1e-6:
        return 0.0, 0.0
    ends = [3.0 / skew * (float(np.cbrt(1.0 + skew * (x - skew / 6.0))) - 1.0) for x in (q, -q)]
    return max(0.0, ends[0] - q) * std, max(0.0, -ends[1] - q) * std


@dataclass(frozen=True, eq=False)
class Plan:
    """What some units can prove of a model whose losses differ from the reference's by `apart`."""

    apart: Floats
    reference: Floats
    clusters: npt.NDArray[Any] | None
    confidence: float
    """Two-sided, of one comparison."""

    def among(self, mask: npt.NDArray[np.bool_]) -> Plan:
        """Return the plan of some of the units."""
        clusters = None if self.clusters is None else self.clusters[mask]
        return replace(self, apart=self.apart[mask], reference=self.reference[mask], clusters=clusters)

    def _spread(self, margin: float) -> tuple[Spread, int]:
        """Return the scatter of what is tested at a margin, and how many independent units would tell as much."""
        found = between(self.apart - margin * self.reference, groups=self.clusters)
        return found, int(found.df) + 1

    def margin(self, power: float) -> float | None:
        """Return the smallest relative margin that is proven in a share `power` of tries; None where none can be."""
        loss, margin = abs(float(self.reference.mean())), 0.0
        for _ in range(50):  # a larger margin brings more of the reference's scatter with it
            spread, n = self._spread(margin)
            if n < 2 or loss <= 0:
                return None
            std = math.sqrt(spread.variance * n)
            before, margin = margin, provable_margin(std, n, power=power, confidence=self.confidence) / loss
            if margin > MOST:
                return None
            if abs(margin - before) <= 1e-4 * margin:
                break
        return margin

    def units(self, margin: float, power: float) -> int | None:
        """Return how many units prove the relative margin in a share `power` of tries, two digits."""
        spread, n = self._spread(margin)
        loss = abs(float(self.reference.mean()))
        if n < 2 or loss <= 0:
            return None
        try:
            std = math.sqrt(spread.variance * n)
            needed = units_needed(std, margin * loss, power=power, confidence=self.confidence)
        except ValueError:  # beyond what anybody has
            return None
        whole = needed * len(self.apart) / n
        step: int = 10 ** max(0, math.floor(math.log10(whole)) - 1)
        return math.ceil(whole / step) * step
