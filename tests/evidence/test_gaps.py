"""Shares and gaps between groups: known values, coverage by simulation, small groups left out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from cauce.core.specs import FairnessMetric
from cauce.evidence.gaps import largest, of_means, of_metric, of_shares
from cauce.evidence.shares import Interval, difference, effective, rows_needed, wilson


@given(st.integers(0, 400), st.integers(1, 400))
def test_the_interval_of_a_share_is_scipys(hits: int, n: int) -> None:
    hits = min(hits, n)
    theirs = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    ours = wilson(hits, n)
    assert (ours.lower, ours.upper) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize(
    ("one", "expected"),
    [((56, 70, 48, 80), (0.0524, 0.3339)), ((9, 10, 3, 10), (0.1705, 0.8090)), ((10, 10, 0, 10), (0.6075, 1.0))],
    ids=["large", "small", "extreme"],
)  # fmt: skip
def test_the_difference_is_that_of_newcombes_table(
    one: tuple[int, int, int, int], expected: tuple[float, float]
) -> None:
    found = difference(wilson(one[0], one[1]), wilson(one[2], one[3]))
    assert (found.lower, found.upper) == pytest.approx(expected, abs=2e-4)


@given(st.floats(0.01, 0.45))
def test_so_many_rows_and_no_fewer_tell_a_share(half: float) -> None:
    n = rows_needed(half)
    assert wilson(n / 2, n).half <= half + 1e-9
    assert n == 2 or wilson((n - 1) / 2, n - 1).half > half


@pytest.mark.parametrize("shares", [(0.3, 0.3, 0.3), (0.02, 0.05, 0.08), (0.5, 0.2, 0.45)], ids=str)
def test_the_largest_gap_lies_in_its_interval_in_95_of_100_samples(shares: tuple[float, ...]) -> None:
    rng = np.random.default_rng(1)
    truth, covered, tries = max(shares) - min(shares), 0, 400
    codes = np.repeat(np.arange(3), [400, 150, 1000])
    for _ in range(tries):
        gap = of_shares(rng.random(len(codes)) < np.array(shares)[codes], codes, 3).gap
        covered += gap.lower <= truth <= gap.upper
    assert covered / tries >= 0.94


def test_equal_groups_are_called_unequal_in_at_most_5_of_100_samples() -> None:
    rng = np.random.default_rng(2)
    codes = np.arange(2000) % 5
    wrong = sum(of_shares(rng.random(2000) < 0.3, codes, 5).gap.lower > 0 for _ in range(400))
    assert wrong / 400 <= 0.05


def test_means_of_skewed_numbers_are_covered() -> None:
    rng = np.random.default_rng(3)
    codes = np.repeat([0, 1], [300, 700])
    covered = 0
    for _ in range(300):
        gap = of_means(rng.exponential(np.array([1.0, 1.4])[codes]), codes, 2, known_to=1.0).gap
        covered += gap.lower <= 0.4 <= gap.upper
    assert covered / 300 >= 0.93


def test_rows_of_a_school_count_as_fewer() -> None:
    rng = np.random.default_rng(4)
    schools = np.repeat(np.arange(40), 50)
    values = rng.normal(size=40)[schools] + rng.normal(0, 0.1, 2000)
    assert effective(values, schools) == pytest.approx(40, rel=0.2)
    codes = schools % 2
    alone, together = (of_shares(values > 0, codes, 2, clusters=c).gap for c in (None, schools))
    assert together.upper - together.lower > 3 * (alone.upper - alone.lower)


def test_a_small_group_is_left_out_by_its_size_alone() -> None:
    codes = np.repeat([0, 1, 2], [1000, 1000, 50])
    hits = np.where(codes == 2, True, np.arange(2050) % 2 == 0)
    found = of_shares(hits, codes, 3)
    assert found.told.tolist() == [True, True, False]
    assert found.gap.value < 0.01
    assert found.figures[2].value == 1.0


def test_one_group_that_can_be_told_is_no_gap() -> None:
    gap = of_shares(np.ones(200, bool), np.zeros(200, np.int64), 2).gap
    assert (gap.high, gap.value, gap.lower) == (-1, 0.0, 0.0)
    assert math.isinf(gap.upper)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.3)), min_size=2, max_size=6))
def test_the_interval_holds_the_gap_and_does_not_hang_on_the_order(groups: list[tuple[float, float]]) -> None:
    figures = [Interval(value, value - half, value + half) for value, half in groups]
    gap, turned = largest(figures), largest(figures[::-1])
    assert gap.lower <= gap.value + 1e-12
    assert gap.value <= gap.upper + 1e-12
    assert (gap.value, gap.lower, gap.upper) == pytest.approx((turned.value, turned.lower, turned.upper))


@pytest.mark.parametrize(
    ("metric", "value"),
    [("demographic_parity", 0.25), ("equal_opportunity", 0.5), ("equalized_odds", 0.5), ("error_rate", 0.25)],
)
def test_each_metric_is_what_its_name_says(metric: FairnessMetric, value: float) -> None:
    codes = np.repeat([0, 1], 400)
    truth = np.tile([True, True, False, False], 200)
    said = np.where(codes == 0, truth, truth & (np.arange(800) % 4 == 0))
    assert of_metric(metric, truth, said, codes, 2).gap.value == pytest.approx(value)
