"""Rows that come late: those taken in and those too late are counted, where they can be seen."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from cauce import data
from cauce.core.specs import DataSpec

START = datetime(2025, 1, 1, tzinfo=UTC)
KEYS = {"key": "id", "watermark": "at", "late": "2d"}
SCHEMA = pa.schema({"id": pa.string(), "at": pa.timestamp("us", "UTC"), "gone": pa.bool_()})


def rows(*given: tuple[str, float] | tuple[str, float, bool]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"id": g[0], "at": START + timedelta(days=g[1]), "gone": len(g) > 2 and bool(g[2])} for g in given],
        schema=SCHEMA,
    )


def counted(place: Any) -> tuple[int, int]:
    newest = data.entries(place.lake, "rows")[0]
    return newest.late, newest.missed


def test_late_rows_are_counted_as_taken_in_or_as_too_late(place: Any) -> None:
    source = place.put_table(rows(("a", 0), ("b", 10)))
    place.load(source, **KEYS)
    assert counted(place) == (0, 0)
    place.put_table(rows(("a", 0), ("b", 10), ("c", 9), ("d", 5), ("e", 7.9), ("f", 11), ("e", 1)))
    assert place.load(source, **KEYS).n_rows == 4
    assert counted(place) == (1, 2)  # c within the window; d and e beyond it
    place.load(source, **{**KEYS, "late": "30d"})
    assert place.read().num_rows == 6
    assert counted(place) == (2, 0)


def test_rows_too_late_are_counted_behind_a_step_and_in_the_form_of_the_lake(place: Any) -> None:
    place.put('SELECT id::INTEGER AS id, "at" AS seen FROM source', "step.sql")
    keys = {"key": "id", "watermark": "seen", "prepare": ("step.sql",)}
    source = place.put_table(rows(("1", 0), ("2", 10)))
    place.load(source, **keys)
    place.put_table(rows(("1", 0), ("2", 10), ("3", 9), ("4", 11)))
    place.load(source, **keys)
    assert counted(place) == (0, 1)


def test_deleted_rows_are_not_too_late(place: Any) -> None:
    keys = {**KEYS, "deleted": "gone"}
    source = place.put_table(rows(("a", 0), ("b", 1), ("b", 2, True), ("c", 10)))
    place.load(source, **keys)
    place.put_table(rows(("a", 0), ("b", 1), ("b", 2, True), ("z", 3, True), ("c", 10), ("d", 10)))
    place.load(source, **keys)
    assert counted(place) == (0, 0)


def test_an_older_row_of_a_key_that_arrives_is_not_too_late(place: Any) -> None:
    source = place.put_table(rows(("a", 0), ("b", 10)))
    place.load(source, **KEYS)
    place.put_table(rows(("a", 0), ("b", 10), ("n", 1), ("n", 11)))
    place.load(source, **KEYS)
    assert counted(place) == (0, 0)


def test_a_load_that_changes_nothing_still_says_what_came_too_late(place: Any) -> None:
    source = place.put_table(rows(("a", 0), ("b", 10)))
    first = place.load(source, **KEYS)
    place.put_table(rows(("a", 0), ("b", 10), ("d", 5)))
    said: list[str] = []
    spec = DataSpec(source=source, **KEYS)
    again = data.load(
        "rows",
        spec,
        place.folder,
        place.lake,
        now=START,
        where=lambda *_: "",
        progress=lambda *told: said.append(str(told)),
    )
    assert again == first
    assert any("1 rows too late, not read" in text for text in said)


def test_a_source_that_spares_rows_says_nothing_of_those(place: Any) -> None:
    with sqlite3.connect(place.folder / "rows.db") as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS id, 5 AS at")
        keys = {"table": "t", "key": "id", "watermark": "at"}
        place.load("rows.db", **keys)
        connection.execute("INSERT INTO t VALUES (2, 1), (3, 6)")
    connection.close()
    place.load("rows.db", **keys)
    assert place.read()["id"].to_pylist() == [1, 3]
    assert counted(place) == (0, 0)
