"""The content fingerprint depends on the rows alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cauce.data.content import Content

NUMBERS = st.floats(-9, 9).map(lambda x: x + 0.0)
ROW = st.tuples(
    st.none() | st.text(max_size=4),
    st.none() | st.integers(-9, 9),
    st.none() | NUMBERS,
    st.none() | st.booleans(),
)
SCHEMA = pa.schema({"a": pa.string(), "b": pa.int64(), "c": pa.float64(), "d": pa.bool_()})


def as_table(rows: list[tuple[object, ...]]) -> pa.Table:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def digest(table: pa.Table, size: int = 1 << 20) -> str:
    content = Content(table.schema)
    for batch in table.to_batches(max_chunksize=size):
        content.add(batch)
    return content.hexdigest()


@given(st.lists(ROW, max_size=30), st.integers(1, 7), st.integers(0, 10))
def test_batches_and_slices_do_not_matter(rows: list[tuple[object, ...]], size: int, start: int) -> None:
    table = as_table(rows)
    assert digest(table, size) == digest(table)
    assert digest(table.slice(start)) == digest(as_table(rows[start:]))


@given(st.lists(ROW, max_size=6), st.lists(ROW, max_size=6))
def test_other_rows_have_another_fingerprint(one: list[tuple[object, ...]], other: list[tuple[object, ...]]) -> None:
    assert (digest(as_table(one)) == digest(as_table(other))) == as_table(one).equals(as_table(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": ["ab", "c"]}, {"a": ["a", "bc"]}),
        ({"a": ["", None]}, {"a": [None, ""]}),
        ({"a": [0, None]}, {"a": [None, 0]}),
        ({"a": [1]}, {"b": [1]}),
        ({"a": [1]}, {"a": [1.0]}),
        ({"a": [1], "b": [2]}, {"b": [2], "a": [1]}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
    ],
)
def test_names_types_order_and_missing_count(one: dict[str, list[object]], other: dict[str, list[object]]) -> None:
    assert digest(pa.table(one)) != digest(pa.table(other))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "n": st.integers(-99, 99),
                "x": st.none() | st.floats(-99, 99).map(lambda x: round(x, 3) + 0.0001),
                "t": st.sampled_from(["red", 'blue; "x", y', "ñ", None]),
                "s": st.just("text"),
            }
        ),
        min_size=1,
        max_size=20,
    ).filter(lambda rows: any(row["x"] is not None for row in rows))
)
def test_format_does_not_matter(places: Callable[[], Any], rows: list[dict[str, object]]) -> None:
    place = places()
    schema = pa.schema({"n": pa.int64(), "x": pa.float64(), "t": pa.string(), "s": pa.string()})
    table = pa.Table.from_pylist(rows, schema=schema)
    place.put_table(table)
    pa_csv.write_csv(table, place.folder / "rows.csv")
    place.put("".join(json.dumps(row) + "\n" for row in table.to_pylist()), "rows.jsonl")
    prints = {place.load(f"rows.{ending}").fingerprint for ending in ("parquet", "csv", "jsonl")}
    assert len(prints) == 1
    latest = place.load("rows.csv")
    assert latest.version == 0
