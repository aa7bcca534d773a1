"""Figures: delay, false alarms, comparisons by blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cauce.core.rehearsing import Course, Look, Replayed, Scenario
from cauce.evidence import paired, serial
from cauce.rehearse.clock import DAY
from cauce.rehearse.measure import action, compare, detection, episodes, false_alarms, outcome
from rehearse.fake import job


def looks(alarms: str, actions: dict[int, str] | None = None) -> tuple[Look, ...]:
    """A look a day, ten rows each: ``x`` alarms, ``.`` does not."""
    return tuple(
        Look((at + 1) * DAY, 10 * (at + 1), ("performance",) if mark == "x" else (), (actions or {}).get(at, "wait"))
        for at, mark in enumerate(alarms)
    )


def made(alarms: str, actions: dict[int, str] | None = None, scenario: Scenario | None = None) -> Replayed:
    course = Course("loop", 1.0, (1.0,) * 24, (), 0, 0, 0, 0.0)
    n = len(alarms)
    begin = None if scenario is not None and not scenario.injected else 4.5 * DAY
    row = None if begin is None else 45
    shown = looks(alarms, actions)
    return Replayed(job(scenario), 10 * n, 10 * n, begin, row, n * DAY, 0.0, shown,
                    (course, replace(course, strategy="never")))  # fmt: skip


def test_delay_counts_from_the_change_to_the_alarm_that_began_after_it() -> None:
    assert detection(made("......xx..")) == (25.0, 2.5 * DAY)
    assert detection(made("..........")) is None


def test_an_alarm_that_was_on_before_detects_nothing_until_it_was_off() -> None:
    assert detection(made("...xxxx...")) is None
    assert detection(made("...xx..x..")) == (35.0, 3.5 * DAY)


def test_an_answer_to_a_fault_has_to_come_while_it_lasts() -> None:
    fault = Scenario("unit", "sudden", end=0.6)
    assert action(made("..........", {5: "fix data"}, fault)) == 1.5 * DAY
    assert action(made("..........", {8: "fix data"}, fault)) is None
    assert action(made("..........", {5: "retrain"}, fault)) is None
    assert action(made("..........", {5: "retrain"})) == 1.5 * DAY


def test_retrainings_on_a_fault_are_counted() -> None:
    fault = Scenario("unit", "sudden", end=0.6)
    found = outcome([made("....xxxxxx", {4: "retrain", 5: "retrain", 8: "retrain"}, fault)], margin=0.01)
    assert found.retrained_on_fault == 2
    assert "mistake" in found.reason["en"]
    assert "error" in found.reason["es"]


def test_an_alarm_that_stays_on_counts_once() -> None:
    assert episodes(looks("xx.x..xxx")) == 3


def test_false_alarms_are_those_while_nothing_changed() -> None:
    rate, days = false_alarms([made(".x.x.xxxxx")])
    assert days == 4.5
    assert rate == pytest.approx(2 / 4.5 * 30)
    rate, days = false_alarms([made(".x.x......", None, Scenario("still"))] * 2)
    assert days == 20
    assert rate == pytest.approx(2 / 10 * 30)
    assert false_alarms([made("..x.......", None, Scenario("history"))]) == (None, 0.0)


def course(losses: np.ndarray) -> Course:
    return Course("loop", float(losses.mean()), tuple(losses.tolist()), (), 0, 0, 0, 0.0)


def test_strategies_are_compared_by_an_interval_for_series() -> None:
    rng = np.random.default_rng(0)
    apart = np.convolve(rng.normal(size=99), np.ones(4) / 2, mode="valid")  # neighbours resemble each other
    theirs = rng.exponential(size=96)
    ours = theirs + apart - 0.1
    found = compare([course(ours)], [course(theirs)], margin=0.01)
    assert found == serial([ours], [theirs], margin=0.01)
    alone = paired(ours, theirs, margin=0.01)
    assert found.difference == pytest.approx(alone.difference)
    assert (found.upper - found.lower) > 1.3 * (alone.upper - alone.lower)


def test_a_gain_on_one_change_of_regime_is_said_to_be_of_this_history() -> None:
    rng = np.random.default_rng(0)
    theirs = 1 + 0.1 * rng.normal(size=96) + 2.0 * (np.arange(96) // 32 == 1)
    loop = replace(course(1 + 0.1 * rng.normal(size=96)), n_retrained=2)
    replayed = replace(
        made("....", None, Scenario("history")), courses=(loop, replace(course(theirs), strategy="never"))
    )
    found = outcome([replayed], margin=0.01)
    (never,) = found.against
    assert never.comparison.verdict == "undecided"
    assert never.here.verdict == "better"
    assert never.neighbours is not None
    assert never.neighbours > 0.5
    assert "on this history the loss is" in found.reason["en"]
    assert "no está probado" in found.reason["es"]


def test_the_cost_is_counted_for_a_retraining_at_every_look() -> None:
    found = outcome([replace(made("...."), rows_always=200), replace(made("...."), rows_always=400)], margin=0.01)
    assert found.rows_always == 300
    assert found.cost_share == 0
    assert outcome([made("....")], margin=0.01).cost_share is None
