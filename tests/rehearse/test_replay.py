"""A replay never looks ahead, and every strategy does what its name says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cauce.core.rehearsing import Replayed, Scenario, Strategy
from cauce.rehearse import replay
from rehearse.fake import FakeStage, job, past


def run(*, change: int | None = 600, delay: float = 20.0, promotes: bool = True) -> tuple[Replayed, FakeStage]:
    rows = past(change=change, delay=delay)
    world = rows.changed.astype(np.float64)
    stage = FakeStage(rows, world, alarm_from=650.0 if change else np.inf, promotes=promotes)
    return replay(job(), rows, stage), stage


@pytest.mark.parametrize("delay", [0.0, 20.0, 333.0])
def test_nothing_is_learnt_or_judged_before_its_truth_came(delay: float) -> None:
    _, stage = run(delay=delay)
    known_at, times = stage.past.known_at, stage.past.times
    for what, at, rows in stage.asked[1:]:  # the first model knows the rows before the replay
        known = times if what == "look" else known_at
        assert (known[rows] <= at).all(), (what, at)


def test_rows_that_judge_have_taught_neither() -> None:
    _, stage = run()
    assert stage.judged
    for champion, challenger, rows, _ in stage.judged:
        assert len(rows)
        assert not np.isin(rows, champion.taught).any()
        assert not np.isin(rows, challenger.taught).any()


def test_a_poisoned_future_changes_nothing_before_it() -> None:
    rows = past()
    clean = FakeStage(rows, rows.changed.astype(np.float64), alarm_from=650.0)
    poisoned = FakeStage(rows, np.where(rows.times > 800, 9.0, clean.world), alarm_from=650.0)
    ours, theirs = (replay(job(), rows, stage) for stage in (clean, poisoned))
    before = [look for look in ours.looks if look.at <= 800]
    assert before == [look for look in theirs.looks if look.at <= 800]
    for strategy in ("loop", "never", "always"):
        a, b = ours.course(strategy), theirs.course(strategy)
        assert a is not None
        assert b is not None
        assert a.look_losses[: len(before)] == b.look_losses[: len(before)]
    assert ours.course("loop") != theirs.course("loop")


def test_strategies_pay_and_gain_in_the_order_that_they_must() -> None:
    found, _ = run()
    loss: dict[Strategy, float] = {course.strategy: course.mean_loss for course in found.courses}
    assert loss["oracle"] <= loss["always"] <= loss["loop"] < loss["never"]
    cost = {course.strategy: course for course in found.courses}
    assert cost["never"].n_retrained == 0
    assert cost["loop"].n_retrained == cost["scheduled"].n_retrained == 2
    assert cost["always"].n_retrained == 27
    assert cost["always"].rows_fitted == found.rows_always

    assert cost["loop"].cpu_seconds == 1.0
    assert cost["loop"].rows_fitted < cost["always"].rows_fitted


def test_always_may_be_fitted_at_fewer_looks_and_its_whole_cost_is_counted() -> None:
    found, _ = run()
    seldom = replay(replace(job(), always_every=4), past(), FakeStage(past(), past().changed.astype(np.float64)))
    course = seldom.course("always")
    assert course is not None
    assert course.n_retrained == 7
    assert seldom.rows_always == found.rows_always


def test_losses_after_the_change_are_those_compared() -> None:
    found, _ = run()
    never = found.course("never")
    assert never is not None
    assert found.n_judged == 400
    assert found.began_row == 300
    assert never.mean_loss == pytest.approx(1.1)
    assert np.mean(never.block_losses) == pytest.approx(1.1)


def test_a_refused_challenger_costs_and_changes_nothing() -> None:
    found, _ = run(promotes=False)
    loop, never = found.course("loop"), found.course("never")
    assert loop is not None
    assert never is not None
    assert loop.n_retrained > 1
    assert loop.n_promoted == 0
    assert loop.block_losses == never.block_losses


def test_in_a_still_world_only_always_retrains() -> None:
    found, _ = run(change=None)
    assert {course.strategy for course in found.courses if course.n_retrained} == {"always"}
    assert found.begin is None
    assert all(look.action == "wait" and not look.alarms for look in found.looks)


def test_the_oracle_of_a_fault_learns_nothing() -> None:
    rows = past()
    fault = type(rows)(**{**rows.__dict__, "fault": True})
    stage = FakeStage(fault, fault.changed.astype(np.float64))
    found = replay(job(Scenario("unit", "sudden", end=0.6)), fault, stage)
    oracle, never = found.course("oracle"), found.course("never")
    assert oracle is not None
    assert never is not None
    assert oracle.n_retrained == 0
    assert oracle.block_losses == never.block_losses


def test_the_window_holds_rows_of_the_model_in_service_alone() -> None:
    rows = past()
    stage = FakeStage(rows, rows.changed.astype(np.float64), alarm_from=650.0)
    found = replay(job(), rows, stage)
    promoted = next(look.at for look in found.looks if look.promoted)
    windows = [(at, window) for what, at, window in stage.asked if what == "look"]
    assert all((rows.times[window] >= rows.times[300] - 1e-9).all() for _, window in windows)
    after = next(window for at, window in windows if at > promoted)
    assert (rows.times[after] > promoted - 1e-9).all()
