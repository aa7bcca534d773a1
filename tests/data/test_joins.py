"""Point-in-time joins: nothing that came to be known after a row's time is ever seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cauce import data
from cauce.core.errors import UserError
from cauce.core.specs import DataSpec, JoinSpec
from cauce.data.joins import Join, bigquery_sql

NOW = datetime(2026, 1, 2, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "golden" / "join.sql"
LEFT = pa.schema({"id": pa.int64(), "user": pa.string(), "time": pa.timestamp("us", "UTC")})
RIGHT = pa.schema({"user": pa.string(), "known": pa.timestamp("us", "UTC"), "v": pa.int64(), "id": pa.int64()})


def where(*keys: object) -> str:
    return f"cauce.toml:7, [{'.'.join(map(str, keys[:-1]))}] {keys[-1]}"


def at(day: float | None) -> datetime | None:
    return None if day is None else datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)


def load_both(place: Any, left: pa.Table, right: pa.Table, **join: Any) -> pa.Table:
    """Join `right`, as the data set `other`, to `left`."""
    other_spec = DataSpec(source=place.put_table(right, "other.parquet"))
    other = data.load("other", other_spec, place.folder, place.lake, now=NOW, where=where)
    asked = JoinSpec(**{"by": ("user",), "known_at": "known", **join})
    spec = DataSpec(source=place.put_table(left, "left.parquet"), time="time", join={"other": asked})
    others = {"other": data.Other(other, other_spec.time)}
    data.load("rows", spec, place.folder, place.lake, now=NOW, where=where, others=others)
    return place.read()


def left_of(*rows: tuple[str | None, float | None]) -> pa.Table:
    return pa.Table.from_pylist([{"id": i, "user": u, "time": at(t)} for i, (u, t) in enumerate(rows)], schema=LEFT)


def right_of(*rows: tuple[str | None, float | None, int | None]) -> pa.Table:
    given = [{"user": u, "known": at(k), "v": v, "id": i} for i, (u, k, v) in enumerate(rows)]
    return pa.Table.from_pylist(given, schema=RIGHT)


def test_a_leak_that_is_planted_is_not_seen(place: Any) -> None:
    """The balance falls to 0 when a user leaves: a plain join would give the label away."""
    left = left_of(("ana", 10), ("ben", 10), ("eva", 10))
    right = right_of(("ana", 1, 50), ("ana", 10.001, 0), ("ben", 10, 70), ("ben", 30, 0), ("eva", 11, 0))
    table = load_both(place, left, right, columns=("v",))
    assert table["v"].to_pylist() == [50, 70, None]
    assert table.column_names == ["id", "user", "time", "v"]


def test_names_that_are_taken_get_the_name_of_their_data_set(place: Any) -> None:
    table = load_both(place, left_of(("ana", 1)), right_of(("ana", 0, 5)))
    assert table.column_names == ["id", "user", "time", "known", "v", "other_id"]
    assert table.to_pylist()[0]["other_id"] == 0


ROWS = st.lists(st.tuples(st.none() | st.sampled_from("ab"), st.none() | st.integers(0, 6)), min_size=1, max_size=8)
KNOWN = st.lists(
    st.tuples(st.none() | st.sampled_from("ab"), st.none() | st.integers(0, 6), st.none() | st.integers(0, 9)),
    min_size=1,
    max_size=8,
)


def oracle(left: pa.Table, right: pa.Table, days: int | None) -> list[int | None]:
    found: list[int | None] = []
    for row in left.to_pylist():
        best: dict[str, Any] | None = None
        for other in right.to_pylist():
            if None in (row["user"], row["time"], other["known"]) or other["user"] != row["user"]:
                continue
            if other["known"] <= row["time"] and (best is None or other["known"] >= best["known"]):
                best = other
        fresh = best is not None and (days is None or row["time"] - best["known"] <= timedelta(days=days))
        found.append(best["v"] if best is not None and fresh else None)
    return found


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, KNOWN, st.none() | st.integers(0, 3))
def test_the_join_is_what_plain_python_says(
    places: Callable[[], Any],
    rows: list[tuple[str | None, float | None]],
    known: list[tuple[str | None, float | None, int | None]],
    days: int | None,
) -> None:
    left, right = left_of(*rows), right_of(*known)
    table = load_both(places(), left, right, columns=("v",), within=None if days is None else f"{days}d")
    assert table["v"].to_pylist() == oracle(left, right, days)
    assert table["id"].to_pylist() == left["id"].to_pylist()
    assert through_bigquery(left, right, days) == oracle(left, right, days)


def through_bigquery(left: pa.Table, right: pa.Table, days: int | None) -> list[int | None]:
    """BigQuery's form of the join, written for DuckDB again and run there."""
    import duckdb
    import sqlglot

    join = Join("other", ("user",), "time", "known", {"v": "v"}, None if days is None else days * 86_400_000_000)
    query = sqlglot.transpile(bigquery_sql(join, "l_table", "r_table"), read="bigquery", write="duckdb")[0]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        numbers = [pa.array(range(table.num_rows)) for table in (left, right)]
        connection.register("l_table", left.append_column("__cauce_row", numbers[0]))
        connection.register("r_table", right.append_column("__cauce_row", numbers[1]))
        found = connection.sql(f"SELECT id, v FROM ({query}) ORDER BY id").to_arrow_table()
    return list(found["v"].to_pylist())


def test_bigquery_is_asked_the_same() -> None:
    join = Join(
        "plans",
        ("user", "school"),
        "enrolled_at",
        "known_at",
        {"plan": "plan", "price": "plans_price"},
        30 * 86_400_000_000,
    )
    assert bigquery_sql(join, '"rows"', '"plans"') + "\n" == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("join", "message"),
    [
        ({"known_at": None}, r"known_at: missing, and \[data.other\] names no time column.*look ahead"),
        ({"known_at": "know"}, "no such column in 'other'.*Did you mean 'known'"),
        ({"by": ("v",)}, "no such column in 'rows'"),
        ({"by": ("usr",)}, "Did you mean 'user'"),
        ({"columns": ("w",)}, "no such column in 'other'"),
        ({"known_at": "v"}, "the times cannot be compared"),
    ],
)
def test_a_join_that_cannot_be_made_is_refused(place: Any, join: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_both(place, left_of(("ana", 1)), right_of(("ana", 0, 5)), **join)


def test_a_new_snapshot_of_the_other_side_makes_a_new_one(place: Any) -> None:
    left = left_of(("ana", 10))
    load_both(place, left, right_of(("ana", 0, 5)), columns=("v",))
    first = data.latest(place.lake, "rows")
    load_both(place, left, right_of(("ana", 0, 5), ("zoe", 0, 6)), columns=("v",))
    second = data.latest(place.lake, "rows")
    assert first is not None
    assert second is not None
    assert (second.version, second.fingerprint) == (first.version + 1, first.fingerprint)


def test_a_join_that_does_not_fit_says_what_to_do() -> None:
    import duckdb

    from cauce.data.joins import Join, _memory_errors

    joins = [Join("activity", ("who",), "at", "known", {"x": "x"}, None)]
    with pytest.raises(UserError, match="not enough memory for the join") as caught, _memory_errors(joins):
        raise duckdb.OutOfMemoryException("Out of Memory Error: failed to pin block")
    assert "activity" in str(caught.value)
    with pytest.raises(duckdb.BinderException), _memory_errors(joins):
        raise duckdb.BinderException("something else")
