"""The climb: every rung of a ladder fitted on the same folds, within a budget, resumable fold by fold.

Nothing is decided here. Tuning a rung's parameters is not done here either: a candidate comes with its own.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, Losses, RungWhy, TaskSpec, Words
from cauce.core.errors import MissingExtra, UserError
from cauce.core.progress import Progress, silent
from cauce.core.protocols import Task
from cauce.select.cache import FoldCache, FoldResult, Rows

if TYPE_CHECKING:
    import pyarrow as pa

TIMED_ROWS = 1_000
OURS = (AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, TypeError, Warning)
"""What a rung may not fail with unnoticed: a bug, or a machine in trouble."""

Folds = Sequence[tuple[Rows, Rows]]


@dataclass(frozen=True, eq=False)
class Attempt:
    """What one rung came to."""

    candidate: Candidate
    losses: npt.NDArray[np.float64] | None = None
    """Out-of-fold loss per unit, shape (n_units,), in the order of `Climb.units`; None when the rung was skipped."""
    fit_seconds: float | None = None
    """Over all folds."""
    predict_us_per_row: float | None = None
    """Microseconds a row when up to 1,000 rows are predicted together, median over folds."""
    why: RungWhy | None = None
    """Why the rung was skipped, or None."""
    note: Words | None = None
    """What is to be said of that."""


@dataclass(frozen=True, eq=False)
class Climb:
    """Every rung's losses on the same units, simplest first."""

    spec: TaskSpec
    attempts: tuple[Attempt, ...]
    units: npt.NDArray[np.str_]
    """Unit ids, shape (n_units,), fold after fold."""
    rows: npt.NDArray[np.int64] | None
    """Row number of each unit in the table, shape (n_units,); None where a unit is not a row."""
    folds: npt.NDArray[np.int64]
    """Fold that each unit was tested in, from 0, shape (n_units,)."""
    groups: npt.NDArray[np.str_] | npt.NDArray[np.int64] | None
    """Group of each unit, shape (n_units,)."""
    test_per_train: float
    """Test rows per training row, mean over folds."""
    expanding: bool = False
    """Whether each fold trains on all that the folds before it trained on: windows in time."""
    interrupted: bool = False

    @property
    def complete(self) -> tuple[Attempt, ...]:
        """The rungs that were fitted on all folds, simplest first."""
        return tuple(attempt for attempt in self.attempts if attempt.losses is not None)


def climb(
    task: Task,
    spec: TaskSpec,
    candidates: Sequence[Candidate],
    table: pa.Table,
    folds: Folds,
    *,
    budget_s: float | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Climb:
    """Fit and judge every candidate on every fold.

    Until one rung is complete nothing stops the climb: no budget, and a failure or Ctrl-C is passed on. From then on
    a rung that fails, is interrupted or runs out of time is skipped with its reason.

    Parameters
    ----------
    candidates
        Simplest first.
    table
        Rows whose target has no nulls.
    folds
        (train, test) row numbers of `table`. Rows that no fold tests are not judged.
    budget_s
        Seconds, from now. No fold begins after them; a fold under way is finished. None: no limit.
    cache
        Folder for finished folds, which belongs to this content of `table` alone. None keeps nothing.
    clock
        Seconds that only go forward.

    Raises
    ------
    UserError
        No rung could be fitted.
    ValueError
        No folds or no candidates; the task's losses are not finite; two rungs were judged on different units.
    KeyboardInterrupt
        Ctrl-C before the first rung was complete; what is finished is in the cache.
    """
    if not folds or not candidates:
        raise ValueError(f"{len(candidates)} candidates on {len(folds)} folds: at least one of each is needed")
    deadline = None if budget_s is None else clock() + budget_s
    work = _Work(task, spec, table, folds, FoldCache(cache, spec), progress, clock, len(candidates))
    attempts: list[Attempt] = []
    judged: list[Losses] = []
    interrupted = False
    for place, candidate in enumerate(candidates):
        if interrupted:
            attempts.append(Attempt(candidate, why="interrupted"))
            continue
        try:
            results = _rung(work, candidate, place, deadline=deadline if judged else None, fragile=not judged)
        except KeyboardInterrupt:
            if not judged:
                raise
            interrupted = True
            attempts.append(Attempt(candidate, why="interrupted"))
            continue
        if isinstance(results, Attempt):
            attempts.append(results)
            continue
        judged = judged or [result.losses for result in results]
        attempts.append(_attempt(candidate, results, judged))
    progress("choose", work.steps, work.steps)
    return _climb(work, tuple(attempts), judged, interrupted=interrupted)


@dataclass(frozen=True, eq=False)
class _Work:
    """What does not change from rung to rung."""

    task: Task
    spec: TaskSpec
    table: pa.Table
    folds: Folds
    cache: FoldCache
    progress: Progress
    clock: Callable[[], float]
    n_candidates: int

    @property
    def steps(self) -> int:
        return self.n_candidates * len(self.folds)


def _rung(
    work: _Work, candidate: Candidate, place: int, *, deadline: float | None, fragile: bool
) -> list[FoldResult] | Attempt:
    """Return a rung's folds, or why it was skipped. `fragile`: nothing is complete yet, a failure is passed on."""
    if candidate.skip is not None:
        return Attempt(candidate, why="not_applicable", note=candidate.skip)
    results = []
    for fold, (train, test) in enumerate(work.folds):
        note = f"{candidate.name}, fold {fold + 1} of {len(work.folds)}"
        work.progress("choose", place * len(work.folds) + fold, work.steps, note)
        result = work.cache.read(candidate, fold, train, test)
        if result is None:
            if deadline is not None and work.clock() >= deadline:
                return Attempt(candidate, why="budget")
            try:
                result = _fold(work, candidate, train, test)
            except MissingExtra as error:
                return Attempt(candidate, why="missing_extra", note=_both(str(error)))
            except OURS:
                raise
            except Exception as error:
                # A model library raises what it likes (LightGBMError derives from Exception itself), and one rung
                # that cannot be fitted must not cost the user those that can. The record says what it was.
                if fragile:
                    raise
                return Attempt(candidate, why="failed", note=_both(f"{type(error).__name__}: {error}"))
            work.cache.write(candidate, fold, train, test, result=result)
        results.append(result)
    return results


def _fold(work: _Work, candidate: Candidate, train: Rows, test: Rows) -> FoldResult:
    teach, judge = work.table.take(train), work.table.take(test)
    begun = work.clock()
    fitted = work.task.fit(candidate, candidate.params, teach, spec=work.spec)
    fit_seconds = work.clock() - begun
    losses = work.task.losses(fitted, judge, work.spec)
    bad = int(np.count_nonzero(~np.isfinite(losses.values)))
    if bad or not len(losses.values):
        raise ValueError(f"{bad} of {len(losses.values)} losses are not finite")
    sample = judge.slice(0, TIMED_ROWS)
    begun = work.clock()
    fitted.predict(sample)
    return FoldResult(losses, fit_seconds, (work.clock() - begun) * 1e6 / max(1, sample.num_rows))


def _attempt(candidate: Candidate, results: list[FoldResult], judged: list[Losses]) -> Attempt:
    for fold, (result, first) in enumerate(zip(results, judged, strict=True)):
        if not np.array_equal(result.losses.units, first.units):
            raise ValueError(f"candidate {candidate.name!r}, fold {fold}: judged on other units than the rung before")
    return Attempt(
        candidate,
        losses=np.concatenate([result.losses.values for result in results]),
        fit_seconds=sum(result.fit_seconds for result in results),
        predict_us_per_row=float(np.median([result.predict_us_per_row for result in results])),
    )


def _climb(work: _Work, attempts: tuple[Attempt, ...], judged: list[Losses], *, interrupted: bool) -> Climb:
    if not judged:
        what = "; ".join(f"{a.candidate.name}: {a.note['en'] if a.note else a.why}" for a in attempts)
        hint = "Install what is missing, or give rows on which the simplest rung applies."
        raise UserError(
            "no rung of the ladder could be fitted", where=f"model {work.spec.model}", received=what, hint=hint
        )
    sizes = [len(fold.values) for fold in judged]
    tests = [test for _, test in work.folds]
    groups = [fold.groups for fold in judged if fold.groups is not None]
    return Climb(
        spec=work.spec,
        attempts=attempts,
        units=np.concatenate([fold.units for fold in judged]),
        rows=np.concatenate(tests) if sizes == [len(test) for test in tests] else None,
        folds=np.repeat(np.arange(len(sizes)), sizes),
        groups=np.concatenate(groups) if len(groups) == len(judged) else None,
        test_per_train=float(np.mean([len(test) / max(1, len(train)) for train, test in work.folds])),
        expanding=_expanding([train for train, _ in work.folds]),
        interrupted=interrupted,
    )


def _expanding(trained: Sequence[npt.NDArray[np.int64]]) -> bool:
    pairs = itertools.pairwise(trained)
    return all(len(early) < len(late) and bool(np.isin(early, late).all()) for early, late in pairs)


def _both(text: str) -> Words:
    """A library's own words: it speaks one language."""
    return {"en": text, "es": text}
