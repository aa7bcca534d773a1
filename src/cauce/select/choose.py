"""The rule: the simplest rung that is not proven worse than the best by more than the margin.

Every rung is held against the best one, never against its neighbour: where only the last rung helps, as on XOR, a
greedy walk would stop at the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Choice, Comparison, Rung
from cauce.evidence import MARGIN_FLOOR, chance, paired, units_to_find
from cauce.select.attempts import Attempt, Climb
from cauce.select.reason import write_reason

POWER = 0.9
"""Share of tries in which a gap of twice the margin is to be found, for the number of units that is told."""


def choose(climb: Climb, *, margin: float, confidence: float = 0.95, budget_s: float | None = None) -> Choice:
    """Choose a rung and say why.

    The best rung is the one with the lowest mean loss. A simpler one is refused when its interval against the best
    lies above zero and its estimated loss exceeds the best's by more than the margin. Of rungs which are truly equal
    a higher one is taken in at most ``1 − confidence`` of all cases.

    Parameters
    ----------
    climb
        At least one complete rung.
    margin
        The smallest difference that matters, relative to the best rung's mean loss.
    confidence
        With which a rung that is as good as all above it is not refused, more than 0.5.
    budget_s
        What the climb was given, for the record.

    Returns
    -------
    Choice
        With a rung for each candidate, simplest first, and the reason in English and Spanish.

    Notes
    -----
    Let s be the simplest of the truly best rungs. A higher one is taken only where s is refused, and it is refused
    only where some rung above it looks better by chance: so s is held against all rungs above it at once, and nothing
    needs to be added for the rungs below. Which rung s is nobody knows; every rung is treated as if it were (`_Field`).
    """
    climb = climb.with_group_numbers()
    field = _Field([attempt for attempt in climb.complete if attempt.why is None], climb, margin, confidence)
    best, complete = field.best, field.attempts
    found = {i: field.against_best(i) for i in range(len(complete)) if i != best}
    place = next(i for i in range(len(complete)) if i == best or not _refused(found[i]))
    named = {complete[i].candidate.name: comparison for i, comparison in found.items()}
    rungs = tuple(_rung(a, climb, complete[place], named.get(a.candidate.name)) for a in climb.attempts)
    choice = Choice(
        model=climb.spec.model,
        loss=climb.spec.loss,
        chosen=complete[place].candidate.name,
        best=complete[best].candidate.name,
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
        units_for_twice_margin=field.units_for_twice_margin(place, found),
    )
    return replace(choice, reason=write_reason(choice))


class _Field:
    """The rungs that may be chosen, simplest first, and how sure it is what lies between two of them."""

    def __init__(self, attempts: Sequence[Attempt], climb: Climb, margin: float, confidence: float) -> None:
        self.attempts, self.climb, self.margin, self.confidence = attempts, climb, margin, confidence
        self.losses = np.stack([attempt.losses for attempt in attempts if attempt.losses is not None])
        self.means = self.losses.mean(axis=1)
        self.best = int(np.argmin(self.means))  # the first, and so the simplest, of equals
        self.chance = chance(self.losses, groups=climb.groups, rng=np.random.default_rng(climb.spec.seed))

    def against_best(self, place: int) -> Comparison:
        """Compare a rung with the best one. Each end of the interval holds with the confidence asked."""
        return paired(
            self.losses[place], self.losses[self.best], margin=self.margin, **self._settings(place, self.best)
        )

    def units_for_twice_margin(self, place: int, found: Mapping[int, Comparison]) -> int | None:
        """Return how many units would find a rival of the rung at `place` that is better by twice the margin."""
        rivals: Sequence[int] = [self.best]
        if place == self.best:
            rivals = [i for i in range(place + 1, len(self.attempts)) if found[i].lower <= 0]
        if not rivals:
            return None
        rival = min(rivals, key=lambda i: float(self.means[i]))
        difference = 2 * max(self.margin * abs(float(self.means[self.best])), MARGIN_FLOOR)
        settings = self._settings(place, rival)
        needed = units_to_find(self.losses[place], self.losses[rival], difference, power=POWER, **settings)
        return None if needed is None else _two_digits(needed)

    def _settings(self, place: int, rival: int) -> _Settings:
        """Say how a rung is held against one picked among others: those above it, or all where that one is below."""
        last = len(self.attempts)
        others = range(place + 1, last) if rival > place else [i for i in range(last) if i != place]
        return {
            "groups": self.climb.groups,
            "folds": self.climb.folds,
            "confidence": round(2 * self.confidence - 1, 12),  # each end alone is asked for
            "comparisons": self.chance.counted(place, others, confidence=self.confidence),
            "test_per_train": self.climb.test_per_train,
            "expanding": self.climb.expanding,
        }


def _two_digits(count: int) -> int:
    """Round an estimated count up: more digits would claim to be known."""
    unit = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // unit) * unit


class _Settings(TypedDict):
    groups: npt.NDArray[Any] | None
    folds: npt.NDArray[Any]
    confidence: float
    comparisons: float
    test_per_train: float
    expanding: bool


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
    rung = replace(rung, mean_loss=float(attempt.losses.mean()))
    if attempt.why is not None:  # fitted, and may not be chosen
        return replace(rung, why=attempt.why)
    if attempt is chosen:
        return replace(rung, outcome="chosen", why="simplest_not_worse")
    simpler = climb.attempts.index(attempt) < climb.attempts.index(chosen)
    return replace(rung, why="worse_than_best") if simpler else rung
