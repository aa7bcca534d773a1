"""Figures on counts against scipy's, and what they do with nothing to count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, fisher_exact

from cauce.watch.drift.counts import expected_psi, holm, jensen_shannon, plain_psi, psi, share_test, two_sample

counts = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=12).map(
    lambda pairs: np.array(pairs, dtype=np.int64).T
)


def test_jensen_shannon_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        p, q = rng.integers(0, 100, 12), rng.integers(0, 100, 12)
        assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p / p.sum(), q / q.sum(), base=2), abs=1e-9)


def test_the_two_sample_test_equals_scipy_where_all_bins_are_filled() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        table = np.stack([rng.integers(200, 900, 8), rng.integers(20, 90, 8)])
        theirs = chi2_contingency(table, correction=False)
        ours = two_sample(table[0], table[1])
        assert ours.statistic == pytest.approx(theirs.statistic)
        assert ours.degrees == theirs.dof
        assert ours.p_value == pytest.approx(theirs.pvalue)


def test_rare_bins_are_tested_together() -> None:
    reference, current = np.array([900, 80, 1, 1, 1, 1]), np.array([90, 8, 0, 1, 2, 3])
    theirs = chi2_contingency([[900, 84], [90, 14]], correction=False)
    assert two_sample(reference, current).p_value == pytest.approx(theirs.pvalue)


def test_share_test_lies_near_fishers() -> None:
    for before, now in [((5, 1000), (4, 200)), ((100, 1000), (35, 200)), ((0, 50), (3, 60))]:
        table = [[now[0], now[1] - now[0]], [before[0], before[1] - before[0]]]
        one_sided = min(fisher_exact(table, "greater").pvalue, fisher_exact(table, "less").pvalue)
        assert share_test(before, now) == pytest.approx(min(1.0, 2 * one_sided))


def test_psi_is_the_textbook_sum_in_large_samples() -> None:
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    textbook = float(np.sum((q - p) * np.log(q / p)))
    n = 10**7
    assert psi((p * n).astype(np.int64), (q * n).astype(np.int64)) == pytest.approx(textbook, rel=1e-4)


def test_chance_is_subtracted_so_that_stationary_windows_have_an_index_near_zero() -> None:
    rng, shares = np.random.default_rng(2), np.full(10, 0.1)
    pairs = [(rng.multinomial(2000, shares), rng.multinomial(200, shares)) for _ in range(400)]
    plain = float(np.mean([plain_psi(*pair) for pair in pairs]))
    assert plain == pytest.approx(expected_psi(*pairs[0]), rel=0.1)
    assert float(np.mean([psi(*pair) for pair in pairs])) < 0.02


def test_an_empty_bin_does_not_make_the_index_explode() -> None:
    assert psi(np.array([100_000, 1000, 0]), np.array([200, 0, 1])) < 0.1


def test_holm_equals_its_definition() -> None:
    p = np.array([0.001, 0.2, 0.012, 0.04])
    assert holm(p).tolist() == pytest.approx([0.004, 0.2, 0.036, 0.08])
    assert holm(np.array([])).tolist() == []


@settings(deadline=None)
@given(counts)
def test_figures_stay_within_their_bounds_on_any_counts(pair: npt.NDArray[np.int64]) -> None:
    reference, current = pair
    assert 0 <= psi(reference, current) < 50
    assert 0 <= jensen_shannon(reference, current) <= 1 + 1e-9
    assert 0 <= two_sample(reference, current).p_value <= 1
    assert psi(reference, reference) == 0
    assert two_sample(reference, current).p_value == pytest.approx(two_sample(current, reference).p_value)
