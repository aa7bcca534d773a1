"""The row decoder under made-up input: the quick way and the complete one agree, and nothing gets past them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Column, Schema
from cauce.serve import create_app, payload
from cauce.serve.body import parse
from cauce.serve.plan import Plan
from cauce.serve.problem import Problem

NAMES = ("a", "b", "c", "d")
columns = st.builds(
    Column,
    st.sampled_from(NAMES),
    st.sampled_from(("integer", "number", "boolean", "category", "text", "datetime")),
    st.booleans(),
    st.none() | st.just(("x", "y")),
).map(lambda one: one if one.kind == "category" else Column(one.name, one.kind, one.nullable))
schemas = st.lists(columns, min_size=1, max_size=4, unique_by=lambda column: column.name).map(
    lambda found: Schema(tuple(found))
)
likely = st.sampled_from(
    [None, True, 0, 1, -1, 3.0, 2.5, "x", "y", "z", "", "2026-01-31T09:30:00Z", "2026-02-30", 2**63, -(2**63), 2**64]
)
json = st.recursive(
    likely | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
rows = st.dictionaries(st.sampled_from((*NAMES, "e")), likely, max_size=5) | json


@settings(max_examples=400, deadline=None)
@given(schemas, st.lists(rows, min_size=1, max_size=4), st.sampled_from(("refuse", "accept")))
def test_the_quick_way_reads_what_the_complete_one_reads(schema: Schema, found: list[Any], unseen: str) -> None:
    expected, faults = payload.validate(found, schema, unseen=unseen)
    read, told = Plan(schema, unseen).read(found)
    assert [fault.shown() for fault in told] == [fault.shown() for fault in faults]
    if not faults:
        assert [[(type(value), value) for value in row] for row in read] == [
            [(type(value), value) for value in row] for row in expected
        ]


@settings(deadline=None)
@given(schemas, st.data())
def test_a_row_of_the_schema_passes_whole(schema: Schema, data: st.DataObject) -> None:
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "integer": st.integers(-(2**63), 2**63 - 1),
        "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
        "boolean": st.booleans(),
        "datetime": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
        "text": st.text(),
        "category": st.text(),
    }

    def value(column: Column) -> Any:
        made = st.sampled_from(column.categories) if column.categories else kinds[column.kind]
        return data.draw(made | st.none() if column.nullable else made)

    read, faults = Plan(schema, "refuse").read([{column.name: value(column) for column in schema}])
    assert not faults
    assert len(read[0]) == len(schema.names)


@settings(deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(max_size=100).map(str.encode)
    | json.map(lambda value: repr(value).encode("utf-8", "replace"))
)
def test_any_bytes_are_json_or_a_problem(content: bytes) -> None:
    assert status_of(content) in {None, 400}


def status_of(content: bytes) -> int | None:
    try:
        parse(content)
    except Problem as problem:
        return problem.status
    return None


@pytest.fixture(scope="module")
def asked() -> Iterator[Any]:
    """One service for all examples."""
    import importlib.util
    import sys
    import tempfile
    from pathlib import Path

    found = importlib.util.spec_from_file_location("plan_fakes", Path(__file__).parent / "conftest.py")
    assert found is not None
    assert found.loader is not None
    fakes = sys.modules["plan_fakes"] = importlib.util.module_from_spec(found)
    found.loader.exec_module(fakes)
    with (
        tempfile.TemporaryDirectory() as folder,
        fakes.Client(create_app(fakes.World(Path(folder)).service()), fakes.AUTH) as client,
    ):
        yield client


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(("rows", "unit", "more")), json | st.lists(rows, max_size=3), max_size=3) | json,
    st.sampled_from(("dropout", "earnings")),
)
def test_any_json_is_answered_or_refused_and_never_an_error_of_ours(asked: Any, value: Any, model: str) -> None:
    try:
        body = orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError:  # integers beyond 64 bits are not JSON for every writer
        body = repr(value).replace("'", '"').encode("utf-8", "replace")
    headers = {"Content-Type": "application/json"}
    answer = asked.post(f"/v1/models/{model}/predict", content=body, headers=headers)
    assert answer.status_code in {200, 400, 422}, answer.text
