"""Counting without placing each value gives what placing each gives, whatever types come."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.profile import ColumnBins
from cauce.profile.counting import _by_number, _by_value, _count, _place

CUT = ColumnBins("x", "number", edges=(-1.5, 0.0, 2.0), low=-9.0, high=9.0)
WHOLE = ColumnBins("x", "integer", values=("0", "1", "3"), low=0.0, high=3.0)
NAMED = ColumnBins("x", "category", values=("1", "a", "true"))
TRUTH = ColumnBins("x", "boolean", values=("false", "true"))
numbers = st.one_of(st.none(), st.floats(width=32), st.sampled_from([-1.5, 0.0, -0.0, 2.0, 1.0, 3.0]))
wholes = st.one_of(st.none(), st.integers(-5, 5))
texts = st.one_of(st.none(), st.sampled_from(["a", "b", "1", "true", "TRUE", "0", "", "1.0"]))


@given(
    st.one_of(
        st.lists(numbers).map(lambda values: pa.array(values, pa.float64())),
        st.lists(numbers).map(lambda values: pa.array(values, pa.float32())),
        st.lists(wholes).map(lambda values: pa.array(values, pa.int64())),
        st.lists(st.one_of(st.none(), st.booleans())).map(lambda values: pa.array(values, pa.bool_())),
        st.lists(texts).map(lambda values: pa.array(values, pa.string())),
        st.lists(texts).map(lambda values: pa.array(values, pa.string()).dictionary_encode().dictionary_decode()),
    ),
    st.sampled_from([CUT, WHOLE, NAMED, TRUTH]),
)
@settings(deadline=None, max_examples=300)
def test_quick_counts_are_those_of_placing_each_value(array: pa.Array, bins: ColumnBins) -> None:
    placed = _by_value(bins, array) if bins.kind in {"category", "boolean"} else _by_number(bins, array)
    assert _count(bins, array).tolist() == _place(bins, array, placed).tolist()


@pytest.mark.parametrize("n", [0, 1, 40_000])
def test_blocks_add_up(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    counts = _count(CUT, pa.array(values))
    assert counts.sum() == n
    assert counts[:4].tolist() == np.bincount(np.searchsorted(CUT.edges, values), minlength=4).tolist()
