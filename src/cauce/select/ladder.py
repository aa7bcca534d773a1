"""The climb: every rung of a ladder fitted on the same folds, tuned where it can be, within a budget, resumable.

Nothing is decided here but the order of work: the first rung, whatever it costs; then the others, each unless it would
take too much of the time, and none before the rung that is usually best where that would then come too late; then
tuning, with the time that is left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import Candidate, Losses, TaskSpec, Words
from cauce.core.errors import UserError
from cauce.core.figures import number
from cauce.core.progress import Progress, silent
from cauce.core.protocols import Task
from cauce.select.attempts import Attempt, Climb, Effort
from cauce.select.cache import Cost, FoldCache, FoldResult
from cauce.select.folds import Failure, Folds, Job, Runner, Work, expanding, expected_seconds, here, test_per_train
from cauce.select.limits import Limits
from cauce.select.tune import Search, Tuned, tune

if TYPE_CHECKING:
    import pyarrow as pa

EFFORT, NO_LIMITS = Effort(), Limits()
FEW_TRIALS = 12
"""Trials where neither a budget nor a number of them is given."""
MUCH_TO_TUNE = 50_000
"""Rows × outputs from which such tuning is not begun unasked."""
AFTER = 0.1
"""Share of a budget that stays for the diagnosis of what was chosen, where time is kept back at all."""
AT_MOST = 0.5
"""Share of the time left that a rung without tuning may be expected to take, where another can still be tuned."""
TRIALS_WORTH = 25
"""Trials of the rung that is usually best that there should be time for before more folds judge than `UNITS` need."""
UNITS = 4_000
"""Rows that judge, from which fewer folds say enough where time is short."""
SLACK, IN_PASSING = 1.5, 0.1
"""Times what is expected of the rung that is usually best: others leave that for it, or take no more than this share
of the time."""


def climb(
    task: Task,
    spec: TaskSpec,
    candidates: Sequence[Candidate],
    table: pa.Table,
    folds: Folds,
    *,
    effort: Effort = EFFORT,
    limits: Limits = NO_LIMITS,
    whole: Folds | None = None,
    cache: Path | None = None,
    runner: Callable[[Work], Runner] = here,
    progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Climb:
    """Fit and judge every candidate on every fold; tune those that have a space.

    Until one rung is complete nothing stops the climb: no budget, and a failure or Ctrl-C is passed on. From then on
    a rung that fails, is interrupted or runs out of time is skipped with its reason.

    Parameters
    ----------
    candidates
        Simplest first. The first one is always fitted, also where `limits` forbid to choose it.
    table
        Rows whose target has no nulls.
    folds
        (train, test) row numbers of `table`. Rows that no fold tests are not judged. With a budget that would not do
        for all of them, some are left out: `Climb.parts` has those that were used.
    whole
        The folds before training rows were left out, where they were: how far folds overlap, and whether they are
        windows in time, is told from these.
    cache
        Folder for finished folds, which belongs to this content of `table` alone. None keeps nothing.
    runner
        Makes what does the jobs: in this process, in several, or elsewhere.
    clock
        Seconds that only go forward.

    Raises
    ------
    UserError
        No rung could be fitted, or none keeps the limits.
    ValueError
        No folds or no candidates; the task's losses are not finite; two rungs were judged on different units.
    KeyboardInterrupt
        Ctrl-C before the first rung was complete; what is finished is in the cache.
    """
    if not folds or not candidates:
        raise ValueError(f"{len(candidates)} candidates on {len(folds)} folds: at least one of each is needed")
    limits.check(candidates, where=f"cauce.toml, [models.{spec.model}]")
    work = Work(task, spec, table, folds, FoldCache(cache, spec), clock)
    going = _Climbing(work, tuple(candidates), effort, limits, progress)
    going.whole = whole or folds
    going.thin_out()
    going.run = runner(going.work)
    going.first()
    try:
        going.others()
        going.tunings()
    except KeyboardInterrupt:
        going.interrupted = True
    progress("choose", going.steps, going.steps)
    found = going.climb()
    if not any(attempt.why is None for attempt in found.complete):
        told = [f"{one.candidate.name}: {(one.note or {}).get('en', one.why)}" for one in found.attempts]
        hint = "Raise the limits, or give it more time."
        where = f"model {spec.model}"
        raise UserError("no rung keeps the limits", where=where, received="; ".join(told), hint=hint)
    return found


class _Climbing:
    """A climb under way."""

    def __init__(
        self,
        work: Work,
        ladder: tuple[Candidate, ...],
        effort: Effort,
        limits: Limits,
        progress: Progress,
    ) -> None:
        self.work, self.ladder, self.effort, self.limits = work, ladder, effort, limits
        self.run, self.progress = here(work), progress
        self.whole = work.folds
        self.found: dict[str, Attempt] = {}
        self.judged: list[Losses] = []
        self.expected: dict[str, float | None] = {}
        self.interrupted = False
        self.deadline: float | None = None
        self.begun = work.clock()

    @property
    def steps(self) -> int:
        return len(self.ladder) * len(self.work.folds)

    def thin_out(self) -> None:
        """Leave out folds where the time would not do for all of them; what it takes to tell is part of the budget."""
        favourite = self._favourite(self.ladder)
        if self.effort.budget_s is None or favourite is None:
            return
        budget, folds = self.effort.budget_s, self.work.folds
        one = expected_seconds(self.work, favourite)
        if not one:
            return
        sure = math.ceil(UNITS / max(1.0, float(np.mean([len(test) for _, test in folds]))))
        n_folds = min(int(AT_MOST * budget / one), max(sure, int(budget / (TRIALS_WORTH * one))))
        n_folds = min(len(folds), max(1, n_folds))
        used = folds[-n_folds:] if expanding(self.whole) else folds[:n_folds]
        self.work = replace(self.work, folds=used)
        self.expected[favourite.name] = one * n_folds
        self.effort = replace(self.effort, budget_s=max(0.0, budget - (self.work.clock() - self.begun)))

    def first(self) -> None:
        """Complete the simplest rung that can be fitted; only then the budget begins."""
        for candidate in self.ladder:
            attempt = self._plain(candidate, deadline=None, run=here(self.work))
            self.found[candidate.name] = attempt
            if attempt.losses is not None:
                break
        if not self.judged:
            what = "; ".join(f"{a.candidate.name}: {a.note['en'] if a.note else a.why}" for a in self.found.values())
            hint = "Install what is missing, or give rows on which the simplest rung applies."
            where = f"model {self.work.spec.model}"
            raise UserError("no rung of the ladder could be fitted", where=where, received=what, hint=hint)
        if self.effort.budget_s is not None:
            self.deadline = self.work.clock() + self.effort.budget_s

    def others(self) -> None:
        """Fit the rungs that are not tuned; how long each will take is foreseen when its turn comes.

        They go in order, but for those after which there would not be time for the one that is usually best.
        """
        waiting = [one for one in self.ladder if one.name not in self.found and not self._tunable(one)]
        later = []
        for place, candidate in enumerate(waiting):
            if self._would_starve(candidate, waiting[place + 1 :]):
                later.append(candidate)
            else:
                self.found[candidate.name] = self._plain(candidate, deadline=self._until(), foreseen=True)
        for candidate in later:
            self.found[candidate.name] = self._plain(candidate, deadline=self._until(), foreseen=True)

    def _favourite(self, among: Sequence[Candidate]) -> Candidate | None:
        return next((one for one in among if one.favourite and self._left_out(one) is None), None)

    def _would_starve(self, candidate: Candidate, others: Sequence[Candidate]) -> bool:
        """Whether a rung would take the time that the favourite among the others needs, and could have."""
        until = self._until()
        favourite = self._favourite(others)
        if until is None or favourite is None:
            return False
        own, theirs = self._expected(candidate), self._expected(favourite)
        left = until - self.work.clock()
        if own is None or theirs is None or own <= IN_PASSING * left:
            return False
        return theirs <= left < own + SLACK * theirs

    def tunings(self) -> None:
        """Search the rungs that have a space, each with an equal part of the time that is left."""
        waiting = [one for one in self.ladder if one.name not in self.found]
        for place, candidate in enumerate(waiting):
            self.found[candidate.name] = self._tuned(candidate, n_left=len(waiting) - place)

    def climb(self) -> Climb:
        """Return what was found; what is missing was interrupted."""
        tests = [test for _, test in self.work.folds]
        sizes = [len(fold.values) for fold in self.judged]
        groups = [fold.groups for fold in self.judged if fold.groups is not None]
        attempts = tuple(self.found.get(one.name, Attempt(one, why="interrupted")) for one in self.ladder)
        return Climb(
            spec=self.work.spec,
            attempts=attempts,
            units=np.concatenate([fold.units for fold in self.judged]),
            rows=np.concatenate(tests) if sizes == [len(test) for test in tests] else None,
            folds=np.repeat(np.arange(len(sizes)), sizes),
            groups=np.concatenate(groups) if len(groups) == len(self.judged) else None,
            test_per_train=test_per_train(self.whole),
            expanding=expanding(self.whole),
            interrupted=self.interrupted,
            seconds=self.work.clock() - self.begun,
            deadline=self._before_final_fit(),
            parts=tuple(self.work.folds),
        )

    def _tunable(self, candidate: Candidate) -> bool:
        """Whether settings are searched: one fold could not tell luck from worth."""
        several = len(self.work.folds) > 1 or self.effort.budget_s is None
        return bool(candidate.space) and self.effort.trials != 0 and several

    def _until(self) -> float | None:
        """Return the deadline of what is fitted now: a part of the budget stays for what comes after."""
        final = self._before_final_fit()
        return None if final is None else final - AFTER * (self.effort.budget_s or 0.0) * (self.effort.reserve > 0)

    def _before_final_fit(self) -> float | None:
        if self.deadline is None:
            return None
        folds = [a.cost.fit_seconds / len(a.results) for a in self.found.values() if a.cost is not None and a.results]
        return self.deadline - self.effort.reserve * max(folds, default=0.0)

    def _expected(self, candidate: Candidate) -> float | None:
        """Return the seconds that all folds of a rung will probably take."""
        if candidate.name not in self.expected:
            left_out = self._left_out(candidate) is not None or self._past()
            one = None if left_out else expected_seconds(self.work, candidate)
            self.expected[candidate.name] = None if one is None else one * len(self.work.folds)
        return self.expected[candidate.name]

    def _past(self) -> bool:
        until = self._until()
        return until is not None and self.work.clock() >= until

    def _plain(
        self,
        candidate: Candidate,
        *,
        deadline: float | None,
        foreseen: bool = False,
        run: Runner | None = None,
    ) -> Attempt:
        left_out = self._left_out(candidate)
        if left_out is not None:
            return left_out
        expected = self._expected(candidate) if foreseen else None
        too_long = self._too_long(candidate, expected, deadline)
        if too_long is not None and not self._kept(candidate):
            return Attempt(candidate, why="budget", note=too_long, expected_s=expected)
        n_folds, done = len(self.work.folds), len(self.found)
        about = f", about {_duration(expected)}" if expected is not None and expected >= 2 else ""

        def told(fold: int) -> None:
            note = f"{candidate.name}, fold {fold + 1} of {n_folds}{about}"
            self.progress("choose", done * n_folds + fold, self.steps, note)

        jobs = [Job(candidate, fold, (expected or 0.0) / n_folds) for fold in range(n_folds)]
        outcomes = (run or self.run)(jobs, deadline=deadline, told=told)
        failure = next((outcome for outcome in outcomes if isinstance(outcome, Failure)), None)
        if failure is not None:
            if not self.judged and failure.error is not None and failure.why == "failed":
                raise failure.error
            return Attempt(candidate, why=failure.why, note=failure.note, expected_s=expected)
        results = [outcome for outcome in outcomes if isinstance(outcome, FoldResult)]
        return self._attempt(candidate, results, [result.losses for result in results], expected=expected)

    def _left_out(self, candidate: Candidate) -> Attempt | None:
        """Say why a rung is not begun; limits do not keep the first one from being the measure of the others."""
        if candidate.skip is not None:
            return Attempt(candidate, why="not_applicable", note=candidate.skip)
        barred = self.limits.before(candidate) if candidate is not self.ladder[0] else None
        return None if barred is None else Attempt(candidate, why=barred)

    def _kept(self, candidate: Candidate) -> bool:
        """Whether the first fold lies in the cache: the rung was begun before."""
        return self.work.cache.read(candidate, 0, *self.work.folds[0]) is not None

    def _too_long(self, candidate: Candidate, expected: float | None, deadline: float | None) -> Words | None:
        if expected is None or deadline is None:
            return None
        left = deadline - self.work.clock()
        others = any(self._tunable(one) for one in self.ladder if one.name not in self.found)
        if expected <= left * (AT_MOST if others and not candidate.favourite else 1.0):
            return None
        return {
            "en": f"it would take about {_duration(expected)}, and {_duration(max(0.0, left))} of the budget were left",
            "es": f"tardaría unos {_duration(expected)} y del tiempo previsto quedaban {_duration(max(0.0, left))}",
        }

    def _tuned(self, candidate: Candidate, *, n_left: int) -> Attempt:
        left_out = self._left_out(candidate)
        if left_out is not None:
            return left_out
        until, trials = self._until(), self.effort.trials
        if until is None and trials is None:
            unasked = self._unasked(candidate)
            if unasked is not None:
                return Attempt(candidate, why="budget", note=unasked)
            trials = FEW_TRIALS
        now = self.work.clock()
        deadline = math.inf if until is None else now + (until - now) / n_left
        found = tune(
            candidate,
            lambda jobs, deadline: self.run(jobs, deadline=None if deadline == math.inf else deadline),
            len(self.work.folds),
            Search(self.effort.search, trials, deadline),
            seed=self.work.spec.seed,
            clock=self.work.clock,
            progress=self.progress,
        )
        if isinstance(found, Failure):
            return Attempt(candidate, why=found.why, note=found.note)
        return self._attempt(found.candidate, found.results, found.judged, tuned=found)

    def _unasked(self, candidate: Candidate) -> Words | None:
        """Return why tuning is not begun where nobody said how long it may take."""
        size = len(self.work.folds[0][0])
        if size <= MUCH_TO_TUNE:
            return None
        return {
            "en": f"{number(size, 'en')} rows take long to tune; set budget or trials",
            "es": f"{number(size, 'es')} filas tardan en ajustarse; indica budget o trials",
        }

    def _attempt(
        self,
        candidate: Candidate,
        results: Sequence[FoldResult],
        losses: Sequence[Losses],
        *,
        expected: float | None = None,
        tuned: Tuned | None = None,
    ) -> Attempt:
        self.judged = self.judged or [result.losses for result in results]
        for fold, (ours, first) in enumerate(zip(losses, self.judged, strict=True)):
            if not np.array_equal(ours.units, first.units):
                what = f"candidate {candidate.name!r}, fold {fold}: judged on other units than the rung before"
                raise ValueError(what)
        cost = _cost([result.cost for result in results])
        barred = self.limits.before(candidate)
        why, note = (barred, None) if barred is not None else self.limits.after(cost) or (None, None)
        values = np.concatenate([fold.values for fold in losses])
        trials = tuned.trials if tuned is not None else ()
        return Attempt(candidate, values, cost, expected, tuple(results), trials, why, note)


def _cost(costs: Sequence[Cost]) -> Cost:
    """Return fit seconds over all folds, and the median of the rest."""
    return replace(
        costs[0],
        fit_seconds=sum(cost.fit_seconds for cost in costs),
        predict_us_per_row=float(np.median([cost.predict_us_per_row for cost in costs])),
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
