"""The fast clock: rows, truths and looks come when they should."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.rehearse import arrivals, look_times, nice_interval, spread_ties

DAY = 86_400.0


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_spread_rows_keep_their_order_and_their_moment(days: list[int]) -> None:
    times = np.sort(np.array(days, dtype=np.float64)) * DAY
    spread = spread_ties(times)
    moments = np.unique(times)
    assert (np.diff(spread) > 0).all()
    assert (spread >= times).all()
    following = np.append(moments[1:], np.inf)[np.searchsorted(moments, times)]
    assert (spread < following).all()


def test_rows_without_ties_stay_where_they_are() -> None:
    times = np.array([1.0, 2.0, 5.0])
    assert spread_ties(times).tolist() == times.tolist()


def test_the_last_look_comes_when_all_rows_have_come() -> None:
    looks = look_times(0.0, 100.0, 30.0)
    assert looks.tolist() == [30.0, 60.0, 90.0, 120.0]
    assert look_times(0.0, 90.0, 30.0).tolist() == [30.0, 60.0, 90.0]


def test_truths_come_after_the_delay_and_some_never() -> None:
    times = np.arange(10_000, dtype=np.float64)
    known = arrivals(times, 7.0, rng=np.random.default_rng(0))
    assert (known == times + 7).all()
    some = arrivals(times, 7.0, rng=np.random.default_rng(0), never=0.3)
    assert 0.28 < np.isinf(some).mean() < 0.32
    assert (some[np.isfinite(some)] == (times + 7)[np.isfinite(some)]).all()


def test_looks_are_as_far_apart_as_a_person_would_set() -> None:
    assert nice_interval(660 * DAY) == 7 * DAY
    assert nice_interval(90 * 60.0) == 60.0
    assert nice_interval(1e12) == 1e10
