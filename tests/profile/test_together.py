"""Correlations of every pair of columns, against numpy over the rows in which both are present."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.profile import Profile, Together, summarise
from cauce.profile.together import MOST_COLUMNS


def test_correlations_equal_numpys_over_pairwise_complete_rows() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4)) + 1e4
    gaps = rng.random(values.shape) < [0.0, 0.3, 0.1, 0.0]
    table = pa.table({f"x{i}": pa.array(values[:, i], mask=gaps[:, i]) for i in range(4)})
    profile = summarise(table.to_batches(max_chunksize=64))
    for i in range(4):
        for j in range(4):
            both = ~gaps[:, i] & ~gaps[:, j]
            expected = np.corrcoef(values[both, i], values[both, j])[0, 1]
            assert profile.correlation(f"x{i}", f"x{j}") == pytest.approx(expected, abs=1e-9)
            assert profile.together is not None
            assert profile.together.n_rows[i, j] == both.sum()


@given(st.integers(0, 2**32 - 1), st.floats(-8, 8))
@settings(max_examples=40, deadline=None)
def test_moments_of_parts_merge_to_those_of_the_whole(seed: int, magnitude: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(90, 3)) + 10.0**magnitude
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:30, 1] = np.nan  # a part in which a column is missing as a whole
    parts = [Together.of(["a", "b", "c"], values[start : start + 30]) for start in (60, 0, 30)]
    merged, whole = parts[0].merge(parts[1]).merge(parts[2]), Together.of(["a", "b", "c"], values)
    assert np.array_equal(merged.n_rows, whole.n_rows)
    assert np.allclose(merged.means, whole.means, rtol=1e-12)
    assert np.allclose(merged.correlations(), whole.correlations(), atol=1e-6, equal_nan=True)


def test_kinds_that_count_and_kinds_that_do_not() -> None:
    table = pa.table({"x": [1, 2, 4], "y": [2.0, 4.0, 8.0], "on": [False, False, True], "t": ["a", "b", "c"]})
    profile = summarise(table.to_batches())
    assert profile.together is not None
    assert profile.together.names == ("x", "y", "on")
    assert profile.correlation("x", "y") == pytest.approx(1.0)
    assert profile.correlation("x", "t") is None
    assert profile.correlation("x", "nothing") is None


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.1, -7e-300, 1e300])
def test_a_constant_column_has_no_correlation(value: float) -> None:
    table = pa.table({"x": np.full(1_000, value), "y": np.random.default_rng(0).normal(size=1_000)})
    assert summarise(table.to_batches(max_chunksize=77)).correlation("x", "y") is None


def test_infinite_and_huge_values_leave_no_warning() -> None:
    table = pa.table({"x": [1e308, -1e308, 1.0, np.inf], "y": [1.0, 2.0, 3.0, 4.0], "z": [1.0, 2.0, 4.0, np.nan]})
    profile = summarise(table.to_batches())
    assert profile.correlation("y", "z") == pytest.approx(np.corrcoef([1, 2, 3], [1, 2, 4])[0, 1])
    assert profile.correlation("x", "y") is None or abs(profile.correlation("x", "y") or 0) <= 1


def test_columns_that_one_part_lacks_keep_the_pairs_of_the_other() -> None:
    one = summarise(pa.table({"x": [1, 2, 4], "y": [1, 2, 5]}).to_batches())
    other = summarise(pa.table({"z": [1.0, 0.0, 3.0], "x": [5, 6, 7]}).to_batches())
    for merged in (one.merge(other), other.merge(one)):
        assert merged.correlation("x", "y") == pytest.approx(one.correlation("x", "y"))
        assert merged.correlation("x", "z") == pytest.approx(other.correlation("x", "z"))
        assert merged.correlation("y", "z") is None
        assert Profile.from_bytes(merged.to_bytes()) == merged


def test_pairs_are_bounded_in_very_wide_tables() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({f"x{i}": rng.normal(size=20) for i in range(MOST_COLUMNS + 40)})
    profile = summarise(table.to_batches())
    assert profile.together is not None
    assert profile.together.names == tuple(table.column_names[:MOST_COLUMNS])
    assert profile.correlation("x0", f"x{MOST_COLUMNS}") is None
    assert profile.merge(profile).together is not None
    assert Profile.from_bytes(profile.to_bytes()) == profile


def test_complete_columns_take_little_room() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({f"x{i}": rng.integers(0, 3, 2_000) for i in range(100)})
    profile = summarise(table.to_batches())
    bare = Profile(profile.n_rows, profile.columns, Together.nothing())
    assert len(profile.to_bytes()) - len(bare.to_bytes()) < 100 * 101 / 2 * 8 + 40_000
