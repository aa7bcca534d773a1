"""Tuning: what it finds, that its judgement is not flattered by the search, and that workers change nothing."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cauce.core.artefacts import Candidate, Column, Losses, Schema, TaskSpec
from cauce.core.errors import UserError
from cauce.core.registry import task as task_named
from cauce.core.spaces import Options, Range, Real, Whole
from cauce.select import Climb, Effort, Limits, choose, climb
from cauce.select.cache import Cost, FoldResult
from cauce.select.folds import Failure, Job
from cauce.select.tune import Search, Tuned, tune
from cauce.select.workers import workers

SPACE: dict[str, Range] = {"x": Real(0.0, 1.0), "k": Whole(1, 9), "o": Options(("a", "b"))}
TITLE = {"en": "it", "es": "ello"}
N_FOLDS, N_UNITS, NONE = 5, 40, Limits()


class Hill:
    """Jobs whose loss is least at x = 0.3, k = 4, o = "b"; with noise that belongs to the parameters and the unit."""

    def __init__(self, height: float = 1.0, noise: float = 0.0, seed: int = 0) -> None:
        self.height, self.noise, self.seed, self.jobs, self.now = height, noise, seed, 0, 0.0

    def __call__(self, jobs: Sequence[Job], deadline: float) -> list[FoldResult | Failure]:
        return [self.one(job) if self.now < deadline else Failure("budget") for job in jobs]

    def one(self, job: Job) -> FoldResult:
        self.jobs, self.now = self.jobs + 1, self.now + 1.0
        params = job.candidate.params
        apart = (float(params["x"]) - 0.3) ** 2 + (int(params["k"]) - 4) ** 2 / 64 + 0.2 * (params["o"] == "a")
        seed = zlib.crc32(repr((round(float(params["x"]), 9), params["k"], params["o"])).encode())
        rng = np.random.default_rng([seed, job.fold, self.seed])
        values = 1.0 + self.height * apart + self.noise * rng.normal(size=N_UNITS)
        units = np.char.add(f"{job.fold}-", np.arange(N_UNITS).astype(np.str_))
        return FoldResult(Losses(values, units), Cost(1.0, 1.0))


def searched(hill: Hill, search: Search, seed: int = 0, **more: Any) -> Tuned:
    candidate = Candidate("tuned", TITLE, {"x": 0.9, "k": 9, "o": "a", "fixed": 7}, space=SPACE, **more)
    found = tune(candidate, hill, N_FOLDS, search, seed=seed, clock=lambda: hill.now)
    assert isinstance(found, Tuned)
    return found


def loss_of(found: Tuned) -> float:
    return min(trial.mean_loss for trial in found.trials if trial.outcome == "complete" and trial.mean_loss is not None)


def test_bayes_finds_more_than_chance_with_as_many_trials() -> None:
    bayes, chance = (
        [loss_of(searched(Hill(), search, seed)) for seed in range(6)]
        for search in (Search("bayes", 40), Search("random", 40))
    )
    assert np.mean(bayes) < np.mean(chance)
    assert max(bayes) < 1.05


def test_the_first_trial_is_the_candidate_as_it_stands_and_other_parameters_stay() -> None:
    found = searched(Hill(), Search("bayes", 6))
    assert found.trials[0].params == {"x": 0.9, "k": 9, "o": "a", "fixed": 7}
    assert found.candidate.params["fixed"] == 7
    assert [trial.number for trial in found.trials] == list(range(6))


def test_a_search_begins_with_the_starts_it_is_given() -> None:
    starts = ({"x": 0.2}, {"x": 0.3, "o": "b"})
    found = searched(Hill(), Search("bayes", 4), starts=starts)
    first = {"x": 0.9, "k": 9, "o": "a", "fixed": 7}
    assert [trial.params for trial in found.trials[:3]] == [first, {**first, **starts[0]}, {**first, **starts[1]}]


def test_a_grid_is_gone_through_once() -> None:
    found = searched(Hill(), Search("grid", 1000))
    tried = {(trial.params["x"], trial.params["k"], trial.params["o"]) for trial in found.trials}
    assert len(found.trials) == len(tried) == 3 * 3 * 2
    assert {k for _, k, _ in tried} == {1, 5, 9}


def test_trials_that_are_proven_worse_are_given_up_early() -> None:
    hill = Hill(noise=0.05)
    found = searched(hill, Search("random", 30))
    pruned = [trial for trial in found.trials if trial.outcome == "pruned"]
    assert len(pruned) > 10
    assert all(trial.n_folds < N_FOLDS for trial in pruned)
    assert hill.jobs < 30 * N_FOLDS * 0.7
    assert loss_of(found) == min(t.mean_loss for t in found.trials if t.n_folds == N_FOLDS and t.mean_loss is not None)


def test_the_search_ends_at_the_deadline_and_gives_up_what_is_under_way() -> None:
    hill = Hill()
    found = searched(hill, Search("bayes", None, deadline=48.0))
    assert hill.now == 48.0
    assert found.trials[-1].n_folds < N_FOLDS


def test_the_lowest_of_many_equal_trials_is_flattered_and_the_judgement_is_not() -> None:
    """Every trial's true loss is 1; only luck tells them apart."""
    lowest, judged = [], []
    for seed in range(60):
        found = searched(Hill(height=0.0, noise=1.0, seed=seed), Search("random", 24), seed)
        lowest.append(loss_of(found))
        judged.append(np.concatenate([fold.values for fold in found.judged]).mean())
    error = np.std(judged) / np.sqrt(len(judged))
    assert np.mean(lowest) < 1.0 - 8 * error
    assert abs(np.mean(judged) - 1.0) < 3 * error


SCHEMA = Schema((Column("a", "number"), Column("b", "number"), Column("c", "category")))


def table(n: int = 300) -> pa.Table:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, n))
    c = rng.choice(["x", "y", "z"], n)
    y = np.where(a * b + 0.5 * (c == "x") + rng.normal(0, 0.3, n) > 0, "yes", "no")
    return pa.table({"a": a, "b": b, "c": c.tolist(), "y": y.tolist()})


def spec() -> TaskSpec:
    return TaskSpec("m", "classify", "y", SCHEMA, "log")


def folds(n: int = 300) -> tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], ...]:
    rows = np.arange(n, dtype=np.int64)
    return tuple((rows[rows % 3 != i], rows[rows % 3 == i]) for i in range(3))


LADDER = (
    Candidate("prior", TITLE, interpretable=True),
    Candidate("linear", TITLE, interpretable=True),
    Candidate("boosting", TITLE, {"rounds": 30}, space={"num_leaves": Whole(2, 31), "learning_rate": Real(0.05, 0.3)}),
)


def climbed(
    effort: Effort, n_workers: int = 0, cache: Path | None = None, limits: Limits = NONE, n: int = 300
) -> Climb:
    given = (task_named("classify"), spec(), LADDER, table(n), folds(n))
    if not n_workers:
        return climb(*given, effort=effort, cache=cache, limits=limits)
    with workers(n_workers) as runner:
        return climb(*given, effort=effort, cache=cache, limits=limits, runner=runner)


@pytest.mark.slow
def test_n_trials_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    found = [climbed(Effort(trials=9), n) for n in (0, 1, 2)]
    for other in found[1:]:
        ours, theirs = found[0].attempts[2], other.attempts[2]
        assert [trial.params for trial in ours.trials] == [trial.params for trial in theirs.trials]
        assert ours.losses is not None
        assert np.array_equal(ours.losses, theirs.losses)  # type: ignore[arg-type]
    named = choose(found[0], margin=0.01)
    assert named.chosen == "boosting"
    assert named.trials["boosting"][0].params["rounds"] == 30
    assert next(rung for rung in named.rungs if rung.name == "boosting").n_trials == 9


def test_a_killed_search_goes_on_where_it_was(tmp_path: Path) -> None:
    first = climbed(Effort(trials=6), cache=tmp_path)
    kept = sorted(path.name for path in tmp_path.iterdir())
    victims = [name for name in kept if name.startswith("boosting")][::2]
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in kept}
    for name in victims:
        (tmp_path / name).unlink()
    again = climbed(Effort(trials=6), cache=tmp_path)
    assert np.array_equal(first.attempts[2].losses, again.attempts[2].losses)  # type: ignore[arg-type]
    untouched = [name for name in kept if name not in victims]
    assert all((tmp_path / name).stat().st_mtime_ns == before[name] for name in untouched)


@pytest.mark.slow
def test_a_budget_is_kept_to_within_a_tenth_and_a_worker_is_ended_at_its_end() -> None:
    found = climbed(Effort(budget_s=12.0), 2, n=3000)
    assert found.deadline is not None
    assert time.monotonic() - found.deadline < 4.0  # a loaded machine is slow to end a process
    assert choose(found, margin=0.01, budget_s=12.0).budget_s == 12.0


def test_one_second_is_a_budget() -> None:
    found = climbed(Effort(budget_s=1.0))
    assert found.attempts[0].losses is not None
    assert choose(found, margin=0.01).chosen


def test_what_was_predicted_belongs_to_the_units() -> None:
    found = climbed(Effort(trials=0))
    said = found.predicted("linear")
    assert said is not None
    assert found.rows is not None
    losses = found.attempts[1].losses
    truth = table()["y"].take(found.rows).to_pylist()
    own = [said[f"prob_{label}"][i].as_py() for i, label in enumerate(truth)]
    assert losses == pytest.approx(-np.log(own))


def test_limits_bar_what_they_name_and_say_why() -> None:
    found = climbed(Effort(trials=0), limits=Limits(never_use=("boosting",)))
    assert [attempt.why for attempt in found.attempts] == [None, None, "not_allowed"]
    found = climbed(Effort(trials=0), limits=Limits(interpretable=True))
    assert [attempt.why for attempt in found.attempts] == [None, None, "not_interpretable"]
    found = climbed(Effort(trials=0), limits=Limits(must_use=("linear",)))
    choice = choose(found, margin=0.01)
    assert choice.chosen == "linear"
    assert [rung.why for rung in choice.rungs] == ["not_allowed", "simplest_not_worse", "not_allowed"]
    assert choice.rungs[0].mean_loss is not None  # the first rung is fitted all the same


def test_a_rung_that_is_too_large_is_fitted_and_not_chosen() -> None:
    free = climbed(Effort(trials=0))
    assert choose(free, margin=0.01).chosen == "boosting"
    sizes = [attempt.cost.size_bytes or 0 for attempt in free.attempts if attempt.cost is not None]
    assert sizes[0] < sizes[1] < sizes[2]
    barred = climbed(Effort(trials=0), limits=Limits(max_size_mb=(sizes[1] + sizes[2]) / 2e6))
    choice = choose(barred, margin=0.01)
    assert choice.chosen != "boosting"
    assert choice.rungs[2].why == "too_large"
    assert "MB" in choice.reason["en"]
    assert choice.best != "boosting"


def test_a_rung_that_is_too_slow_is_fitted_and_not_chosen() -> None:
    with pytest.raises(UserError, match="no rung keeps the limits"):
        climbed(Effort(trials=0), limits=Limits(max_latency_ms=1e-6))


def test_limits_that_name_no_rung_or_leave_none_are_refused() -> None:
    with pytest.raises(UserError, match="not a rung"):
        climbed(Effort(), limits=Limits(never_use=("bosting",)))
    with pytest.raises(UserError, match="no rung may be chosen"):
        climbed(Effort(), limits=Limits(must_use=("boosting",), interpretable=True))


def test_tuning_is_named_in_the_reason_and_the_settings_in_the_record() -> None:
    choice = choose(climbed(Effort(trials=5), n=900), margin=0.01)
    assert choice.chosen == "boosting"
    assert "best of 5 tries" in choice.reason["en"]
    assert "mejores de 5 intentos" in choice.reason["es"]
    rung = next(rung for rung in choice.rungs if rung.name == "boosting")
    assert set(rung.params) == {"rounds", "num_leaves", "learning_rate"}
    assert replace(choice, seconds=0.0).trials["boosting"][-1].number == 4
