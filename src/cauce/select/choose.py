"""The rule: the simplest rung that is not proven worse than the best by more than the margin.

Every rung is held against the best one, never against its neighbour: where only the last rung helps, as on XOR, a
greedy walk would stop at the first.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Choice, Comparison, Rung
from cauce.evidence import paired
from cauce.select.ladder import Attempt, Climb
from cauce.select.reason import write_reason


def choose(climb: Climb, *, margin: float, confidence: float = 0.95) -> Choice:
    """Choose a rung and say why.

    The best rung is the one with the lowest mean loss. A simpler one is refused when its interval against the best
    lies above zero and its estimated loss exceeds the best's by more than the margin. The intervals hold together, so
    that of rungs which are truly equal a higher one is taken in at most ``1 − confidence`` of all cases.

    Parameters
    ----------
    climb
        At least one complete rung.
    margin
        The smallest difference that matters, relative to the best rung's mean loss.
    confidence
        Of all comparisons together.

    Returns
    -------
    Choice
        With a rung for each candidate, simplest first, and the reason in English and Spanish.
    """
    if climb.groups is not None:  # sorted once as text, which takes seconds for a million units
        climb = replace(climb, groups=np.unique(climb.groups, return_inverse=True)[1])
    complete = climb.complete
    best = min(complete, key=_mean)  # the first, and so the simplest, of equals
    found = {
        attempt.candidate.name: _against(attempt, best, climb, margin, confidence)
        for attempt in complete
        if attempt is not best
    }
    chosen = next(a for a in complete if a is best or not _refused(found[a.candidate.name]))
    rungs = tuple(_rung(a, climb, chosen, found.get(a.candidate.name)) for a in climb.attempts)
    choice = Choice(
        model=climb.spec.model,
        loss=climb.spec.loss,
        chosen=chosen.candidate.name,
        best=best.candidate.name,
        rungs=rungs,
        margin=margin,
        n_units=len(climb.units),
        n_folds=len(np.unique(climb.folds)),
        seed=climb.spec.seed,
        reason={},
        interrupted=climb.interrupted,
    )
    notes = {a.candidate.name: a.note for a in climb.attempts if a.note is not None}
    return replace(choice, reason=write_reason(choice, notes))


def _losses(attempt: Attempt) -> npt.NDArray[np.float64]:
    assert attempt.losses is not None
    return attempt.losses


def _mean(attempt: Attempt) -> float:
    return float(_losses(attempt).mean())


def _against(attempt: Attempt, best: Attempt, climb: Climb, margin: float, confidence: float) -> Comparison:
    return paired(
        _losses(attempt),
        _losses(best),
        margin=margin,
        groups=climb.groups,
        folds=climb.folds,
        confidence=confidence,
        comparisons=len(climb.complete) - 1,
        test_per_train=climb.test_per_train,
        expanding=climb.expanding,
    )


def _refused(found: Comparison) -> bool:
    return found.lower > 0 and found.difference > found.margin


def _rung(attempt: Attempt, climb: Climb, chosen: Attempt, found: Comparison | None) -> Rung:
    candidate = attempt.candidate
    rung = Rung(
        name=candidate.name,
        title=candidate.title,
        outcome="refused",
        why="more_complex",
        fit_seconds=attempt.fit_seconds,
        predict_us_per_row=attempt.predict_us_per_row,
        against_best=found,
    )
    if attempt.losses is None:
        assert attempt.why is not None
        return replace(rung, outcome="skipped", why=attempt.why, detail=attempt.note["en"] if attempt.note else "")
    rung = replace(rung, mean_loss=_mean(attempt))
    if attempt is chosen:
        return replace(rung, outcome="chosen", why="simplest_not_worse")
    simpler = climb.attempts.index(attempt) < climb.attempts.index(chosen)
    return replace(rung, why="worse_than_best") if simpler else rung
