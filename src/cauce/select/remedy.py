"""Remedies: settings that bind a rung more or give it more freedom, tried on the folds and held against its own.

A remedy is adopted where it is proven better by more than matters. It is given up after one fold where it is no better
there; where it only looks better after the folds of the diagnosis it is tried on all of them. The two looks that may
adopt it share the error that one decision may make.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cauce.core.artefacts import Candidate, Comparison, Fault, Remedy
from cauce.core.spaces import Value
from cauce.evidence import paired
from cauce.select.attempts import Climb
from cauce.select.probing import Measured, NotFitted, OutOfTime, Probe, pooled

LOOKS = 2
PROMISING = 1.0
"""Standard errors, of the units alone, by which it must look better for the other folds to be worth their fits."""


@dataclass(frozen=True)
class Rule:
    """When a difference counts."""

    margin: float
    confidence: float
    test_per_train: float
    expanding: bool


def settings_against(fault: Fault, candidate: Candidate, params: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return the settings that a remedy changes; none where the rung has none, or is beyond them already.

    Where the tables of both faults name a number, the two say which way is more freedom: a setting that lies beyond
    the remedy's that way stays.

    Examples
    --------
    >>> both = {"overfit": {"leaves": 6, "rate": 0.05}, "underfit": {"leaves": 127}}
    >>> tree = Candidate("tree", {}, {"leaves": 31}, remedies=both)
    >>> settings_against("overfit", tree, {}), settings_against("overfit", tree, {"leaves": 4})
    ({'leaves': 6, 'rate': 0.05}, {'rate': 0.05})
    """
    now = {**candidate.params, **params}
    other = candidate.remedies.get("underfit" if fault == "overfit" else "overfit", {})
    return {
        name: value
        for name, value in candidate.remedies.get(fault, {}).items()
        if now.get(name) != value and not _beyond(now.get(name), value, other.get(name))
    }


def _beyond(now: Value | None, goal: Value, away: Value | None) -> bool:
    """Whether `now` lies past `goal`, seen from `away`."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (now, goal, away))
    if not numbers or now is None or away is None or not float(now):  # 0: the rung chooses by itself
        return False
    return (float(now) - float(goal)) * (float(goal) - float(away)) > 0


def try_settings(
    fault: Fault,
    probe: Probe,
    params: Mapping[str, Value],
    own: Mapping[int, Measured],
    rule: Rule,
) -> Remedy | None:
    """Fit the remedy's settings on the folds of `own`, and on the others where that may decide; None without any.

    Parameters
    ----------
    own
        The diagnosed model's fits by fold, on all training rows.

    Raises
    ------
    OutOfTime
        Before it was judged at all.
    """
    changes = settings_against(fault, probe.candidate, params)
    if not changes:
        return None
    told = sum(bool(probe.candidate.remedies.get(kind)) for kind in ("overfit", "underfit")) * LOOKS
    slowest = max(part.seconds for part in own.values())
    ours, theirs = dict(own), {}
    found = None
    first, *others = own
    for look in ([first], others, [fold for fold in range(len(probe.folds)) if fold not in own]):
        if found is not None and not _goes_on(found, theirs, ours, len(own)):
            break
        try:
            for fold in look:
                theirs[fold] = probe.fit({**params, **changes}, fold, expected_s=slowest)
                slowest = max(slowest, theirs[fold].seconds)
                if fold not in ours:
                    ours[fold] = probe.fit(params, fold, expected_s=slowest)
        except NotFitted:
            return Remedy(fault, None, adopted=False, changes=changes)
        except OutOfTime:
            if found is None:
                raise
            break
        found = _compared(theirs, ours, rule, told)
    remedy = Remedy(fault, found, adopted=False, changes=changes)
    return Remedy(fault, found, adopted=remedy.proven, changes=changes)


def _goes_on(found: Comparison, theirs: Mapping[int, Measured], ours: Mapping[int, Measured], n_first: int) -> bool:
    """Whether more folds may prove it. The scatter of few folds is known badly, so the units alone are asked."""
    if len(theirs) < n_first:
        return found.difference < 0
    apart = np.concatenate([theirs[i].losses - ours[i].losses for i in theirs])
    error = float(apart.std()) / math.sqrt(len(apart))
    return found.verdict != "better" and -found.difference > max(found.margin, PROMISING * error)


def _compared(theirs: Mapping[int, Measured], ours: Mapping[int, Measured], rule: Rule, comparisons: int) -> Comparison:
    folds = sorted(theirs)
    losses, fold, groups = pooled([theirs[i] for i in folds], folds)
    return paired(
        losses,
        np.concatenate([ours[i].losses for i in folds]),
        margin=rule.margin,
        groups=groups,
        folds=fold,
        confidence=rule.confidence,
        comparisons=comparisons,
        test_per_train=rule.test_per_train,
        expanding=rule.expanding,
    )


def other_rungs(
    climb: Climb, candidate: Candidate, params: Mapping[str, Value], own: Mapping[int, Measured], rule: Rule
) -> Sequence[Remedy]:
    """Return what the climb knows of the other rungs: simpler against overfit, more complex against underfit.

    They are held against the climb's own losses of this rung, on all folds; where it had other settings, against
    `own`, the diagnosed model's fits by fold.
    """
    complete = climb.complete
    place = next((i for i, attempt in enumerate(complete) if attempt.candidate.name == candidate.name), None)
    if place is None:
        return ()
    losses, units = complete[place].losses, np.ones(len(climb.folds), bool)
    if dict(complete[place].candidate.params) != {**candidate.params, **params}:
        losses, units = pooled([own[fold] for fold in sorted(own)], sorted(own))[0], np.isin(climb.folds, list(own))
    assert losses is not None
    found = []
    for i, attempt in enumerate(complete):
        if i == place or attempt.losses is None:
            continue
        comparison = paired(
            attempt.losses[units],
            losses,
            margin=rule.margin,
            groups=None if climb.groups is None else climb.groups[units],
            folds=climb.folds[units],
            confidence=rule.confidence,
            comparisons=len(complete) - 1,
            test_per_train=climb.test_per_train,
            expanding=climb.expanding,
        )
        fault: Fault = "overfit" if i < place else "underfit"
        found.append(Remedy(fault, comparison, False, rung=attempt.candidate.name, title=attempt.candidate.title))
    return found
