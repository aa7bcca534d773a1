"""Comparisons along time: the interval holds what it promises where neighbours resemble each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.evidence import paired, serial
from cauce.evidence.compare import WIDEST


def moving(length: int, rng: np.random.Generator, n: int = 96) -> np.ndarray:
    sums = np.cumsum(rng.normal(size=n + length))
    return (sums[length:] - sums[:-length])[:n]


@pytest.mark.parametrize("length", [1, 4, 6])
def test_it_holds_the_truth_as_often_as_it_promises(length: int) -> None:
    """1,000 series; 0.93 is three standard errors below. Intervals over single values hold it far less often."""
    rng = np.random.default_rng(length)
    held = alone = 0
    for _ in range(1000):
        series = moving(length, rng)
        found, single = serial([series], [np.zeros(96)], margin=0.0), paired(series, np.zeros(96), margin=0.0)
        held += found.lower <= 0 <= found.upper
        alone += single.lower <= 0 <= single.upper
    assert held >= 930
    assert length == 1 or alone < 750


def test_several_series_have_more_freedom_and_hold_as_much() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(500):
        series = [moving(4, rng) for _ in range(3)]
        found = serial(series, [np.zeros(96)] * 3, margin=0.0)
        held += found.lower <= 0 <= found.upper
    assert found.n_clusters == 13
    assert held >= 0.92 * 500


def test_a_regime_that_came_once_is_not_proven_by_it() -> None:
    """One long stretch in which the reference is worse makes a large mean, and a wide interval."""
    theirs = np.where(np.arange(96) > 60, 2.0, 0.5)
    found = serial([np.full(96, 0.5)], [theirs], margin=0.01)
    single = paired(np.full(96, 0.5), theirs, margin=0.01)
    assert found.difference == pytest.approx(single.difference)
    assert found.lower < 2 * single.lower


COURSES = {"level": 0.0, "step": 3.0 * (np.arange(96) > 30), "hump": 3.0 * (np.arange(96) // 32 == 1)}


@pytest.mark.parametrize("course", COURSES)
def test_about_this_stretch_its_course_is_no_chance(course: str) -> None:
    """1,000 series of noise about a course: the mean of the course is held; a regime that came once is proven."""
    rng, path = np.random.default_rng(1), np.zeros(96) + COURSES[course]
    held = proven = of_next = 0
    for _ in range(1000):
        noise = moving(4, rng) / 2
        found = serial([path + noise], [np.zeros(96)], margin=0.0, about="this")
        held += found.lower <= path.mean() <= found.upper
        proven += found.lower > 0
        of_next += serial([path + noise], [np.zeros(96)], margin=0.0).lower > 0
    assert held >= 930
    assert course != "level" or proven <= 40
    assert course != "hump" or proven > 2 * of_next


@settings(deadline=None, max_examples=50)
@given(st.floats(1e-100, 1e100), st.integers(4, 60), st.integers(0, 99))
def test_it_scales_with_the_losses(scale: float, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = rng.normal(size=n), rng.normal(size=n)
    plain, scaled = (serial([ours * k], [theirs * k], margin=0.0) for k in (1.0, scale))
    assert scaled.upper == pytest.approx(plain.upper * scale, rel=1e-6)
    assert plain.lower <= plain.difference <= plain.upper


def test_too_few_values_prove_nothing_and_equal_ones_equality() -> None:
    few = serial([np.ones(3)], [np.zeros(3)], margin=0.0)
    assert (few.lower, few.upper, few.verdict) == (-WIDEST, WIDEST, "undecided")
    same = serial([np.ones(24)], [np.ones(24)], margin=0.0)
    assert (same.lower, same.upper, same.verdict) == (0.0, 0.0, "equivalent")
    with pytest.raises(ValueError, match="same lengths"):
        serial([np.ones(4)], [np.ones(5)], margin=0.0)
