"""One rung fitted and judged on one fold: the unit of work that a climb and a tuning are made of.

Jobs are handed to a runner, in a list; it gives what each came to, in the same order, so that no decision depends on
how many were under way at a time. `here` is the runner of this process; `workers.py` has processes, and another
engine needs no more than the same call.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from cauce.core.artefacts import Candidate, RungWhy, TaskSpec, Words
from cauce.core.errors import MissingExtra
from cauce.core.protocols import Fitted, Task
from cauce.select.cache import Cost, FoldCache, FoldResult, Rows

if TYPE_CHECKING:
    import pyarrow as pa

PROBES = (100, 500)
"""Rows of the fits that an estimate rests on."""
ONE_ROW_TRIES = 15
MOST_KEPT = 50_000_000
"""Predicted numbers of one fold up to which they are kept."""
OURS = (AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, TypeError, Warning)
"""What a rung may not fail with unnoticed: a bug, or a machine in trouble."""

Folds = Sequence[tuple[Rows, Rows]]


def expanding(folds: Folds) -> bool:
    """Whether each fold trains on all that the one before it trained on: windows in time."""
    pairs = itertools.pairwise([train for train, _ in folds])
    return len(folds) > 1 and all(len(early) < len(late) and bool(np.isin(early, late).all()) for early, late in pairs)


def test_per_train(folds: Folds) -> float:
    """Return the test rows per training row, mean over folds."""
    return float(np.mean([len(test) / max(1, len(train)) for train, test in folds]))


@dataclass(frozen=True, eq=False)
class Work:
    """What does not change from rung to rung."""

    task: Task
    spec: TaskSpec
    table: pa.Table
    folds: Folds
    cache: FoldCache
    clock: Callable[[], float] = time.monotonic


class Job(NamedTuple):
    """One rung with its parameters, on one fold."""

    candidate: Candidate
    fold: int
    expected_s: float = 0.0
    """Seconds that it will probably take: it is not begun where they are not left."""


class Failure(NamedTuple):
    """Why a job gave no result."""

    why: RungWhy
    note: Words | None = None
    error: Exception | None = None
    """The exception itself, where the job ran in this process."""


Outcome = FoldResult | Failure


def unheard(place: int) -> None:
    """Tell nobody which job begins."""


class Runner(Protocol):
    """Does jobs. Ctrl-C and our own bugs are raised; a rung's failure is an outcome."""

    def __call__(
        self, jobs: Sequence[Job], *, deadline: float | None, told: Callable[[int], None] = unheard
    ) -> Sequence[Outcome]:
        """Return what every job came to, in the order of `jobs`; what is not done by `deadline` failed by budget.

        Once a job fails, others of the same rung and parameters may be left out. `told` hears the place of each job
        that begins.
        """


def here(work: Work) -> Runner:
    """Return the runner that does one job after another in this process; one under way is finished."""

    def run(jobs: Sequence[Job], *, deadline: float | None, told: Callable[[int], None] = unheard) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        for place, job in enumerate(jobs):
            told(place)
            same = [done for done, other in zip(outcomes, jobs, strict=False) if other.candidate == job.candidate]
            outcomes.append(_one(work, job, same, deadline))
        return outcomes

    return run


def _one(work: Work, job: Job, same: Sequence[Outcome], deadline: float | None) -> Outcome:
    """Do a job, unless it was done before, another of the rung failed, or it would probably end too late."""
    kept = work.cache.read(job.candidate, job.fold, *work.folds[job.fold])
    if kept is not None:
        return kept
    if any(isinstance(done, Failure) for done in same):
        return Failure("budget")
    if deadline is not None:
        took = [done.cost.fit_seconds for done in same if isinstance(done, FoldResult)]
        if work.clock() + (float(np.mean(took)) if took else job.expected_s) >= deadline:
            return Failure("budget")
    return attempt(work, job)


def attempt(work: Work, job: Job) -> Outcome:
    """Do one job and keep its result.

    Raises
    ------
    AssertionError, TypeError and their like
        Our own bug, or a machine in trouble (`OURS`).
    """
    try:
        result = fit_fold(work, job.candidate, job.fold)
    except MissingExtra as error:
        return Failure("missing_extra", both(str(error)), error)
    except OURS:
        raise
    except Exception as error:
        # A model library raises what it likes (LightGBMError derives from Exception itself), and one rung
        # that cannot be fitted must not cost the user those that can. The record says what it was.
        return Failure("failed", both(f"{type(error).__name__}: {error}"), error)
    work.cache.write(job.candidate, job.fold, *work.folds[job.fold], result=result)
    return result


def fit_fold(work: Work, candidate: Candidate, fold: int) -> FoldResult:
    """Fit on the fold's training rows, judge on its test rows; the first fold measures what one row and the files cost.

    Raises
    ------
    ValueError
        Losses are not finite.
    """
    train, test = work.folds[fold]
    teach, judge = work.table.take(train), work.table.take(test)
    begun = work.clock()
    fitted = work.task.fit(candidate, candidate.params, teach, spec=work.spec)
    fit_seconds = work.clock() - begun
    losses = work.task.losses(fitted, judge, work.spec)
    bad = int(np.count_nonzero(~np.isfinite(losses.values)))
    if bad or not len(losses.values):
        raise ValueError(f"{bad} of {len(losses.values)} losses are not finite")
    begun = work.clock()
    predicted = fitted.predict(judge)
    cost = Cost(fit_seconds, (work.clock() - begun) * 1e6 / judge.num_rows)
    if fold == 0:
        cost = replace(cost, predict_ms_one_row=_one_row_ms(fitted, judge, work.clock), size_bytes=_size(fitted))
    kept = judge.num_rows * max(1, len(fitted.classes)) <= MOST_KEPT
    return FoldResult(losses, cost, _numbers(predicted) if kept else None)


def warm_up(work: Work, candidate: Candidate) -> None:
    """Fit a rung on a few rows: what it imports is then no part of the seconds that its folds take."""
    with contextlib.suppress(Exception):  # the few rows may be of one class; what is wrong is told by the folds
        _fit_few(work, candidate, PROBES[0])


def _fit_few(work: Work, candidate: Candidate, n_rows: int) -> None:
    train = work.folds[0][0]
    spread = train[np.linspace(0, len(train) - 1, min(n_rows, len(train))).astype(np.int64)]
    work.task.fit(candidate, candidate.params, work.table.take(spread), spec=work.spec)


def expected_seconds(work: Work, candidate: Candidate) -> float | None:
    """Return the seconds that one fold will probably take; None where it has too few rows to foresee anything.

    Told from fits on `PROBES` rows: what the larger one takes beyond the smaller is taken to grow with the rows as the
    candidate's `growth` says. The first fit, which also imports libraries, does not count.
    """
    train, (few, more) = work.folds[0][0], PROBES
    if len(train) < 2 * more or candidate.skip is not None:
        return None
    seconds = []
    for n_rows in (few, few, more):
        begun = work.clock()
        try:
            _fit_few(work, candidate, n_rows)
        except OURS:
            raise
        except Exception:  # the few rows may be of one class; whether the rung fits is found out on the folds
            return None
        seconds.append(work.clock() - begun)
    slope = max(0.0, seconds[2] - seconds[1]) / (more**candidate.growth - few**candidate.growth)
    return float(seconds[2] + slope * (len(train) ** candidate.growth - more**candidate.growth))


def both(text: str) -> Words:
    """Return a library's own words: it speaks one language."""
    return {"en": text, "es": text}


def _one_row_ms(fitted: Fitted, judge: pa.Table, clock: Callable[[], float]) -> float:
    times = []
    for place in range(ONE_ROW_TRIES):
        row = judge.slice(place % judge.num_rows, 1)
        begun = clock()
        fitted.predict(row)
        times.append(clock() - begun)
    return float(np.median(times)) * 1e3


def _size(fitted: Fitted) -> int:
    with tempfile.TemporaryDirectory(prefix="cauce-size-") as folder:
        fitted.save(Path(folder))
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def _numbers(predicted: pa.Table) -> pa.Table:
    """Return the predicted numbers: probabilities, or predictions where they are numbers."""
    import pyarrow as pa

    return predicted.select(
        [
            name
            for name, kind in zip(predicted.column_names, predicted.schema.types, strict=True)
            if pa.types.is_floating(kind)
        ]
    )
