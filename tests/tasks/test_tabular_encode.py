"""Raw columns → numbers and codes: properties and the odd values that serving brings."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Column, Schema
from cauce.core.errors import UserError
from cauce.tasks.tabular import columns, encode, target

unhurried = settings(deadline=None)  # the first call imports pyarrow.compute


@unhurried
@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=30))
def test_any_text_is_read_as_a_number_or_missing(values: list[str | None]) -> None:
    found = columns.numbers(pa.array(values, pa.string()))
    assert len(found) == len(values)
    assert not np.isinf(found).any()


@unhurried
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_numbers_and_their_text_are_the_same(values: list[float]) -> None:
    written = pa.array([repr(value) for value in values])
    np.testing.assert_array_equal(columns.numbers(written), columns.numbers(pa.array(values)))


@unhurried
@given(st.lists(st.datetimes(datetime(1600, 1, 1), datetime(2200, 1, 1)), min_size=1, max_size=20))  # noqa: DTZ001
def test_date_parts_are_those_of_the_calendar(values: list[datetime]) -> None:
    found = encode.date_parts(columns.moments(pa.array(values, pa.timestamp("us"))))
    expected = [[v.year, v.month, v.weekday(), v.hour] for v in values]
    np.testing.assert_array_equal(found[:, :4], expected)


@unhurried
@given(st.lists(st.one_of(st.none(), st.text(max_size=12)), max_size=10))
def test_any_text_is_read_as_a_time_or_missing(values: list[str | None]) -> None:
    assert len(columns.moments(pa.array(values, pa.string()))) == len(values)


@unhurried
@given(st.lists(st.sampled_from(["a", "b", 'c"', "", "🎓", None]), min_size=1, max_size=20))
def test_codes_are_the_same_for_few_rows_and_for_many(values: list[str | None]) -> None:
    schema = Schema((Column("c", "category"),))
    encoder = encode.fit_encoder(pa.table({"c": pa.array(["a", 'c"', "🎓"])}), schema)
    few = pa.table({"c": pa.array(values, pa.string())})
    many = pa.concat_tables([few] * 300).combine_chunks()
    assert encoder.transform(many).codes[: len(values)].tolist() == encoder.transform(few).codes.tolist()


def test_times_with_and_without_zone_are_utc() -> None:
    texts = columns.moments(pa.array(["2024-01-01T01:00:00+01:00", "2024-01-01", "2024-01-01 00:00"]))
    stamps = columns.moments(pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 3, pa.timestamp("ms", "UTC")))
    assert (texts == stamps).all()


def test_a_dictionary_a_decimal_and_a_large_string_are_read() -> None:
    table = pa.table(
        {
            "d": pa.array(["a", None, "b"]).dictionary_encode(),
            "n": pa.array(["1.50", None, "2.25"]).cast(pa.decimal128(6, 2)),
            "l": pa.array(["x", "y", None], pa.large_string()),
        }
    )
    assert columns.texts(columns.column(table, "d")).to_pylist() == ["a", None, "b"]
    np.testing.assert_array_equal(columns.numbers(columns.column(table, "n")), [1.5, np.nan, 2.25])
    assert columns.texts(columns.column(table, "l")).to_pylist() == ["x", "y", None]


def test_levels_seen_once_are_forgotten_where_there_are_thousands() -> None:
    names = [f"once {i}" for i in range(3000)] + ["often"] * 5
    encoder = encode.fit_encoder(pa.table({"c": names}), Schema((Column("c", "category"),)))
    assert encoder.levels["c"].to_pylist() == ["often"]


def test_a_missing_column_is_named() -> None:
    encoder = encode.fit_encoder(pa.table({"city": ["a"]}), Schema((Column("city", "category"),)))
    with pytest.raises(UserError, match="city: column is missing"):
        encoder.transform(pa.table({"town": ["a"]}))


def test_labels_of_integers_are_sorted_as_numbers() -> None:
    assert target.classes(target.labels(pa.table({"y": [10, 9, -1]}), "y")) == ("-1", "9", "10")
    assert target.classes(pa.array(["10", "9", "x"])) == ("10", "9", "x")
