"""Two models on different units, looked at again and again: an A/B test, and whether its arms got their share.

A split is for outcomes that depend on what was shown. Where both models can score the same request, pairs take a tenth
of the requests (``benchmarks/renew/peeking``): `sequential`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison
from cauce.evidence.adjust import covariates, within
from cauce.evidence.compare import losses_of
from cauce.evidence.mixture import START, Estimate
from cauce.evidence.running import Sums, check_moment, judged
from cauce.evidence.spread import Floats


def split(
    candidate: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    margin: float,
    confidence: float = 0.95,
    candidate_covariate: npt.ArrayLike | None = None,
    reference_covariate: npt.ArrayLike | None = None,
    bound: float | None = None,
    tuned_for: float = 1000,
) -> Comparison:
    """Compare losses of two arms whose units were assigned by chance; the error holds for all looks together.

    Parameters
    ----------
    candidate, reference
        Loss per unit of each arm, all so far, shapes (n_candidate,) and (n_reference,), finite; lower is better. A
        unit is what was assigned: a user, not a request, where users come back.
    margin
        The smallest difference that matters, relative to the mean of `reference`. A guardrail is read from the same
        comparison: `not_worse` holds once the interval's upper end lies under the margin, at whichever look.
    confidence
        That the interval holds the truth at every look, however many: two-sided.
    candidate_covariate, reference_covariate
        What was known of each unit before it was assigned, shape (n_arm,) or (n_arm, k); both or neither. The figure
        is then adjusted with one slope for both arms (CUPED).
    bound
        The largest loss that one unit can have more than another, where it is known: 1 for 0/1 losses. What may hide
        in units of a kind not seen yet is then counted in. Give it where losses are rare.
    tuned_for
        Units of both arms together at which the interval is to be tightest, fixed beforehand.

    Returns
    -------
    Comparison
        As from `sequential`; `n_units` and `n_clusters` count both arms. Before each arm has 50 units nothing is
        concluded.

    Raises
    ------
    ValueError
        As from `sequential`; one covariate without the other.

    Notes
    -----
    `mixture.interval` with Welch's variance and degrees of freedom, and the slope of the regression within arms:
    exact for normal losses of one variance, the limit elsewhere. The share of the arms is to stay fixed: where it is
    changed while the world moves, start anew. Test the share first (`sample_ratio`).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> split(rng.exponential(1.3, 900), rng.exponential(1.0, 900), margin=0.01).verdict
    'worse'
    """
    arms = [losses_of(candidate, "candidate"), losses_of(reference, "reference")]
    check_moment(margin, confidence, tuned_for, bound)
    known = _known(arms, candidate_covariate, reference_covariate)
    scale = max(float(np.max(np.abs(own))) for own in arms) or 1.0
    estimate = _difference([own / scale for own in arms], known)
    n_candidate, n_reference = len(arms[0]), len(arms[1])
    # As many units, half in each arm, would tell as much.
    balanced = 4.0 * n_candidate * n_reference / (n_candidate + n_reference)
    return judged(
        (float(arms[0].mean()), float(arms[1].mean())),
        estimate,
        share=balanced / tuned_for if min(n_candidate, n_reference) >= START else 0.0,
        margin=margin,
        confidence=confidence,
        n_units=n_candidate + n_reference,
        n_clusters=n_candidate + n_reference,
        unseen_of=(bound or 0.0, n_reference, n_candidate),
        scale=scale,
    )


def sample_ratio(n_candidate: int, n_reference: int, share: float, *, concentration: float = 1000.0) -> float:
    """Return a p-value, which may be read at any time, of "units were assigned to the candidate with this share".

    Parameters
    ----------
    n_candidate, n_reference
        Units of each arm so far.
    share
        Of the candidate, as configured, in (0, 1).
    concentration
        How near the configured share a wrong one is thought to be, in units: 1,000 is tuned for shares that are a few
        hundredths off.

    Returns
    -------
    float
        In (0, 1]. If the share is right, it ever falls to p in at most a share p of experiments, however often it is
        read. A split with less than 0.01 is not to be believed, whatever its losses say.

    Raises
    ------
    ValueError
        Counts below zero, a share outside (0, 1).

    Notes
    -----
    One over the Bayes factor of Lindon & Malek (2022, NeurIPS, "Anytime-valid inference for multinomial count data"):
    a beta prior around the share, of the sum `concentration`, against the share itself. Exact at all counts.

    Examples
    --------
    >>> sample_ratio(5_000, 5_100, 0.5), round(sample_ratio(50_000, 52_000, 0.5), 6)
    (1.0, 0.0)
    """
    from scipy.special import betaln

    if min(n_candidate, n_reference) < 0:
        raise ValueError(f"n_candidate is {n_candidate}, n_reference {n_reference}: counts are 0 or more")
    if not 0 < share < 1:
        raise ValueError(f"share is {share}: it lies between 0 and 1")
    ours, theirs = concentration * share, concentration * (1.0 - share)
    factor = betaln(ours + n_candidate, theirs + n_reference) - betaln(ours, theirs)
    factor -= n_candidate * math.log(share) + n_reference * math.log1p(-share)
    return math.exp(min(0.0, max(-700.0, -float(factor))))


def _known(arms: list[Floats], candidate: npt.ArrayLike | None, reference: npt.ArrayLike | None) -> list[Floats] | None:
    if candidate is None and reference is None:
        return None
    if candidate is None or reference is None:
        raise ValueError("a covariate is needed of both arms or of neither")
    known = covariates("the arms' covariate", candidate, reference)
    for name, own, losses in zip(("candidate", "reference"), known, arms, strict=True):
        if len(own) != len(losses):
            raise ValueError(f"{name}_covariate has {len(own)} units, {name} {len(losses)}")
    return known


def _difference(arms: list[Floats], known: list[Floats] | None) -> Estimate:
    """Return the difference of the arms' means, adjusted where there are covariates."""
    value, leverage, rank, parts = float(arms[0].mean() - arms[1].mean()), 0.0, 0, arms
    if known is not None:
        fit = within(arms, known)
        shift = known[0].mean(axis=0) - known[1].mean(axis=0)
        value -= float(shift @ fit.slope)
        leverage, rank = fit.leverage(shift), fit.rank
        parts = [own.mean() + rest for own, rest in zip(arms, fit.residuals, strict=True)]
    breadth = max(float(own.max()) for own in arms) - min(float(own.min()) for own in arms)
    ours, theirs = (Sums.of(own).spread(at_least=breadth) for own in parts)
    variance = ours.variance + theirs.variance
    if not (ours.df and theirs.df):
        return Estimate(value, 0.0, 0.0, 0.0)
    below = ours.variance**2 / ours.df + theirs.variance**2 / theirs.df
    free = ours.df + theirs.df
    df = (variance**2 / below if below > 0 else free) - rank
    if df <= 0:
        return Estimate(value, 0.0, 0.0, 0.0)
    variance *= (free / (free - rank)) * (1.0 + leverage / (1.0 / len(arms[0]) + 1.0 / len(arms[1])))
    return Estimate(value, variance, ours.third - theirs.third, df)
