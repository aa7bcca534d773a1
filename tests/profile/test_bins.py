"""Bins fixed at training count the same value in the same place, whatever type it comes in."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.errors import UserError
from cauce.profile import Bins, make_bins, summarise


def bins_of(table: pa.Table) -> Bins:
    profile = summarise(table.to_batches())
    return make_bins(profile, profile.schema(table.column_names))


def count(bins: Bins, values: object, kind: pa.DataType | None = None) -> list[int]:
    counts: list[int] = bins.count(pa.table({"x": pa.array(values, kind)}))["x"].tolist()
    return counts


@given(st.lists(st.one_of(st.none(), st.floats(allow_infinity=False)), min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_every_row_falls_into_one_bin_and_none_into_other(values: list[float | None]) -> None:
    table = pa.table({"x": pa.array(values, pa.float64())})
    bins = bins_of(table)
    counts = bins.count(table)["x"]
    missing = sum(value is None or np.isnan(value) for value in values)
    assert counts.sum() == len(values)
    assert counts[-2:].tolist() == [0, missing]
    assert len(counts) == len(bins.labels("x")) == bins.columns["x"].n_bins


def test_numbers_fall_into_tenths() -> None:
    table = pa.table({"x": np.random.default_rng(0).normal(size=20_000)})
    counts = bins_of(table).count(table)["x"]
    assert len(counts) == 12
    assert np.abs(counts[:10] / 20_000 - 0.1).max() < 0.02


def test_an_edge_belongs_to_the_bin_below_and_repeated_edges_are_one() -> None:
    table = pa.table({"x": [0.0] * 90 + [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5]})
    bins = bins_of(table)
    assert bins.columns["x"].edges == (0.0,)
    assert count(bins, [0.0, -3.0, 0.1, 99.0]) == [2, 2, 0, 0]


def test_no_bin_lies_above_the_largest_value() -> None:
    table = pa.table({"x": [0.5] * 10 + [1.5] * 90})
    assert bins_of(table).columns["x"].edges == (0.5,)
    assert bins_of(table).count(table)["x"].tolist() == [10, 90, 0, 0]


def test_few_whole_numbers_have_a_bin_each() -> None:
    bins = bins_of(pa.table({"x": [10, 2, 2, 3] * 5}))
    assert bins.labels("x") == ("2", "3", "10", "other", "missing")
    assert count(bins, [2, 10, 10, 4, None]) == [1, 0, 2, 1, 1]
    assert count(bins, [2.0, 2.5, float("nan")]) == [1, 0, 0, 1, 1]
    assert count(bins, ["2", " 3 ", "ten", None]) == [1, 1, 0, 1, 1]


def test_whole_numbers_that_float64_cannot_tell_apart_share_a_bin() -> None:
    bins = bins_of(pa.table({"x": [2**53, 2**53 + 1, 5]}))
    assert bins.labels("x") == ("5", str(2**53), "other", "missing")
    assert count(bins, [2**53, 2**53 + 1, 5]) == [1, 2, 0, 0]


def test_categories_keep_the_frequent_and_join_the_rest() -> None:
    values = ["common"] * 900 + ["some"] * 96 + [f"rare {i}" for i in range(4)]
    bins = bins_of(pa.table({"x": values}))
    assert bins.labels("x", "es") == ("common", "some", "otros", "sin dato")
    assert count(bins, [*values, None]) == [900, 96, 4, 1]
    assert count(bins, pa.array(["some", None]).dictionary_encode()) == [0, 1, 0, 1]


def test_category_numbers_match_their_text() -> None:
    bins = bins_of(pa.table({"x": ["1", "2"] * 5}))
    assert count(bins, [1, 2, 3, None]) == [1, 1, 1, 1]
    assert count(bins, [1.0, 2.0, 2.5]) == [1, 1, 1, 0]


def test_booleans_come_as_flags_numbers_or_words() -> None:
    bins = bins_of(pa.table({"x": [True, False]}))
    for values in ([True, False, None], [1, 0, None], [1.0, 0.0, None], ["True", "false", None], ["1", "0", None]):
        assert count(bins, values) == [1, 1, 0, 1]
    assert count(bins, ["maybe", 2][:1]) == [0, 0, 1, 0]


def test_datetimes_come_as_moments_or_iso_text() -> None:
    days = [datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 31)]
    bins = bins_of(pa.table({"x": days}))
    expected = count(bins, days)
    assert count(bins, [day.isoformat() for day in days]) == expected
    assert count(bins, [day.date() for day in days]) == expected
    assert count(bins, ["soon", None, "2024-01-01"])[-2:] == [1, 1]
    assert count(bins, [17, 18])[-2:] == [2, 0]
    assert bins.labels("x")[0].startswith("≤ 2024-01-0")


def test_texts_are_binned_by_length() -> None:
    rng = np.random.default_rng(0)
    bins = bins_of(pa.table({"x": ["w" * int(n) for n in rng.integers(50, 150, 500)]}))
    assert bins.columns["x"].kind == "text"
    assert count(bins, ["", None, "x" * 1_000]) == [1, *[0] * 8, 1, 0, 1]


def test_a_column_that_the_table_lacks_counts_as_missing() -> None:
    assert bins_of(pa.table({"x": [1.5, 2.5]})).count(pa.table({"y": [1, 2, 3]}))["x"].tolist()[-2:] == [0, 3]


def test_infinities_lie_in_the_outer_bins() -> None:
    counts = count(bins_of(pa.table({"x": np.arange(100.0)})), [float("inf"), float("-inf")])
    assert (counts[0], counts[9]) == (1, 1)


def test_a_column_without_values_has_bins_too() -> None:
    bins = bins_of(pa.table({"n": pa.array([None], pa.float64()), "s": pa.array([None], pa.string())}))
    counts = bins.count(pa.table({"n": [1.0], "s": ["a"]}))
    assert {name: c.sum() for name, c in counts.items()} == {"n": 1, "s": 1}
    assert len(bins.labels("s")) == len(counts["s"])


def test_parts_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    table = pa.table({"a": rng.normal(size=999), "b": rng.choice(["x", "y"], 999), "c": rng.integers(0, 9, 999)})
    bins = bins_of(table)
    one, other, whole = bins.count(table[:400]), bins.count(table[400:]), bins.count(table)
    assert all((one[name] + other[name] == whole[name]).all() for name in whole)


def test_bins_come_back_from_json() -> None:
    table = pa.table({"é\n'": [1.25, 0.1], "b": ["🙂", '"'], "t": pa.array([1, 2], pa.timestamp("s"))})
    bins = bins_of(table)
    assert Bins.from_bytes(bins.to_bytes()) == bins


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"format": 1, "columns": [{"name": "x"}]}', b"\xff"])
def test_broken_bins_are_explained(content: bytes) -> None:
    with pytest.raises(UserError, match="not readable bins"):
        Bins.from_bytes(content)


def test_bins_of_a_newer_format_are_refused() -> None:
    with pytest.raises(UserError, match="another format"):
        Bins.from_bytes(b'{"format": 2, "columns": []}')


def test_labels_stay_readable() -> None:
    bins = bins_of(pa.table({"x": np.linspace(0, 500_000, 1_000), "n": np.arange(1_000)}))
    assert not any("e+" in label for label in bins.labels("x"))
    assert bins.labels("n")[1] == "99 – 199"
