"""Two models on the same units, looked at again and again: a comparison that may be read at any time.

A promotion is decided by whoever looks, whenever: after each batch, each hour, and once more. An interval made for one
look is wrong one time in four when looked at two hundred times (``benchmarks/renew/peeking``); this one is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison
from cauce.evidence.adjust import covariates, within
from cauce.evidence.compare import losses_of
from cauce.evidence.mixture import CLUSTERS, START, Estimate
from cauce.evidence.running import Running, Sums, check_moment, judged
from cauce.evidence.spread import Floats, clustered, places


def sequential(
    candidate: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    margin: float,
    confidence: float = 0.95,
    covariate: npt.ArrayLike | None = None,
    everyone: npt.ArrayLike | None = None,
    groups: npt.NDArray[Any] | None = None,
    bound: float | None = None,
    tuned_for: float = 1000,
) -> Comparison:
    """Compare two models' losses on the units so far; the error holds for all looks together.

    Parameters
    ----------
    candidate, reference
        Loss per unit of both on the same units, all so far, shape (n_units,), finite; lower is better.
    margin
        The smallest difference that matters, relative to the mean of `reference`.
    confidence
        That the interval holds the truth at every look, however many: two-sided.
    covariate
        What was known of each unit before its outcome (the champion's own uncertainty), shape (n_units,) or
        (n_units, k), finite. Read only with `everyone`.
    everyone
        The same of all units of the same stretch of time, those whose outcome has not come included, shape (m,) or
        (m, k) with m ≥ n_units. What the units with an outcome lack or have too much of is then set right (CUPED),
        supposing that, given the covariate, whose outcome came first is chance. Without it a covariate changes
        nothing: both models saw the same units, so there is no imbalance between them to set right.
    groups
        Group of each unit, shape (n_units,), where the units of a group resemble each other (one user's requests).
    bound
        The largest difference, either way, that one unit can show, where it is known: 1 for 0/1 losses; for log losses
        the largest ``|log p − log q|`` of the two models over classes, which is known before the outcome. What may
        hide in units of a kind not seen yet is then counted in. Give it where classes are rare.
    tuned_for
        Units at which the interval is to be tightest, fixed beforehand: about as many as the decision is expected to
        take. Wrong by a factor of four it costs a tenth of the width.

    Returns
    -------
    Comparison
        Verdicts as from `paired`. Before 50 units (10 groups) nothing is concluded: the interval is as wide as floats
        allow. `difference` is the adjusted one where a covariate was used.

    Raises
    ------
    ValueError
        Lengths differ, no units, a value that is not finite, a margin below zero, a confidence outside (0, 1).

    Notes
    -----
    What is promised (`mixture.interval` has the mathematics): where differences are normal, the error over all looks
    is at most 1 − confidence, exactly. Elsewhere that is a limit, and simulation says how far it holds: at most 5 %
    with a look after each unit for log losses, squared errors, 0/1 losses, t with three degrees of freedom,
    exponential and lognormal (skewness 6) differences. It fails where what matters lies in units not seen yet: of a
    class of one in fifty none may be among the first fifty, and a model that is surer of the others looks better
    until one comes (a third of runs err). With `bound` it holds there too.

    The interval is that of the moment, not the intersection of all so far: it can be read without its history, and
    where the world moves it stays an interval of the mean over the units seen instead of becoming empty. Whoever
    acts on the first verdict loses nothing by that.

    Equal losses on every unit prove less here than in `paired`: until units were seen by the hundred, one of them
    might have differed by as much as the losses do among themselves.

    CUPED: Deng, Xu, Kohavi & Walker (2013, WSDM); with covariates of units without outcome it is the regression
    estimator of survey sampling, and what Angelopoulos et al. (2023, Science 382) call prediction-powered.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> old = rng.exponential(size=500)
    >>> found = sequential(old - 0.1 + rng.normal(0, 0.2, 500), old, margin=0.01)
    >>> found.verdict, round(found.lower, 3), round(found.upper, 3)
    ('better', -0.14, -0.089)
    """
    ours, theirs = losses_of(candidate, "candidate"), losses_of(reference, "reference")
    for name, labels in (("reference", theirs), ("groups", groups)):
        if labels is not None and np.shape(labels) != ours.shape:
            raise ValueError(f"{name} has shape {np.shape(labels)}, candidate {ours.shape}")
    check_moment(margin, confidence, tuned_for, bound)
    n = len(ours)
    known = _known(covariate, everyone, n)
    scale = max(float(np.max(np.abs(ours))), float(np.max(np.abs(theirs)))) or 1.0
    apart = ours / scale - theirs / scale
    plain = Running(Sums.of(ours / scale), Sums.of(theirs / scale), Sums.of(apart)).estimate()
    estimate, n_clusters = plain, n
    if known is not None:
        estimate, n_clusters = _adjusted(apart, known[0], known[1], groups)
    elif groups is not None:
        estimate, n_clusters = _scatter(apart, groups)
    if estimate.variance == 0 and estimate.df:
        estimate = estimate._replace(variance=plain.variance)
    enough = n >= START and (groups is None or n_clusters >= CLUSTERS)
    return judged(
        (float(ours.mean()), float(theirs.mean())),
        estimate,
        share=n / tuned_for if enough else 0.0,
        margin=margin,
        confidence=confidence,
        n_units=n,
        n_clusters=n_clusters,
        unseen_of=(bound or 0.0, n_clusters, n_clusters),
        scale=scale,
    )


def _known(covariate: npt.ArrayLike | None, everyone: npt.ArrayLike | None, n: int) -> tuple[Floats, Floats] | None:
    """Return the covariates of the units and of everyone, None where there is nothing to adjust to."""
    if covariate is None:
        if everyone is not None:
            raise ValueError("everyone is read only with covariate: give both or neither")
        return None
    own = covariates("covariate", covariate)[0]
    if len(own) != n:
        raise ValueError(f"covariate has shape {np.shape(covariate)}, candidate ({n},)")
    if everyone is None:
        return None
    own, all_units = covariates("covariate and everyone", covariate, everyone)
    if len(all_units) < n:
        raise ValueError(f"everyone has {len(all_units)} units, candidate {n}: those with an outcome are among them")
    return own, all_units


def _scatter(values: Floats, groups: npt.NDArray[Any] | None) -> tuple[Estimate, int]:
    """Return the mean of values and how it scatters, and the number of independent pieces."""
    if groups is None:
        return Sums.of(values).spread(), len(values)
    spread = clustered(values, groups)
    error = np.bincount(places(groups), weights=values - values.mean()) / len(values)
    return Estimate(float(values.mean()), spread.variance, float(np.sum(error**3)), spread.df), spread.n_clusters


def _adjusted(apart: Floats, known: Floats, everyone: Floats, groups: npt.NDArray[Any] | None) -> tuple[Estimate, int]:
    """Return the mean difference that everyone's covariates suggest.

    The difference of a unit is what its covariates explain and a rest. The rest scatters by the units with an outcome,
    what is explained by everyone: ``rest²/n + explained²/m``.
    """
    n, m = len(apart), len(everyone)
    fit = within([apart], [known])
    shift = everyone.mean(axis=0) - known.mean(axis=0)
    rest, n_clusters = _scatter(fit.residuals[0], groups)
    explained, _ = _scatter((known - known.mean(axis=0)) @ fit.slope, groups)
    df = rest.df - fit.rank
    if df <= 0:
        return Estimate(float(apart.mean()), 0.0, 0.0, 0.0), n_clusters
    variance = rest.variance * (rest.df / df) * (1.0 + n * fit.leverage(shift)) + explained.variance * (n / m)
    third = rest.third + explained.third * (n / m) ** 2
    return Estimate(float(apart.mean() + shift @ fit.slope), variance, third, df), n_clusters
