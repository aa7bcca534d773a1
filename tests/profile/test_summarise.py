"""What one pass says of a column, against numpy and Arrow as oracles."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.errors import UserError
from cauce.profile import Profile, summarise


def profile_of(values: object, kind: pa.DataType | None = None, size: int = 7) -> Profile:
    return summarise(pa.table({"x": pa.array(values, kind)}).to_batches(max_chunksize=size))


@given(st.lists(st.one_of(st.none(), st.floats(width=32, allow_subnormal=False)), max_size=60), st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_counts_and_moments_equal_numpys(values: list[float | None], size: int) -> None:
    column = profile_of(values, pa.float64(), size).columns.get("x")
    if column is None:
        assert not values
        return
    present = np.array([v for v in values if v is not None and not math.isnan(v)], dtype=float)
    finite = present[np.isfinite(present)]
    assert column.n_rows == len(values)
    assert column.n_missing == len(values) - len(present)
    assert column.n_infinite == len(present) - len(finite)
    if len(finite):
        assert (column.minimum, column.maximum) == (finite.min(), finite.max())
        assert column.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-6 * np.abs(finite).max())
        assert column.n_distinct == len(np.unique(finite))
    if len(finite) > 1:
        assert column.variance == pytest.approx(finite.var(ddof=1), rel=1e-6, abs=1e-9 * np.abs(finite).max() ** 2)


@pytest.mark.parametrize("seed", range(3))
def test_quantiles_stay_inside_the_stated_rank_error(seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(size=100_000)
    column = profile_of(values, size=10_000).columns["x"]
    ranks = np.linspace(0.01, 0.99, 25)
    found = np.searchsorted(np.sort(values), column.quantiles(ranks.tolist())) / len(values)
    assert 0 < column.rank_error < 0.01
    assert np.abs(found - ranks).max() <= 2 * column.rank_error  # the bound holds at 99 %, here 25 x 3 times


def test_quantiles_of_few_values_are_exact() -> None:
    profile = profile_of([5, 1, 1, 3, None, 3, 1, 9], pa.int32())
    assert profile.quantiles("x", [0.0, 0.4, 0.5, 0.99, 1.0]) == (1.0, 1.0, 3.0, 9.0, 9.0)


def test_distinct_counts_are_exact_to_5000_and_near_beyond() -> None:
    assert profile_of(np.arange(5_000)).n_distinct("x") == 5_000
    assert profile_of(np.arange(200_000), size=30_000).n_distinct("x") == pytest.approx(200_000, rel=0.05)
    names = pa.array([f"user {i}" for i in range(60_000)])
    assert profile_of(names, size=9_000).n_distinct("x") == pytest.approx(60_000, rel=0.05)


def test_large_neighbouring_integers_stay_distinct() -> None:
    assert profile_of(2**60 + np.arange(20_000), size=5_000).n_distinct("x") == pytest.approx(20_000, rel=0.05)
    assert profile_of(2**60 + np.arange(10)).n_distinct("x") == 10


def test_heaviest_strings_are_kept_inside_the_stated_error() -> None:
    rng = np.random.default_rng(0)
    heavy = rng.choice(["north", "south"], size=30_000, p=[0.8, 0.2])
    rare = np.array([f"rare {i}" for i in range(30_000)])
    values = rng.permutation(np.concatenate([heavy, rare]))
    column = profile_of(values, size=8_000).columns["x"]
    truth = (heavy == "north").sum()
    assert not column.exact
    assert list(column.counts)[:2] == ["north", "south"]
    assert truth <= column.counts["north"] <= truth + column.count_error
    assert column.count_error <= 0.0005 * len(values)


def test_values_are_counted_as_arrow_writes_them() -> None:
    assert dict(profile_of([3.0, 3.0, 0.5]).columns["x"].counts) == {"3": 2, "0.5": 1}
    assert dict(profile_of([True, None, False, True]).columns["x"].counts) == {"true": 2, "false": 1}
    assert dict(profile_of(["b", "a", "b"]).columns["x"].counts) == {"b": 2, "a": 1}


def test_datetimes_are_seconds_in_utc_whatever_their_type() -> None:
    moment = datetime(2024, 5, 1, 12, tzinfo=UTC)
    for kind in (pa.timestamp("s"), pa.timestamp("ms", tz="UTC"), pa.timestamp("us"), pa.timestamp("ns", tz="UTC")):
        array = pa.array([moment, None]).cast(pa.timestamp("us", tz="UTC")).cast(kind)
        assert profile_of(array).columns["x"].minimum == moment.timestamp()
    assert profile_of([date(1970, 1, 3)]).columns["x"].maximum == 2 * 86_400


def test_strings_are_measured_by_their_characters() -> None:
    column = profile_of(["ñandú", "", None, "🙂"]).columns["x"]
    assert (column.minimum, column.maximum, column.mean, column.n_missing) == (0, 5, 2, 1)


def test_distinct_long_texts_with_one_beginning_stay_distinct() -> None:
    column = profile_of(["a" * 300 + str(i) for i in range(20)]).columns["x"]
    assert column.n_distinct == 20
    assert max(map(len, column.counts)) < 250


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["a", None, "b"]).dictionary_encode(),
        pa.array([1, None, 3], pa.uint8()),
        pa.array([None, None, None], pa.null()),
        pa.array([b"\xff\xfe", None, b"x"]),
        pa.array([[1], None, [2, 3]]),
        pa.array([{"a": 1}, None, {"a": 2}]),
        pa.array([1, None, 3], pa.decimal128(10, 2)),
        pa.array([1, None, 3], pa.duration("ms")),
        pa.array(["a", None, "b"], pa.large_string()),
        pa.array(["a", None, "b"], pa.string_view()),
        pa.array([1, None, 3], pa.time32("s")),
        pa.array([1.5, None, 2.5], pa.float16()),
    ],
    ids=lambda array: str(array.type),
)
def test_every_arrow_type_is_summarised(array: pa.Array) -> None:
    profile = profile_of(array)
    assert profile.n_missing("x") == array.null_count
    assert Profile.from_bytes(profile.to_bytes()) == profile
    assert profile.schema(["x"]).columns[0].nullable


def test_names_of_any_kind_work() -> None:
    names = ["it's", 'say "x"', "two\nlines", "🙂", "../etc", "; DROP TABLE x", ""]
    profile = summarise(pa.table({name: [1, 2] for name in names}).to_batches())
    assert profile.schema(names).names == tuple(names)


def test_repeated_column_names_are_refused() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    with pytest.raises(UserError, match="column names repeat"):
        summarise(table.to_batches())


def test_no_batches_make_an_empty_profile() -> None:
    assert summarise([]) == Profile(0, {})


def test_an_unknown_column_is_named_with_its_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'x'"):
        profile_of([1]).n_missing("x ")


def test_huge_numbers_leave_an_infinite_variance_and_no_warning() -> None:
    assert profile_of([1e300, -1e300, 1e308]).columns["x"].variance == math.inf
