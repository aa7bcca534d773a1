"""Every kind of source, asked the same: the same rows in the same types, marks, conditions, errors."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
from cauce.data.sources import mark
from data.conftest import where
from data.sources.writers import QUOTED, ROWS, SCHEMA, table

GAPS = {("gs jsonl", "test_no_rows_is_an_error"): "the emulator takes no empty object"}
"""(kind, test) → why this kind cannot; strict: closing a gap turns its test red."""
SERVERS = {"postgres", "bigquery", "gs csv", "gs jsonl", "gs parquet"}
TABLED = {"excel", "duckdb", "sqlite", "postgres", "bigquery"}


@pytest.fixture(autouse=True)
def gap(kind: str, request: pytest.FixtureRequest) -> None:
    name = request.node.originalname
    if (kind, name) in GAPS:
        request.node.add_marker(pytest.mark.xfail(reason=GAPS[kind, name], strict=True))


def loaded(place: Any, keys: dict[str, Any], **more: Any) -> pa.Table:
    place.load(**(keys | more))
    return place.read()


def marked(place: Any, keys: dict[str, Any]) -> str:
    return mark("rows", DataSpec(**keys), place.folder, where=where)


def test_rows_and_types_come_back(place: Any, put: Any) -> None:
    found = loaded(place, put(table(), place.folder))
    assert found.schema.names == SCHEMA.names
    assert found.schema.types == SCHEMA.types
    assert found.to_pylist() == table().to_pylist()


def test_the_first_look_agrees_with_the_load(place: Any, put: Any) -> None:
    keys = put(table(), place.folder)
    source = keys.pop("source")
    assert place.inspect(source, **keys).head.to_pylist() == table().to_pylist()


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("price > 0 and open", [1, 4]),
        ("city is null", [3]),
        ("city like '%«%'", [2]),
        ("day >= date '2024-01-01'", [1, 4, 5]),
        (f'"{QUOTED.replace(chr(34), chr(34) * 2)}" = 10', [1]),
        ("upper(city) = 'A CORUÑA' or id in (5)", [1, 5]),
    ],
)
def test_a_condition_leaves_the_rows_that_fulfil_it(place: Any, put: Any, condition: str, ids: list[int]) -> None:
    found = loaded(place, put(table(), place.folder), where=condition)
    assert found["id"].to_pylist() == ids


def test_a_condition_cannot_reach_a_file(place: Any, put: Any) -> None:
    keys = put(table(), place.folder)
    for condition in (
        "id in (select 1 from read_csv('/etc/passwd'))",
        "id = 1; drop table rows",
        "pg_sleep(9) is null",
    ):
        with pytest.raises(UserError) as caught:
            place.load(**keys, where=condition)
        assert caught.value.where.endswith("where")


def test_the_key_orders_nothing_and_must_be_unique(place: Any, put: Any) -> None:
    assert loaded(place, put(table(), place.folder), key="id")["id"].to_pylist() == [1, 2, 3, 4, 5]
    with pytest.raises(UserError, match=r"the key is not unique: 1 of 6 rows"):
        place.load(**put(table([*ROWS, ROWS[0]]), place.folder), key="id")


def test_a_missing_column_is_named_with_the_nearest(place: Any, put: Any) -> None:
    with pytest.raises(UserError, match=r"no such column.*Did you mean 'city'") as caught:
        place.load(**put(table(), place.folder), group="ciy")
    assert caught.value.where == where("data", "rows", "group")


def test_the_same_rows_make_no_new_version(place: Any, put: Any) -> None:
    keys = put(table(), place.folder)
    first = place.load(**keys)
    assert place.load(**keys) == first
    assert place.load(**put(table(), place.folder)) == first
    assert place.load(**put(table(ROWS[:4]), place.folder)).version > first.version


def test_the_mark_changes_with_the_rows(place: Any, put: Any) -> None:
    keys = put(table(), place.folder)
    first = marked(place, keys)
    if not first:
        assert keys["source"].startswith("postgresql://")
        return
    assert marked(place, keys) == first
    put(table(ROWS[:4]), place.folder)
    assert marked(place, keys) != first


def test_a_table_that_is_not_there_lists_those_that_are(place: Any, put: Any, kind: str) -> None:
    keys = put(table(), place.folder)
    if kind not in TABLED:
        with pytest.raises(UserError, match="means nothing for") as caught:
            place.load(**(keys | {"table": "x"}))
    else:
        with pytest.raises(UserError, match=rf"no such (table|sheet).*Did you mean '{keys['table']}'") as caught:
            place.load(**(keys | {"table": keys["table"][:-1] + "5"}))
    assert caught.value.where == where("data", "rows", "table")


def test_a_database_needs_the_key_table(place: Any, put: Any, kind: str) -> None:
    keys = put(table(), place.folder)
    if "table" not in keys or kind == "excel":
        return
    name = keys.pop("table")
    with pytest.raises(UserError, match="a database needs the key `table`") as caught:
        place.load(**keys)
    assert name in caught.value.hint


def test_a_delimiter_is_for_csv_alone(place: Any, put: Any, kind: str) -> None:
    keys = put(table(), place.folder) | {"delimiter": ","}
    if kind.endswith("csv"):
        assert loaded(place, keys).num_rows == 5
        return
    with pytest.raises(UserError, match="the key `delimiter` means nothing for") as caught:
        place.load(**keys)
    assert caught.value.where == where("data", "rows", "delimiter")


@pytest.mark.parametrize(
    "name", ["../up", "it's", "a`b", "ñandú 😀", "'); DROP TABLE x --", "{0}", "%s", "a.b", "select", "$1", "\\", " x"]
)
def test_hostile_column_names_come_back(place: Any, put: Any, name: str) -> None:
    rows = pa.table({name: pa.array([1, 2]), "other": ["x", "y"]})
    found = loaded(place, put(rows, place.folder))
    assert found.column_names == [name, "other"]
    assert found[name].to_pylist() == [1, 2]


def test_names_that_differ_in_case_are_refused(place: Any, put: Any, kind: str) -> None:
    if kind in {"duckdb", "sqlite", "bigquery", "delta"}:
        return  # such a table cannot be made there
    with pytest.raises(UserError, match="differ only in case"):
        place.load(**put(pa.table({"Age": [1], "age": [2]}), place.folder))


def test_nothing_is_left_behind(place: Any, put: Any) -> None:
    place.load(**put(table(), place.folder))
    assert not list((place.lake / ".load").iterdir())


def test_no_rows_is_an_error(place: Any, put: Any) -> None:
    with pytest.raises(UserError, match=r"no rows|is empty|no row"):
        place.load(**put(table([]), place.folder))
