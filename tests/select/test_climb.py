from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cauce.core.artefacts import Candidate, Column, Finding, Finish, Losses, Metrics, Schema, TaskSpec
from cauce.core.errors import MissingExtra, UserError
from cauce.core.protocols import Example, Finished, Fitted, ProfileView
from cauce.select import Climb, Effort, choose, climb

SCHEMA = Schema((Column("a", "number"), Column("b", "number")))
Params = Mapping[str, int | float | str | bool]


def rung(name: str, **settings: Any) -> Candidate:
    return Candidate(name, {"en": f"the {name}", "es": f"el {name}"}, **settings)


MEAN, LINE, CELLS = rung("mean"), rung("line"), rung("cells")


@dataclass
class Model:
    """Least squares on a column of ones, on the two columns, or on the four quadrants."""

    schema: Schema
    kind: str
    weights: npt.NDArray[np.float64]
    classes: tuple[str, ...] = ()
    importance: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def design(kind: str, table: pa.Table) -> npt.NDArray[np.float64]:
        a, b = table["a"].to_numpy(), table["b"].to_numpy()
        ones = np.ones(len(a))
        return np.column_stack(
            {"line": [ones, a, b], "cells": [ones, a > 0, b > 0, (a > 0) & (b > 0)]}.get(kind, [ones])
        )

    def predict(self, table: pa.Table) -> pa.Table:
        return pa.table({"prediction": self.design(self.kind, table) @ self.weights})

    def finish(self, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
        return Finished(self, Finish())

    def save(self, folder: Path) -> None:
        (folder / "weights.json").write_text(json.dumps(self.weights.tolist()))

    @classmethod
    def load(cls, folder: Path) -> Model:
        raise AssertionError


@dataclass
class FakeTask:
    """Fits for real; counts the fits, and may raise at any of them."""

    at: Mapping[tuple[str, int], BaseException] = field(default_factory=dict)
    after_fit: Callable[[], None] = lambda: None
    fits: list[str] = field(default_factory=list)
    grouped: bool = False
    name: str = "fake"
    fitted: type[Fitted] = Model
    losses_known: tuple[str, ...] = ("squared",)

    def example(self) -> Example:
        return Example(noise(20), spec())

    def validate(self, table: pa.Table, spec: TaskSpec) -> tuple[Finding, ...]:
        return ()

    def candidates(self, spec: TaskSpec, profile: ProfileView) -> tuple[Candidate, ...]:
        return (MEAN, LINE, CELLS)

    def fit(
        self,
        candidate: Candidate,
        params: Params,
        table: pa.Table,
        weights: npt.NDArray[np.float64] | None = None,
        *,
        spec: TaskSpec,
    ) -> Model:
        kind = candidate.name
        self.fits.append(kind)
        error = self.at.get((kind, self.fits.count(kind) - 1))
        if error is not None:
            raise error
        solved = np.linalg.lstsq(Model.design(kind, table), table[spec.target].to_numpy(), rcond=None)[0]
        self.after_fit()
        return Model(spec.schema, kind, solved * params.get("scale", 1.0))

    def losses(self, fitted: Any, table: pa.Table, spec: TaskSpec) -> Losses:
        apart = table[spec.target].to_numpy() - fitted.predict(table)["prediction"].to_numpy()
        units = np.asarray(table["id"].to_pylist(), dtype=np.str_)
        return Losses(apart**2, units, np.char.add("g", units) if self.grouped else None)

    def metrics(self, fitted: Any, table: pa.Table, spec: TaskSpec) -> Metrics:
        raise AssertionError


def spec(seed: int = 0) -> TaskSpec:
    return TaskSpec("dropout", "fake", "y", SCHEMA, "squared", seed=seed)


def table_of(y: Callable[[Any, Any, np.random.Generator], npt.NDArray[np.float64]], n: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    return pa.table({"id": [f"r{i}" for i in range(n)], "a": a, "b": b, "y": y(a, b, rng)})


def noise(n: int, seed: int = 0) -> pa.Table:
    return table_of(lambda a, b, rng: rng.normal(size=len(a)), n, seed)


def xor(n: int) -> pa.Table:
    return table_of(lambda a, b, rng: ((a > 0) ^ (b > 0)) + 0.1 * rng.normal(size=len(a)), n)


def folds_of(n: int, k: int = 4) -> tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], ...]:
    rows = np.arange(n, dtype=np.int64)
    return tuple((rows[rows % k != i], rows[rows % k == i]) for i in range(k))


def run(task: FakeTask, table: pa.Table, candidates: tuple[Candidate, ...] = (MEAN, LINE, CELLS), **more: Any) -> Climb:
    return climb(task, spec(), candidates, table, folds_of(table.num_rows), **more)


def whys(found: Climb) -> list[str | None]:
    return [attempt.why for attempt in found.attempts]


def same(one: Climb, other: Climb) -> bool:
    pairs = [(a.losses, b.losses) for a, b in zip(one.attempts, other.attempts, strict=True)]
    aligned = np.array_equal(one.units, other.units) and np.array_equal(one.folds, other.folds)
    return aligned and all((a is None and b is None) or np.array_equal(a, b) for a, b in pairs)  # type: ignore[arg-type]


class Ticking:
    """A clock that moves by itself, so that every reading is later than the one before."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_xor_is_given_to_the_last_rung_though_the_one_before_does_not_help() -> None:
    choice = choose(run(FakeTask(), xor(400)), margin=0.01)
    assert choice.chosen == choice.best == "cells"
    assert [(r.outcome, r.why) for r in choice.rungs] == [
        ("refused", "worse_than_best"),
        ("refused", "worse_than_best"),
        ("chosen", "simplest_not_worse"),
    ]


def test_noise_is_given_to_the_simplest_rung() -> None:
    chosen = [choose(run(FakeTask(), noise(120, seed)), margin=0.01).chosen for seed in range(20)]
    assert chosen.count("mean") >= 19


def test_losses_are_out_of_fold_and_belong_to_their_units() -> None:
    table = noise(50)
    found = run(FakeTask(), table)
    assert found.rows is not None
    assert sorted(found.rows.tolist()) == list(range(50))
    assert found.units.tolist() == [f"r{row}" for row in found.rows]
    assert (found.rows % 4 == found.folds).all()
    y = table["y"].to_numpy()
    expected = [(y[row] - y[np.arange(50) % 4 != row % 4].mean()) ** 2 for row in found.rows]
    assert found.attempts[0].losses == pytest.approx(expected)
    assert found.test_per_train == pytest.approx(1 / 3, rel=0.05)


def test_rows_that_no_fold_tests_are_not_judged() -> None:
    rows = np.arange(60, dtype=np.int64)
    growing = tuple((rows[:end], rows[end : end + 15]) for end in (15, 30, 45))
    found = climb(FakeTask(), spec(), (MEAN, LINE), noise(60), growing)
    assert found.rows is not None
    assert found.rows.tolist() == list(range(15, 60))
    assert found.test_per_train == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert choose(found, margin=0.01).n_units == 45


def test_groups_of_the_units_come_along() -> None:
    found = run(FakeTask(grouped=True), noise(40))
    assert found.groups is not None
    assert found.groups.tolist() == [f"g{unit}" for unit in found.units]
    assert run(FakeTask(), noise(40)).groups is None


def test_a_spent_budget_still_gives_the_first_rung() -> None:
    task = FakeTask()
    found = run(task, noise(40), effort=Effort(budget_s=0.0))
    assert whys(found) == [None, "budget", "budget"]
    assert task.fits == ["mean"] * 4
    choice = choose(found, margin=0.01)
    assert (choice.chosen, choice.best, choice.interrupted) == ("mean", "mean", False)


def test_no_fold_is_begun_that_would_end_after_the_budget() -> None:
    task, clock = FakeTask(), Ticking(0.0)
    task.after_fit = lambda: setattr(clock, "now", clock.now + 1.0)
    found = run(task, noise(40), effort=Effort(budget_s=2.5), clock=clock)
    assert whys(found) == [None, "budget", "budget"]
    assert task.fits == ["mean"] * 4 + ["line"] * 2 + ["cells"]
    assert clock.now == 7.0  # the mean's 4 seconds come before the budget; the last fold was one of unknown length


class SlowTask(FakeTask):
    """Takes a millisecond a row, the mean none."""

    def __init__(self, clock: Ticking) -> None:
        super().__init__()
        self.clock = clock

    def fit(self, candidate: Candidate, params: Params, table: pa.Table, *more: Any, spec: TaskSpec) -> Model:
        self.clock.now += 0.0 if candidate.name == "mean" else table.num_rows / 1_000
        return super().fit(candidate, params, table, *more, spec=spec)


@pytest.mark.parametrize(
    ("budget_s", "n_folds", "last"), [(2.5, 1, None), (6.0, 2, "line"), (100.0, 4, "cells"), (None, 4, "cells")]
)
def test_where_time_is_short_fewer_folds_judge_and_the_rung_that_is_usually_best_goes_first(
    budget_s: float | None, n_folds: int, last: str | None
) -> None:
    clock = Ticking(0.0)
    task = SlowTask(clock)  # a fit of the line or of the cells takes 1.05 s, and 0.7 s to foresee
    best = replace(CELLS, favourite=True)
    found = run(task, noise(1_400), (MEAN, LINE, best), effort=Effort(budget_s=budget_s), clock=clock)
    assert whys(found) == [None, None if last else "budget", None]
    assert len(found.parts) == n_folds
    assert len(found.units) == n_folds * 350
    assert last is None or task.fits[-n_folds:] == [last] * n_folds
    assert budget_s is None or clock.now <= budget_s


def test_a_rung_that_cannot_be_had_is_not_waited_for() -> None:
    clock = Ticking(0.0)
    gone = replace(CELLS, favourite=True, skip={"en": "no", "es": "no"})
    found = run(SlowTask(clock), noise(1_400), (MEAN, LINE, gone), effort=Effort(budget_s=7.0), clock=clock)
    assert whys(found) == [None, None, "not_applicable"]


def test_seconds_and_microseconds_are_measured() -> None:
    found = run(FakeTask(), noise(40), clock=Ticking(0.5))
    assert found.attempts[0].cost is not None
    assert found.attempts[0].cost.fit_seconds == pytest.approx(4 * 0.5)
    assert found.attempts[0].cost.predict_us_per_row == pytest.approx(0.5e6 / 10)


def test_interruption_keeps_what_is_complete() -> None:
    found = run(FakeTask({("line", 1): KeyboardInterrupt()}), noise(40))
    assert whys(found) == [None, "interrupted", "interrupted"]
    choice = choose(found, margin=0.01)
    assert (choice.chosen, choice.interrupted) == ("mean", True)
    assert "interrupted" in choice.reason["en"]


def test_interruption_before_anything_is_complete_is_passed_on() -> None:
    with pytest.raises(KeyboardInterrupt):
        run(FakeTask({("mean", 3): KeyboardInterrupt()}), noise(40))


@pytest.mark.parametrize("error", [UserError("too few rows"), ValueError("singular"), np.linalg.LinAlgError("bad")])
def test_a_failing_rung_is_left_out_with_its_message(error: Exception) -> None:
    found = run(FakeTask({("line", 2): error}), xor(400))
    assert whys(found) == [None, "failed", None]
    choice = choose(found, margin=0.01)
    assert choice.chosen == "cells"
    assert str(error) in choice.rungs[1].detail
    assert str(error).rstrip(".") in choice.reason["es"]


def test_an_error_class_of_a_model_library_is_a_failure_too() -> None:
    class BoosterError(Exception): ...

    assert whys(run(FakeTask({("line", 0): BoosterError("no")}), noise(40))) == [None, "failed", None]


@pytest.mark.parametrize("error", [TypeError("bug"), KeyError("bug"), AssertionError("bug"), OSError("disk")])
def test_a_bug_is_not_a_failing_rung(error: Exception) -> None:
    with pytest.raises(type(error)):
        run(FakeTask({("line", 0): error}), noise(40))


def test_a_failing_first_rung_is_passed_on() -> None:
    with pytest.raises(ValueError, match="singular"):
        run(FakeTask({("mean", 0): ValueError("singular")}), noise(40))


def test_losses_that_are_not_finite_fail_the_rung() -> None:
    wild = rung("wild", params={"scale": float("inf")})
    found = run(FakeTask(), noise(40), (MEAN, wild))
    assert whys(found) == [None, "failed"]
    assert "10 of 10 losses are not finite" in choose(found, margin=0.01).rungs[1].detail


def test_a_missing_library_and_a_rung_that_does_not_apply_are_left_out() -> None:
    missing = MissingExtra("boosting needs catboost", hint="pip install 'cauce[boost]'")
    other = rung("line", skip={"en": "the target has one class", "es": "el objetivo tiene una sola clase"})
    task = FakeTask({("cells", 0): missing})
    found = run(task, noise(40), (MEAN, other, CELLS))
    assert whys(found) == [None, "not_applicable", "missing_extra"]
    choice = choose(found, margin=0.01)
    assert "pip install 'cauce[boost]'" in choice.rungs[2].detail
    assert "el objetivo tiene una sola clase" in choice.reason["es"]
    assert "line" not in task.fits


def test_a_ladder_of_which_nothing_applies_is_a_user_error() -> None:
    missing = MissingExtra("mean needs nothing", hint="")
    with pytest.raises(UserError, match="no rung of the ladder could be fitted"):
        run(FakeTask({("mean", 0): missing}), noise(40), (MEAN,))
    with pytest.raises(ValueError, match="0 candidates"):
        run(FakeTask(), noise(40), ())


def test_progress_reaches_the_end_and_names_rung_and_fold() -> None:
    said: list[tuple[str, int, int, str]] = []
    skipped = rung("line", skip={"en": "no", "es": "no"})

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        said.append((stage, done, total, note))

    run(FakeTask(), noise(40), (MEAN, skipped, CELLS), progress=progress)
    assert said[0] == ("choose", 0, 12, "mean, fold 1 of 4")
    assert ("choose", 8, 12, "cells, fold 1 of 4") in said
    assert said[-1] == ("choose", 12, 12, "")
    assert [done for _, done, _, _ in said] == sorted(done for _, done, _, _ in said)


class Killed(BaseException):
    """As final as SIGKILL for the code under test."""


def test_a_killed_climb_goes_on_where_it_was(tmp_path: Path) -> None:
    table, fresh = xor(200), FakeTask()
    whole = run(fresh, table)
    dying = FakeTask({("line", 2): Killed()})
    with pytest.raises(Killed):
        run(dying, table, cache=tmp_path)
    again = FakeTask()
    resumed = run(again, table, cache=tmp_path)
    assert again.fits == ["line"] * 2 + ["cells"] * 4
    assert same(resumed, whole)
    idle = FakeTask()
    once_more = run(idle, table, cache=tmp_path, effort=Effort(budget_s=0.0))
    assert idle.fits == []
    assert same(once_more, whole)
    assert once_more.attempts[2].cost == resumed.attempts[2].cost


def test_cache_gives_the_same_choice(tmp_path: Path) -> None:
    table = xor(200)
    for grouped in (False, True):
        folder = tmp_path / str(grouped)
        without = run(FakeTask(grouped=grouped), table, clock=Ticking(0.1))
        run(FakeTask(grouped=grouped), table, clock=Ticking(0.1), cache=folder)
        kept = run(FakeTask(grouped=grouped), table, clock=Ticking(0.1), cache=folder)
        assert same(without, kept)
        assert choose(kept, margin=0.01).reason == choose(without, margin=0.01).reason
        assert (kept.groups is None) == (not grouped)


@pytest.mark.parametrize("damage", [lambda raw: raw[:40], lambda raw: b"", lambda raw: b"not arrow at all"])
def test_a_damaged_file_is_fitted_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    table = noise(40)
    run(FakeTask(), table, cache=tmp_path)
    victim = tmp_path / "line.1.arrow"
    victim.write_bytes(damage(victim.read_bytes()))
    again = FakeTask()
    run(again, table, cache=tmp_path)
    assert again.fits == ["line"]


def test_other_settings_are_fitted_again(tmp_path: Path) -> None:
    table = noise(40)
    run(FakeTask(), table, cache=tmp_path)
    again = FakeTask()
    run(again, table, (MEAN, rung("line", params={"scale": 0.5})), cache=tmp_path)
    assert again.fits == ["line"] * 4
    other = FakeTask()
    climb(other, spec(seed=1), (MEAN,), table, folds_of(40), cache=tmp_path)
    assert other.fits == ["mean"] * 4
    resplit = FakeTask()
    climb(resplit, spec(seed=1), (MEAN,), table, folds_of(40, 5), cache=tmp_path)
    assert resplit.fits == ["mean"] * 5


def test_a_name_that_is_no_name_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a name"):
        run(FakeTask(), noise(40), (rung("../out"),), cache=tmp_path / "in")
    assert list(tmp_path.rglob("*.arrow")) == []


def test_the_choice_is_json(tmp_path: Path) -> None:
    from cauce.core.files import from_json, to_json

    choice = choose(run(FakeTask({("line", 0): ValueError("x")}), xor(200)), margin=0.01)
    read = from_json(to_json(choice), type(choice))
    assert read == choice
    assert json.loads(to_json(choice))["chosen"] == "cells"
