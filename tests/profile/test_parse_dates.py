"""Dates written as text, against the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.profile.dates import parse_dates

MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30))  # noqa: DTZ001 - zones follow
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, ZONES, st.sampled_from(["T", " "]))
@settings(max_examples=200, deadline=None)
def test_iso_dates_equal_the_standard_librarys(moment: datetime, zone: timezone, between: str) -> None:
    aware = moment.replace(tzinfo=zone)
    found = parse_dates(pa.array([aware.isoformat(sep=between)]))[0]
    assert found == pytest.approx((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds(), abs=1e-4)


@given(MOMENTS)
@settings(max_examples=100, deadline=None)
def test_day_first_and_month_first_read_their_own_order(moment: datetime) -> None:
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    seconds = (day - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    year = f"{day.year:04}"
    assert parse_dates(pa.array([f"{day.day}/{day.month}/{year}"]), "dmy")[0] == seconds
    assert parse_dates(pa.array([f"{day.month:02}.{day.day:02}.{year}"]), "mdy")[0] == seconds


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29",
        "1900-02-29",
        "2023-13-01",
        "2023-00-10",
        "2023-01-32",
        "2024-01-01T25:00",
        "0000-01-01",
        "20240101",
        "now",
        "",
        "-",
    ],
)
def test_what_is_no_date_is_nan(text: str) -> None:
    assert np.isnan(parse_dates(pa.array([text]))[0])


def test_nulls_and_empty_arrays_are_fine() -> None:
    assert np.isnan(parse_dates(pa.array([None], pa.string()))[0])
    assert len(parse_dates(pa.array([], pa.string()))) == 0


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.from_regex(r"[0-9]{4}[-/][01][0-9]-[0-3][0-9]", fullmatch=True),
            st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9][T x][0-2][0-9]:[0-6][0-9]:[0-6][0-9]", fullmatch=True),
            st.from_regex(r"20[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](Z|\+02:00)", fullmatch=True),
            st.text(min_size=9, max_size=20),
        ),
        max_size=30,
    )
)
@settings(max_examples=60, deadline=None)
def test_the_fast_way_reads_what_the_slow_one_reads(values: list[str | None]) -> None:
    from cauce.profile.dates import _by_fields

    strings = pa.array(values, pa.string())
    np.testing.assert_array_equal(parse_dates(strings), _by_fields(strings, "ymd"))
