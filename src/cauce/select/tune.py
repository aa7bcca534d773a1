"""A rung's parameters searched by Optuna, and a judgement of the result that the search itself cannot flatter.

Trials are asked for in batches of one size and told in fixed order, and every one is judged on the same folds: the
result of N trials is the same for any number of workers. A trial that is proven worse than the best one on the folds
done so far is given up.

The lowest of many mean losses is low by luck too. Therefore the rung is judged by *cross-fitted selection*: on each
fold by the trial that does best on the other folds. That costs no further fit; the idea is that of Tibshirani &
Tibshirani (Annals of Applied Statistics 3, 2009) and of BBC-CV (Tsamardinos et al., Machine Learning 107, 2018), taken
fold by fold. What ships is the trial that does best on all folds.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cauce.core.artefacts import Candidate, Losses, Trial
from cauce.core.progress import Progress, silent
from cauce.core.spaces import Options, Range, Real, Value, Whole
from cauce.core.specs import SearchKind
from cauce.evidence import paired
from cauce.select.cache import FoldResult
from cauce.select.folds import Failure, Job, Outcome

if TYPE_CHECKING:
    from optuna import Study

BATCH = 4
"""Trials asked for together, whatever the number of workers: the result must not depend on it."""
FIRST = 8
"""Trials before Bayesian search begins to learn."""
GRID = 3
"""Values of each number in a grid: both ends and the middle."""
MOST_POINTS = 10_000
SURE = 0.95
Run = Callable[[Sequence[Job], float], Sequence[Outcome]]


@dataclass(frozen=True, eq=False)
class Tuned:
    """What a search came to."""

    candidate: Candidate
    """With the parameters of the best trial."""
    results: tuple[FoldResult, ...]
    """Of the best trial, fold by fold: what ships."""
    judged: tuple[Losses, ...]
    """The loss per unit by cross-fitted selection, fold by fold: what the rung is compared by."""
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Search:
    """How long and in which way."""

    kind: SearchKind = "bayes"
    trials: int | None = None
    """At most; None: until the time is up."""
    deadline: float = math.inf
    """By the climb's clock."""


@dataclass(eq=False)
class _Run:
    """One trial under way."""

    number: int
    candidate: Candidate
    asked: Any
    results: list[FoldResult] = field(default_factory=list)
    outcome: str = "complete"

    @property
    def means(self) -> list[float]:
        return [float(result.losses.values.mean()) for result in self.results]

    @property
    def units(self) -> list[int]:
        return [len(result.losses.values) for result in self.results]

    def artefact(self) -> Trial:
        mean = float(np.average(self.means, weights=self.units)) if self.results else None
        took = sum(result.cost.fit_seconds for result in self.results)
        return Trial(self.number, dict(self.candidate.params), mean, len(self.results), took, self.outcome)  # type: ignore[arg-type]


class _Leaders:
    """The best complete trial over all folds, and for each fold the best one over the others."""

    def __init__(self, n_folds: int) -> None:
        self.best: _Run | None = None
        self.without: list[_Run | None] = [None] * n_folds

    def see(self, run: _Run) -> None:
        """Take a complete trial; the first of equals stays."""
        if self.best is None or _mean(run, None) < _mean(self.best, None):
            self.best = run
        for fold, leader in enumerate(self.without):
            left_out = fold if len(self.without) > 1 else None
            if leader is None or _mean(run, left_out) < _mean(leader, left_out):
                self.without[fold] = run


def tune(
    candidate: Candidate,
    run: Run,
    n_folds: int,
    search: Search,
    *,
    seed: int,
    clock: Callable[[], float],
    progress: Progress = silent,
) -> Tuned | Failure:
    """Search a candidate's space; its own parameters are the first trial, its `starts` the next.

    Parameters
    ----------
    candidate
        With a space.
    run
        Does jobs by a deadline, in order (`folds.Runner`).
    search
        Ends after so many trials, or at the deadline; trials under way are then given up.

    Returns
    -------
    Tuned or Failure
        A failure where not even one trial could be completed.
    """
    study = _study(candidate, search, seed)
    leaders, done, seconds = _Leaders(n_folds), list[Trial](), 0.0
    most = _most(candidate, search)
    first: Failure | None = None
    while len(done) < most and clock() < search.deadline:
        size = int(min(BATCH, most - len(done)))
        batch = _ask(study, candidate, size, len(done))
        progress("tune", len(done), int(min(most, len(done) + BATCH)), _note(candidate, leaders))
        for fold in range(n_folds):
            alive = [one for one in batch if one.outcome == "complete"]
            outcomes = run([Job(one.candidate, fold, seconds) for one in alive], search.deadline)
            for one, outcome in zip(alive, outcomes, strict=True):
                if isinstance(outcome, Failure):
                    one.outcome, first = ("budget" if outcome.why == "budget" else "failed"), first or outcome
                    continue
                one.results.append(outcome)
                if _hopeless(one, leaders.best, n_folds):
                    one.outcome = "pruned"
        for one in batch:
            _tell(study, one)
            if one.outcome == "complete":
                leaders.see(one)
            done.append(one.artefact())
        took = [trial.seconds / trial.n_folds for trial in done if trial.n_folds]
        seconds = float(np.median(took)) if took else 0.0
    progress("tune", len(done), len(done), _note(candidate, leaders))
    if leaders.best is None:
        return first or Failure("budget")
    judged = [one.results[fold].losses for fold, one in enumerate(leaders.without) if one is not None]
    return Tuned(leaders.best.candidate, tuple(leaders.best.results), tuple(judged), tuple(done))


def _most(candidate: Candidate, search: Search) -> float:
    """Return how many trials there are at most: a grid has an end."""
    most = math.inf if search.trials is None else search.trials
    if search.kind != "grid":
        return most
    return min(most, MOST_POINTS, math.prod(len(_grid(range_)) for range_ in candidate.space.values()))


def _mean(run: _Run, left_out: int | None) -> float:
    kept = [fold for fold in range(len(run.results)) if fold != left_out]
    return float(np.average([run.means[fold] for fold in kept], weights=[run.units[fold] for fold in kept]))


def _hopeless(run: _Run, best: _Run | None, n_folds: int) -> bool:
    """Whether a trial is proven worse than the best on the folds that it has done; after the last it is complete."""
    if best is None or len(run.results) == n_folds:
        return False
    ours, theirs = (
        np.concatenate([result.losses.values for result in one.results[: len(run.results)]]) for one in (run, best)
    )
    return paired(ours, theirs, margin=0.0, confidence=SURE).lower > 0


def _study(candidate: Candidate, search: Search, seed: int) -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed=seed)
    if search.kind == "bayes":
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=FIRST, multivariate=True, constant_liar=True)
    study = optuna.create_study(sampler=sampler)
    if search.kind == "grid":
        for params in _points(candidate, seed):
            study.enqueue_trial(params)
    else:
        for start in ({}, *candidate.starts):
            given = {**candidate.params, **start}
            study.enqueue_trial({name: given[name] for name in candidate.space if name in given})
    return study


def _ask(study: Study, candidate: Candidate, n: int, begin: int) -> list[_Run]:
    runs = []
    for number in range(begin, begin + n):
        with warnings.catch_warnings():  # of a default outside of the space: it is tried all the same
            warnings.simplefilter("ignore", UserWarning)
            asked = study.ask()
            params = {name: _suggest(asked, name, range_) for name, range_ in candidate.space.items()}
        runs.append(_Run(number, replace(candidate, params={**candidate.params, **params}), asked))
    return runs


def _suggest(asked: Any, name: str, range_: Range) -> Value:
    found: Value
    if isinstance(range_, Real):
        found = asked.suggest_float(name, range_.low, range_.high, log=range_.log)
    elif isinstance(range_, Whole):
        found = asked.suggest_int(name, range_.low, range_.high, log=range_.log)
    else:
        found = asked.suggest_categorical(name, range_.values)
    return found


def _points(candidate: Candidate, seed: int) -> list[dict[str, Value]]:
    """Return a grid's points in random order: cut short, they still lie everywhere."""
    points = list(itertools.product(*(_grid(range_) for range_ in candidate.space.values())))
    order = np.random.default_rng(seed).permutation(len(points))[:MOST_POINTS]
    return [dict(zip(candidate.space, points[i], strict=True)) for i in order.tolist()]


def _grid(range_: Range) -> list[Value]:
    if isinstance(range_, Options):
        return list(range_.values)
    make = np.geomspace if range_.log else np.linspace
    values = make(range_.low, range_.high, GRID)
    if isinstance(range_, Whole):
        return sorted({round(value) for value in values.tolist()})
    return sorted(set(values.tolist()))


def _tell(study: Study, run: _Run) -> None:
    from optuna.trial import TrialState

    if run.outcome == "complete":
        study.tell(run.asked, _mean(run, None))
        return
    for step in range(len(run.results)):
        run.asked.report(float(np.mean(run.means[: step + 1])), step)
    study.tell(run.asked, state=TrialState.PRUNED if run.results else TrialState.FAIL)


def _note(candidate: Candidate, leaders: _Leaders) -> str:
    return candidate.name if leaders.best is None else f"{candidate.name}, lowest loss {_mean(leaders.best, None):.4g}"
