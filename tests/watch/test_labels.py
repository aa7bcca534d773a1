"""Truths that come late or selectively, and the losses of segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.profile.groups import Grouping
from cauce.watch.truths import labels, segments
from cauce.watch.truths.estimate import Expectation, Moments
from cauce.watch.truths.labels import Arrivals, TruthsView, waiting

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
NONE = Arrivals(np.zeros(0), np.zeros(0))


def view(bins: Mapping[str, npt.NDArray[np.int64]], has_truth: Bools, losses: Floats | None = None) -> TruthsView:
    n = len(has_truth)
    values = np.zeros(int(has_truth.sum())) if losses is None else losses
    return TruthsView(None, None, NONE, values, n, int(has_truth.sum()), n, bins=bins, has_truth=has_truth)


def test_young_predictions_do_not_hide_how_many_truths_come() -> None:
    rng = np.random.default_rng(0)
    ages = rng.uniform(0, 5 * 86_400, 8000)
    lags = np.where(rng.random(8000) < 0.7, rng.exponential(86_400, 8000), np.inf)
    found = waiting(Arrivals(ages, np.where(lags < ages, lags, np.nan)))
    assert found.final == pytest.approx(0.7, abs=0.03)
    assert found.median_s == pytest.approx(86_400 * np.log(2), rel=0.1)
    assert found.slow_s == pytest.approx(86_400 * np.log(10), rel=0.15)
    assert np.mean(lags < ages) < 0.6  # what is counted without minding the ages


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40))
def test_the_share_that_comes_is_kaplan_and_meiers_product(times: list[tuple[int, int]]) -> None:
    ages = np.array([float(age) for age, _ in times])
    lags = np.array([float(lag) if lag <= age else np.nan for age, lag in times])
    left = 1.0
    for moment in sorted({lag for lag in lags if np.isfinite(lag)}):
        came = np.sum(lags == moment)
        at_risk = np.sum(np.where(np.isfinite(lags), lags, ages) >= moment)
        left *= 1 - came / at_risk
    # Never more than have come: all of these are one block.
    assert waiting(Arrivals(ages, lags)).final == pytest.approx(min(1 - left, np.isfinite(lags).mean()))


def test_truths_that_are_all_sent_at_once_promise_no_more_than_came() -> None:
    ages = np.arange(1000, 0, -1.0)
    lags = np.where(np.arange(1000) % 2 == 0, ages, np.nan)
    assert waiting(Arrivals(ages, lags)).final == pytest.approx(0.5, abs=0.01)


def test_nothing_is_known_of_lags_before_the_first_truth() -> None:
    found = waiting(Arrivals(np.array([5.0, 9.0]), np.array([np.nan, np.nan])))
    assert found == labels.Waiting(0.0, None, None)


def test_a_window_is_complete_once_nine_tenths_of_its_truths_came() -> None:
    ages, lags = np.full(1000, 100.0), np.where(np.arange(1000) < 500, 10.0, np.nan)
    base = TruthsView(None, None, Arrivals(ages, lags), np.zeros(0), 0, 460, 1000)
    assert labels.labels_seen(base, (), None).complete
    young = labels.labels_seen(replace(base, n_window_truths=300), (), None)
    assert not young.complete
    assert young.coverage == pytest.approx(0.3)
    assert young.final_coverage == pytest.approx(0.5)
    signal = labels.labels_signal(labels.Selection((), 0.0, None), young, None)
    assert "not complete" in signal.detail["en"]
    assert "no está completa" in signal.detail["es"]


def test_a_model_that_nobody_has_asked_yet_is_said_to_have_no_predictions() -> None:
    none = TruthsView(None, None, Arrivals(np.zeros(0), np.zeros(0)), np.zeros(0), 0, 0, 0)
    signal = labels.labels_signal(labels.Selection((), 0.0, None), labels.labels_seen(none, (), None), None)
    assert signal.detail["en"] == "No predictions yet, so no truths either."
    assert signal.detail["es"].startswith("Aún no hay predicciones")


def test_truths_that_come_by_chance_select_nothing() -> None:
    rng = np.random.default_rng(1)
    named = 0
    for _ in range(200):
        bins = {f"x{k}": rng.integers(0, 8, 1000) for k in range(20)}
        named += bool(labels.selection(view(bins, rng.random(1000) < 0.5), 0.05, 100).columns)
    assert named <= 19  # at most 5 % of 200 on average; 20 come by chance in 0.3 % of suites


def test_truths_that_come_of_some_rows_alone_are_named_and_losses_mended() -> None:
    rng = np.random.default_rng(2)
    plan, other = rng.integers(0, 3, 6000), rng.integers(0, 8, 6000)
    losses = rng.exponential(0.2 + 0.4 * plan)
    has = rng.random(6000) < np.array([0.9, 0.5, 0.2])[plan]
    seen = view({"plan": plan, "other": other}, has, losses[has])
    found = labels.selection(seen, 0.01, 100)
    assert found.columns == ("plan",)
    assert found.effect > 0.3
    weights = labels.corrected_weights(seen, found.columns)
    assert abs(losses[has].mean() - losses.mean()) > 0.1
    assert np.average(losses[has], weights=weights) == pytest.approx(losses.mean(), abs=0.04)
    told = labels.labels_signal(found, labels.labels_seen(seen, found.columns, 0.6), 0.45)
    assert told.alarming
    assert told.column == "plan"
    assert "come selectively" in told.detail["en"]
    assert "0.6 instead of 0.45" in told.detail["en"]
    assert "de forma selectiva" in told.detail["es"]


def test_a_slight_difference_is_not_worth_a_word() -> None:
    rng = np.random.default_rng(3)
    plan = rng.integers(0, 2, 40_000)
    has = rng.random(40_000) < np.array([0.49, 0.53])[plan]
    found = labels.selection(view({"plan": plan}, has), 0.01, 100)
    assert found.columns == ()
    assert 0.0 < found.effect < labels.EFFECT


def expectation(reference: float = 0.3) -> Expectation:
    return Expectation(
        "classify",
        "log_loss",
        {"log_loss": reference},
        2000,
        groupings=(Grouping("sex", ("f", "m")), Grouping("city", tuple("abcdefgh"))),
        segments={
            **{f"sex = {name}": Moments(1000, 0.3, 0.09) for name in "fm"},
            **{f"city = {name}": Moments(250, 0.3, 0.09) for name in "abcdefgh"},
        },
    )


def grouped(rng: np.random.Generator, **factor: float) -> TruthsView:
    sex, city = rng.integers(0, 2, 1000), rng.integers(0, 8, 1000)
    losses = rng.exponential(0.3, 1000)
    losses = losses * np.where(sex == 1, factor.get("m", 1.0), 1.0) * np.where(city == 0, factor.get("a", 1.0), 1.0)
    return replace(view({}, np.ones(1000, np.bool_), losses), groups={"sex": sex, "city": city})


def test_a_segment_that_got_worse_is_named_though_the_whole_did_not() -> None:
    rng = np.random.default_rng(4)
    figures = segments.judge(grouped(rng, a=2.5), expectation(), 0.01, 0.01)
    assert figures[0].segment == "city = a"
    assert [figure.segment for figure in figures if figure.alarming] == ["city = a"]
    assert figures[0].lower < figures[0].loss < figures[0].upper
    signal = segments.segment_signal(figures, 0.01)
    assert signal is not None
    assert signal.alarming
    assert signal.column == "city"
    assert "worse where city = a" in signal.detail["en"]
    assert "ha empeorado donde city = a" in signal.detail["es"]


def test_segments_that_did_not_change_seldom_alarm() -> None:
    rng = np.random.default_rng(5)
    found = [any(f.alarming for f in segments.judge(grouped(rng), expectation(), 0.05, 0.0)) for _ in range(300)]
    assert np.mean(found) <= 0.05


def test_a_model_that_got_worse_for_all_alike_is_not_the_segments_matter() -> None:
    rng = np.random.default_rng(6)
    found = grouped(rng)
    figures = segments.judge(replace(found, losses=found.losses * 2), expectation(), 0.01, 0.01)
    assert sum(figure.alarming for figure in figures) < len(figures)


def test_a_segment_with_few_truths_is_left_out() -> None:
    codes = np.array([0] * 29 + [1] * 971)
    seen = replace(view({}, np.ones(1000, np.bool_), np.ones(1000)), groups={"sex": codes})
    assert [figure.segment for figure in segments.judge(seen, expectation(), 0.01, 0.01)] == ["sex = m"]
