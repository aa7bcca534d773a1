"""Labelled rows of the ledger: appended, one a unit, the latest truth counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from cauce import data
from cauce.core.errors import UserError

START = datetime(2026, 1, 1, tzinfo=UTC)


def rows(units: list[str], hours: list[int], **columns: list[Any] | pa.Array) -> pa.Table:
    return pa.table({"unit": units, "at": [START + timedelta(hours=h) for h in hours], **columns})


def test_rows_are_kept_one_a_unit_by_time(place: Any) -> None:
    assert data.read_labelled(place.lake, "rows", "pass") is None
    first = data.append_labelled(place.lake, "rows", "pass", rows(["b", "a"], [2, 1], x=[1, 2], y=["no", "no"]))
    second = data.append_labelled(place.lake, "rows", "pass", rows(["a", "c"], [1, 0], x=[2, 3], y=["yes", "no"]))
    assert second == first + 1
    table = data.read_labelled(place.lake, "rows", "pass")
    assert table is not None
    assert table.select(["unit", "x", "y"]).to_pylist() == [
        {"unit": "c", "x": 3, "y": "no"},
        {"unit": "a", "x": 2, "y": "yes"},
        {"unit": "b", "x": 1, "y": "no"},
    ]
    assert table.schema.field("at").type == pa.timestamp("us", "UTC")
    old = data.read_labelled(place.lake, "rows", "pass", version=first)
    assert old is not None
    assert old["y"].to_pylist() == ["no", "no"]


def test_same_rows_again_make_no_version(place: Any) -> None:
    batch = rows(["a", "b"], [1, 2], y=[1, 0])
    version = data.append_labelled(place.lake, "rows", "pass", batch)
    assert data.append_labelled(place.lake, "rows", "pass", batch) == version
    corrected = rows(["a"], [1], y=[0])
    assert data.append_labelled(place.lake, "rows", "pass", corrected) == version + 1
    assert data.append_labelled(place.lake, "rows", "pass", batch) == version + 2
    table = data.read_labelled(place.lake, "rows", "pass")
    assert table is not None
    assert table["y"].to_pylist() == [1, 0]


def test_last_of_one_batch_counts(place: Any) -> None:
    data.append_labelled(place.lake, "rows", "pass", rows(["a", "a"], [1, 1], y=[0, 1]))
    table = data.read_labelled(place.lake, "rows", "pass")
    assert table is not None
    assert table["y"].to_pylist() == [1]


def test_changed_columns_meet(place: Any) -> None:
    data.append_labelled(place.lake, "rows", "pass", rows(["a"], [1], x=[1], z=[5], y=["no"]))
    data.append_labelled(place.lake, "rows", "pass", rows(["b"], [2], x=[1.5], z=["t"], w=[True], y=["no"]))
    data.append_labelled(place.lake, "rows", "pass", rows(["c"], [3], y=["yes"]))
    coded = pa.array(["u"]).dictionary_encode()
    data.append_labelled(place.lake, "rows", "pass", rows(["d"], [4], z=coded, y=["yes"], x=pa.nulls(1)))
    table = data.read_labelled(place.lake, "rows", "pass")
    assert table is not None
    assert table.drop_columns(["at"]).to_pylist() == [
        {"unit": "a", "x": 1.0, "z": "5", "y": "no", "w": None},
        {"unit": "b", "x": 1.5, "z": "t", "y": "no", "w": True},
        {"unit": "c", "x": None, "z": None, "y": "yes", "w": None},
        {"unit": "d", "x": None, "z": "u", "y": "yes", "w": None},
    ]


def test_labelled_rows_of_models_and_data_sets_lie_apart(place: Any) -> None:
    data.append_labelled(place.lake, "rows", "one", rows(["a"], [1], y=[1]))
    data.append_labelled(place.lake, "rows", "two", rows(["b"], [1], y=[1]))
    place.load(place.put("a\n1\n"))
    assert {path.name for path in place.lake.iterdir()} == {"rows", "rows.one", "rows.two", ".load"}
    with pytest.raises(UserError, match="not a name"):
        data.read_labelled(place.lake, "rows", "../one")


@pytest.mark.parametrize(
    "bad",
    [
        pa.table({"unit": ["a"], "y": [1]}),
        pa.table({"at": [START], "y": [1]}),
        pa.table({"unit": ["a"], "at": ["yesterday"]}),
        pa.table({"unit": [None], "at": [START]}),
    ],
)
def test_rows_without_unit_or_time_are_refused(place: Any, bad: pa.Table) -> None:
    with pytest.raises(UserError):
        data.append_labelled(place.lake, "rows", "pass", bad)


def test_empty_batch_makes_a_table_once(place: Any) -> None:
    nothing = rows([], [], y=pa.array([], pa.string())).cast(
        pa.schema({"unit": pa.string(), "at": pa.timestamp("us", "UTC"), "y": pa.string()})
    )
    version = data.append_labelled(place.lake, "rows", "pass", nothing)
    assert data.append_labelled(place.lake, "rows", "pass", nothing) == version
    table = data.read_labelled(place.lake, "rows", "pass")
    assert table is not None
    assert table.num_rows == 0
