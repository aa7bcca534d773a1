"""Effect sizes against scipy's, on made-up counts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr

from cauce.profile import ColumnBins
from cauce.watch.drift import counts
from cauce.watch.drift.quick import coarser, finer_bins, quick_bins
from cauce.watch.drift.report import bin_positions, drift_report

numbers = st.integers(0, 10_000)
pairs = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30).filter(
    lambda pair: any(a for a, _ in pair) and any(b for _, b in pair)
)


def split(pair: list[tuple[int, int]]) -> tuple[counts.Counts, counts.Counts]:
    return np.array([a for a, _ in pair]), np.array([b for _, b in pair])


@given(pairs)
@settings(deadline=None)
def test_jensen_shannon_is_scipys(pair: list[tuple[int, int]]) -> None:
    before, now = split(pair)
    assert counts.jensen_shannon(before, now) == pytest.approx(jensenshannon(before, now, base=2), abs=1e-7)


@given(pairs)
@settings(deadline=None)
def test_chi_square_is_scipys(pair: list[tuple[int, int]]) -> None:
    before, now = split(pair)
    table = np.stack([before, now])
    table = table[:, table.sum(axis=0) > 0]
    expected = stats.chi2_contingency(table, correction=False).statistic if table.shape[1] > 1 else 0.0
    assert counts.chi_square(before, now) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(pairs, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_wasserstein_is_scipys_over_the_deviation_of_the_reference(pair: list[tuple[int, int]], seed: int) -> None:
    before, now = split(pair)
    places = np.sort(np.random.default_rng(seed).normal(0, 50, len(before)))
    ours = counts.wasserstein(before, now, places)
    mean = np.average(places, weights=before)
    deviation = float(np.sqrt(np.average((places - mean) ** 2, weights=before)))
    if ours is None:
        assert deviation < 1e-3
        return
    expected = stats.wasserstein_distance(places, places, before, now) / deviation
    assert ours == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(pairs)
@settings(deadline=None)
def test_the_textbook_index_is_the_sum_of_both_relative_entropies(pair: list[tuple[int, int]]) -> None:
    before, now = split(pair)
    p, q = before / before.sum(), now / now.sum()
    assert counts.textbook_psi(before, now) == pytest.approx(float(rel_entr(p, q).sum() + rel_entr(q, p).sum()))


def test_our_index_nears_the_textbooks_where_rows_are_many() -> None:
    before, now = np.array([5_000_000, 3_000_000, 2_000_000]), np.array([4_000_000, 3_000_000, 3_000_000])
    assert counts.psi(before, now) == pytest.approx(counts.textbook_psi(before, now), rel=1e-4)


def test_positions_are_middles_of_bins_and_values_of_whole_numbers() -> None:
    cut = bin_positions(ColumnBins("x", "number", edges=(1.0, 3.0), low=-1.0, high=4.0))
    assert cut is not None
    assert cut.tolist() == [0.0, 2.0, 3.5]
    whole = bin_positions(ColumnBins("x", "integer", values=("1", "2", "7")))
    assert whole is not None
    assert whole.tolist() == [1.0, 2.0, 7.0]
    assert bin_positions(ColumnBins("x", "category", values=("a", "b"))) is None


@pytest.mark.parametrize("seed", range(5))
def test_rank_tests_agree_with_scipys_on_the_same_scores(seed: int) -> None:
    # Every value its own bin, no ties: the location test is van der Waerden's, asymptotically Mann-Whitney's cousin.
    rng = np.random.default_rng(seed)
    sample = rng.normal(size=600)
    inside = rng.permutation(600) < 200
    order = np.argsort(sample)
    before, now = (~inside[order]).astype(np.int64), inside[order].astype(np.int64)
    score = stats.norm.ppf((np.arange(600) + 0.5) / 600)
    result = stats.permutation_test(
        (score, now), lambda s, n: float(s @ n), permutation_type="pairings", n_resamples=4000, rng=rng
    )
    assert counts.rank_tests(before, now).location == pytest.approx(result.pvalue, abs=0.05)


@pytest.mark.parametrize("n_rows", [100, 1000])
def test_p_values_under_no_drift_are_not_too_small(n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    found = np.array(
        [
            counts.moved(
                np.append(rng.multinomial(5000, [0.1] * 10), 0),
                np.append(rng.multinomial(n_rows, [0.1] * 10), 0),
                ordered=True,
            )
            for _ in range(2000)
        ]
    )
    for level in (0.01, 0.05):
        assert np.mean(found <= level) <= level + 3 * np.sqrt(level * (1 - level) / len(found))


def test_a_small_shift_is_found_more_often_than_by_chi_square_alone() -> None:
    rng = np.random.default_rng(7)
    cuts = stats.norm.ppf(np.arange(1, 10) / 10)
    before = np.append(np.full(10, 1000), 0)
    ours = theirs = 0
    for _ in range(200):
        now = np.append(np.bincount(np.searchsorted(cuts, rng.normal(0.1, 1, 1000)), minlength=10), 0)
        ours += counts.moved(before, now, ordered=True) < 0.01
        theirs += counts.two_sample(before, now).p_value < 0.01
    assert ours > theirs + 20


def test_a_tail_of_one_row_in_a_hundred_is_found_where_ranks_see_nothing() -> None:
    rng = np.random.default_rng(3)
    before, now = rng.normal(size=5000), rng.normal(size=1000)
    now[:12] += 6
    found = drift_report(pa.table({"x": before}), pa.table({"x": now}))["x"]
    coarse = np.quantile(before, np.arange(1, 10) / 10)
    sides = [np.append(np.bincount(np.searchsorted(coarse, each), minlength=10), 0) for each in (before, now)]
    assert found.p_value < 0.002 < 0.05 < counts.moved(sides[0], sides[1], ordered=True)


def test_no_tail_is_called_moved_more_often_than_stated() -> None:
    rng, shares = np.random.default_rng(4), np.array([0.002, 0.008, 0.98, 0.007, 0.002, 0.001])
    alarms = [
        counts.tail_test(rng.multinomial(3000, shares), rng.multinomial(n, shares)) <= 0.05
        for n in (200, 1000)
        for _ in range(300)
    ]
    assert np.mean(alarms) <= 0.05


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=200), st.integers(0, 2**31))
@settings(deadline=None, max_examples=20)
def test_finer_bins_add_up_to_the_others(values: list[float], seed: int) -> None:
    table = pa.table({"x": np.random.default_rng(seed).normal(size=3000)})
    bins, rows = quick_bins(table), pa.table({"x": pa.array([*values, None, float("nan")])})
    fine = finer_bins(table, bins)
    assert len(fine.columns["x"].edges) > 2 * len(bins.columns["x"].edges)
    added = coarser(fine.count(rows)["x"], fine.columns["x"], bins.columns["x"])
    assert added.tolist() == bins.count(rows)["x"].tolist()


few = st.integers(0, 400)


@given(few, few, few, few)
@settings(deadline=None)
def test_a_share_is_tested_as_scipys_exact_test(kind: int, rest: int, now: int, others: int) -> None:
    table = [[now, others], [kind, rest]]
    found = counts.share_test((kind, kind + rest), (now, now + others))
    if kind + rest == 0 or now + others == 0:
        assert found == 1.0
        return
    sides = [stats.fisher_exact(table, alternative=side).pvalue for side in ("greater", "less")]
    assert found == pytest.approx(min(1.0, 2 * min(sides)), rel=1e-6, abs=0.05 if min(sides) > 0.4 else 1e-12)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=2, max_size=12))
@settings(deadline=None)
def test_leaving_out_shares_that_hardly_moved_makes_no_p_value_smaller(pair: list[tuple[int, int]]) -> None:
    before, now = split(pair)
    n, m = int(before.sum()), int(now.sum())
    if n == 0 or m == 0:
        assert counts.bin_test(before, now) == 1.0
        return
    enough = (before + now) * min(n, m) >= counts.FEWEST_EXPECTED * (n + m)
    each = [counts.share_test((int(b), n), (int(c), m)) for b, c in zip(before[enough], now[enough], strict=True)]
    assert counts.bin_test(before, now) >= min(1.0, min(each, default=1.0) * len(each) if each else 1.0) - 1e-12


def test_values_outside_the_range_of_training_are_an_exact_test_of_ranks() -> None:
    # No training value among the k largest of all: the chance of that is C(m, k) / C(n + m, k), twice for two sides.
    n, m, k = 50, 10, 3
    expected = stats.hypergeom.pmf(k, n + m, k, m)
    found = counts.tail_test(np.array([0, n, 0, 0]), np.array([0, m - k, k, 0]))
    assert found == pytest.approx(3 * 2 * expected)


@pytest.mark.parametrize("level", [0.1, 0.05, 0.01, 0.001])
def test_the_harmonic_mean_of_independent_p_values_keeps_its_level(level: float) -> None:
    p_values = np.random.default_rng(11).random((40_000, len(counts.SHARES_OF_RISK)))
    shares = np.array(counts.SHARES_OF_RISK)
    assert shares.sum() == pytest.approx(1)
    found = np.mean([counts.harmonic_mean(each, shares) <= level for each in p_values])
    assert abs(found - level) <= 4 * np.sqrt(level * (1 - level) / len(p_values))


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
@settings(deadline=None)
def test_the_harmonic_mean_lies_above_its_smallest_part_and_rises_with_each(p_values: list[float]) -> None:
    parts, shares = np.array(p_values), np.array(counts.SHARES_OF_RISK)
    found = counts.harmonic_mean(parts, shares)
    assert min(p_values) * 0.999 <= found + 1e-12 <= 1 + 1e-9
    assert found <= counts.harmonic_mean(np.minimum(1.0, parts * 2 + 1e-9), shares) + 1e-12


@pytest.mark.parametrize("family", ["normal", "heavy", "rounded"])
def test_a_report_calls_no_column_moved_more_often_than_stated(family: str) -> None:
    rng = np.random.default_rng(17)

    def table(n: int) -> pa.Table:
        values = rng.standard_t(2, (n, 400)) if family == "heavy" else rng.normal(size=(n, 400))
        values = values.round(1) if family == "rounded" else values
        return pa.table({f"c{i}": values[:, i].copy() for i in range(400)})

    found = np.array([each.p_value for each in drift_report(table(2500), table(400)).columns])
    for level in (0.01, 0.05):
        assert np.mean(found <= level) <= level + 3 * np.sqrt(level * (1 - level) / len(found))


def test_one_value_that_takes_the_place_of_a_few_is_found_where_tenths_hide_it() -> None:
    rng = np.random.default_rng(5)
    before, now = rng.normal(size=(5000, 100)), rng.normal(size=(1000, 100))
    now[:40] = 0.1
    tables = [pa.table({f"c{i}": each[:, i].copy() for i in range(100)}) for each in (before, now)]
    ours, theirs = sum(each.p_value < 0.01 for each in drift_report(*tables).columns), 0
    for one, other in zip(before.T, now.T, strict=True):
        tenths = np.quantile(one, np.arange(1, 10) / 10)
        sides = [np.bincount(np.searchsorted(tenths, each), minlength=10) for each in (one, other)]
        theirs += counts.two_sample(sides[0], sides[1]).p_value < 0.01
    assert ours > theirs + 20
