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
from cauce.select.attempts import Attempt, Climb
from cauce.select.reason import write_reason


def choose(climb: Climb, *, margin: float, confidence: float = 0.95, budget_s: float | None = None) -> Choice:
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
    budget_s
        What the climb was given, for the record.

    Returns
    -------
    Choice
        With a rung for each candidate, simplest first, and the reason in English and Spanish.
    """
    if climb.groups is not None:  # sorted once as text, which takes seconds for a million units
        climb = replace(climb, groups=np.unique(climb.groups, return_inverse=True)[1])
    complete = [attempt for attempt in climb.complete if attempt.why is None]
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
        seconds=climb.seconds,
        budget_s=budget_s,
        trials={attempt.candidate.name: attempt.trials for attempt in climb.attempts if attempt.trials},
    )
    return replace(choice, reason=write_reason(choice))


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
        comparisons=sum(attempt.why is None for attempt in climb.complete) - 1,
        test_per_train=climb.test_per_train,
        expanding=climb.expanding,
    )


def _refused(found: Comparison) -> bool:
    return found.lower > 0 and found.difference > found.margin


def _rung(attempt: Attempt, climb: Climb, chosen: Attempt, found: Comparison | None) -> Rung:
    candidate, cost, note = attempt.candidate, attempt.cost, attempt.note or {}
    rung = Rung(
        name=candidate.name,
        title=candidate.title,
        outcome="refused",
        why="more_complex",
        detail=note.get("en", ""),
        note=note,
        params=candidate.params,
        expected_seconds=attempt.expected_s,
        n_trials=len(attempt.trials),
        tuning_seconds=sum(trial.seconds for trial in attempt.trials),
        against_best=found,
    )
    if cost is not None:
        rung = replace(
            rung,
            fit_seconds=cost.fit_seconds,
            predict_us_per_row=cost.predict_us_per_row,
            predict_ms_one_row=cost.predict_ms_one_row,
            size_bytes=cost.size_bytes,
        )
    if attempt.losses is None:
        assert attempt.why is not None
        return replace(rung, outcome="skipped", why=attempt.why)
    rung = replace(rung, mean_loss=_mean(attempt))
    if attempt.why is not None:  # fitted, and may not be chosen
        return replace(rung, why=attempt.why)
    if attempt is chosen:
        return replace(rung, outcome="chosen", why="simplest_not_worse")
    simpler = climb.attempts.index(attempt) < climb.attempts.index(chosen)
    return replace(rung, why="worse_than_best") if simpler else rung
