"""Incremental loads: what they read, what they merge, and that they end where a full load would."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cauce import data
from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
from cauce.data import loading
from cauce.data.versions import open_version

START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = {"key": "id", "watermark": "at"}
SCHEMA = pa.schema({"id": pa.int64(), "at": pa.timestamp("us", "UTC"), "v": pa.string(), "gone": pa.bool_()})


def rows(*given: tuple[int, float, str | None] | tuple[int, float, str | None, bool]) -> pa.Table:
    """Rows of id, day, value and, where it is said, whether they are deleted."""
    return pa.Table.from_pylist(
        [{"id": g[0], "at": START + timedelta(days=g[1]), "v": g[2], "gone": len(g) > 3 and bool(g[3])} for g in given],
        schema=SCHEMA,
    )


def values(place: Any) -> list[tuple[int, str | None]]:
    table = place.read()
    return list(zip(table["id"].to_pylist(), table["v"].to_pylist(), strict=True))


def test_only_rows_from_the_newest_watermark_on_are_read(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = place.put_table(rows((1, 0, "a"), (2, 1, "b"), (3, 2, "c")))
    first = place.load(source, **KEYS)
    place.put_table(rows((1, 0, "never read"), (2, 1, "b"), (3, 2, "c"), (4, 3, "d")))
    staged = spy_on_stage(monkeypatch)
    second = place.load(source, **KEYS)
    assert staged == [2, 1]  # rows 3 and 4 arrive, row 4 is new
    assert values(place) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert (second.n_rows, second.version) == (4, first.version + 1)
    assert place.load(source, **KEYS) == second


def spy_on_stage(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counted: list[int] = []
    module: Any = loading
    real = module.stage

    def stage(*args: Any) -> int:
        counted.append(real(*args))
        return counted[-1]

    monkeypatch.setattr(loading, "stage", stage)
    return counted


def test_updates_replace_deletes_remove_and_order_is_that_of_first_arrival(place: Any) -> None:
    keys = {**KEYS, "deleted": "gone"}
    source = place.put_table(rows((1, 0, "a"), (2, 1, "b"), (3, 2, "c")))
    place.load(source, **keys)
    place.put_table(rows((4, 3, "d"), (1, 4, "A"), (2, 5, None, True), (9, 5, None, True)))
    snapshot = place.load(source, **keys)
    assert values(place) == [(1, "A"), (3, "c"), (4, "d")]
    assert "gone" not in snapshot.types
    assert snapshot.n_rows == 3


def test_a_key_that_comes_several_times_keeps_its_newest_row(place: Any) -> None:
    source = place.put_table(rows((1, 0, "old"), (2, 1, "b"), (1, 2, "new"), (2, 0, "older")))
    place.load(source, **KEYS)
    assert values(place) == [(1, "new"), (2, "b")]
    place.put_table(rows((1, 2, "first"), (1, 2, "last"), (2, 2, "B"), (2, 3, "BB")))
    place.load(source, **KEYS)
    assert values(place) == [(1, "last"), (2, "BB")]


def test_late_rows_come_in_within_the_window_only(place: Any) -> None:
    source = place.put_table(rows((1, 0, "a")))
    place.load(source, **KEYS, late="2d")
    place.put_table(rows((1, 0, "a"), (2, -2, "late"), (3, -2.1, "too late")))
    place.load(source, **KEYS, late="2d")
    assert values(place) == [(1, "a"), (2, "late")]
    place.load(source, **KEYS, late="3d")
    assert values(place) == [(1, "a"), (2, "late"), (3, "too late")]


def test_a_window_longer_than_the_calendar_reads_the_whole_source(place: Any) -> None:
    source = place.put_table(rows((1, 10, "a")))
    place.load(source, **KEYS, late="1000000d")
    place.put_table(rows((1, 10, "a"), (2, 0, "late")))
    place.load(source, **KEYS, late="1000000d")
    assert values(place) == [(1, "a"), (2, "late")]


def test_one_row_from_the_far_future_keeps_no_other_out(place: Any) -> None:
    spec, far = DataSpec(source="rows.parquet", **KEYS), (2, 355_000, "a wrong year")
    for day, told in ((1, [(1, 0, "a"), far]), (3, [(1, 0, "a"), far, (3, 2, "new")])):
        place.put_table(rows(*told), "rows.parquet")
        now = START + timedelta(days=day)
        data.load("rows", spec, place.folder, place.lake, now=now, where=lambda *_: "")
    assert values(place) == [(1, "a"), (2, "a wrong year"), (3, "new")]


def test_without_a_key_the_late_stretch_is_not_doubled(place: Any) -> None:
    keys = {"watermark": "at", "late": "1d"}
    source = place.put_table(rows((1, 0, "x"), (1, 1, "y"), (1, 1, "y")))
    place.load(source, **keys)
    place.put_table(rows((1, 0, "x"), (1, 1, "y"), (1, 1, "y"), (1, 1, "y"), (1, 0.5, "late"), (2, 2, None)))
    place.load(source, **keys)
    assert values(place) == [(1, "x"), (1, "y"), (1, "y"), (1, "y"), (1, "late"), (2, None)]


@pytest.mark.parametrize(
    "keys", [{"where": "id > 1"}, {"watermark": "at", "key": None}, {"partition_by": ("v",)}, {"deleted": "gone"}]
)
def test_changed_settings_read_the_whole_source_again(place: Any, keys: dict[str, Any]) -> None:
    source = place.put_table(rows((1, 0, "a"), (2, 1, "b")))
    place.load(source, **KEYS)
    place.put_table(rows((1, 0, "rewritten"), (2, 1, "b")))
    place.load(source, **KEYS)
    assert values(place)[0] == (1, "a")
    place.load(source, **{**KEYS, **keys})
    assert (1, "a") not in values(place)


def test_a_changed_column_and_a_request_read_the_whole_source_again(place: Any) -> None:
    source = place.put_table(rows((1, 0, "a"), (2, 1, "b")))
    place.load(source, **KEYS)
    more = rows((1, 0, "rewritten"), (2, 1, "b")).append_column("w", pa.array([1, 2]))
    place.put_table(more)
    assert place.load(source, **KEYS).changes == ("added: w",)
    assert values(place)[0] == (1, "rewritten")
    place.put_table(more.set_column(2, "v", pa.array(["again", "b"])))
    spec = DataSpec(source=source, **KEYS)
    keys: dict[str, Any] = {"now": START, "where": lambda *k: ".".join(map(str, k))}
    assert data.load("rows", spec, place.folder, place.lake, full=True, **keys).changes == ()
    assert values(place)[0] == (1, "again")


@pytest.mark.parametrize(
    ("table", "keys", "message"),
    [
        (rows((1, 0, "a")).set_column(1, "at", pa.nulls(1, pa.timestamp("us"))), {}, "no value in 1 rows"),
        (rows((1, 0, "a")).set_column(0, "id", pa.nulls(1, pa.int64())), {}, "no value in 1 rows"),
        (rows((1, 0, "a")), {"watermark": "v"}, "cannot be a watermark"),
        (rows((1, 0, "a")), {"watermark": "id", "late": "1d"}, "the watermark is no moment"),
        (rows((1, 0, "a")), {"deleted": "v"}, "not a boolean column"),
        (rows((1, 0, "a")), {"watermark": "att"}, "Did you mean 'at'"),
        (rows((1, 0, "a", True)), {"deleted": "gone"}, "no rows"),
    ],
)
def test_a_column_that_does_not_serve_is_refused(
    place: Any, table: pa.Table, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        place.load(place.put_table(table), **{**KEYS, **keys})


@pytest.mark.parametrize("at", [pa.date32(), pa.int64(), pa.timestamp("ms"), pa.timestamp("us", "Europe/Madrid")])
def test_watermarks_of_every_kind(place: Any, at: pa.DataType) -> None:
    def table(*numbers: int) -> pa.Table:
        moments = [datetime(2026, 1, n) for n in numbers]  # noqa: DTZ001 - the type under test says the zone
        column = pa.array(numbers, at) if at == pa.int64() else pa.array(moments, pa.timestamp("us")).cast(at)
        return pa.table({"id": list(numbers), "at": column})

    source = place.put_table(table(3, 4))
    place.load(source, **KEYS)
    place.put_table(table(1, 4, 5))
    place.load(source, **KEYS)
    assert place.read()["id"].to_pylist() == [3, 4, 5]


EVENT = st.tuples(st.integers(1, 5), st.floats(0, 1), st.none() | st.sampled_from("xyz"), st.booleans())


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(EVENT, max_size=5), min_size=2, max_size=4), st.sampled_from([(), ("v",)]), st.booleans())
def test_increments_end_where_a_full_load_ends(
    places: Callable[[], Any],
    history: list[list[tuple[int, float, str | None, bool]]],
    parts: tuple[str, ...],
    log: bool,
) -> None:
    """A source of current rows, or a log of all changes; rows may come up to a day late, and keys come back."""
    one, whole = places(), places()
    keys = {**KEYS, "deleted": "gone", "late": "1d", "partition_by": parts}
    told: list[tuple[int, float, str | None, bool]] = [(0, 0.0, "always", False)]
    for day, events in enumerate(history):
        told += [(key, round(day + offset, 3), value, gone) for key, offset, value, gone in events]
        current = {row[0]: row for row in sorted(told, key=lambda row: row[1])}
        table = rows(*(told if log else current.values()))
        one.load(one.put_table(table), **keys)
        expected = whole.load(whole.put_table(table, f"{day}.parquet"), **keys)
        found = data.latest(one.lake, "rows")
        assert sorted(values(one), key=repr) == sorted(values(whole), key=repr)
        assert found is not None
        assert (found.fingerprint, found.n_rows) == (expected.fingerprint, expected.n_rows)


ODD = ["it's", "a/b=c %", 'ñ \\ "x"', "OR 1=1 --", None, "-1", "plain"]


@pytest.mark.parametrize("kind", ["text", "whole", "boolean", "day"])
def test_only_partitions_with_changes_are_rewritten(place: Any, kind: str) -> None:
    """Rows change within a partition, move between two, and empty one; the files of the others stay."""
    values: dict[str, list[Any]] = {
        "text": ODD,
        "whole": [-3, 0, 7, 12, None, 99, 100],
        "boolean": [True, False, None, True, False, None, True],
        "day": [None, *(START.date() + timedelta(days=n) for n in range(6))],
    }
    parts = values[kind]

    def table(*given: tuple[int, float, Any, bool]) -> pa.Table:
        columns = zip(*given, strict=True)
        ids, days, found, gone = (list(column) for column in columns)
        at = [START + timedelta(hours=day) for day in days]
        return pa.table({"id": ids, "at": pa.array(at, SCHEMA.field("at").type), "p": pa.array(found), "gone": gone})

    def files() -> dict[Any, set[str]]:
        stored = open_version(place.lake / "rows", data.latest(place.lake, "rows").version)  # type: ignore[union-attr]
        found: dict[Any, set[str]] = {}
        for file in stored.files:
            found.setdefault(file.values["p"], set()).add(file.path.name)
        return found

    keys = {**KEYS, "deleted": "gone", "partition_by": ("p",)}
    base = [(n, 0.0, part, False) for n, part in enumerate(parts * 2)]
    source = place.put_table(table(*base))
    place.load(source, **keys)
    before = files()
    for n, changes in enumerate([[(1, 1.0, parts[1], False)], [(0, 2.0, parts[1], False), (7, 2.0, parts[0], True)]]):
        base = [*base, *changes]
        place.put_table(table(*base))
        snapshot = place.load(source, **keys)
        after = files()
        untouched = set(before) - set(parts[:2] if n else parts[1:2])
        assert all(after[part] == before[part] for part in untouched)
        assert after[parts[1]] != before[parts[1]]
        assert data.entries(place.lake, "rows")[0].operation == "merge"
        full = data.load(
            "whole",
            DataSpec(source=source, **keys),
            place.folder,
            place.lake,
            now=START,
            where=lambda *_: "",
        )
        assert (snapshot.fingerprint, snapshot.n_rows) == (full.fingerprint, full.n_rows)
        assert place.read(columns=["id", "p"]).equals(data.read(place.lake, "whole", columns=["id", "p"]))
        before = after


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from cauce import data
from cauce.core.specs import DataSpec
from cauce.data import lake, loading

folder, step, moment = Path(sys.argv[1]), *sys.argv[2:]
owner = lake if step == "acknowledge" else loading
real = getattr(owner, step)

def killed(*args, **kwargs):
    if moment == "after":
        real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, step, killed)
spec = DataSpec(source="rows.parquet", key="id", watermark="at")
now = datetime(2026, 1, 3, tzinfo=UTC)
data.load("rows", spec, folder, folder / ".cauce" / "lake", now=now, where=lambda *keys: "")
"""
STEPS = ["check_arrived", "newest_seen", "stage", "merged", "write", "acknowledge", "settle"]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("change", [(4, 3, "d"), (1, 4, "A")], ids=["append", "update"])
def test_a_kill_at_any_step_loses_nothing(place: Any, step: str, moment: str, change: tuple[int, float, str]) -> None:
    source = place.put_table(rows((1, 0, "a"), (2, 1, "b")))
    place.load(source, **KEYS)
    before = place.read()
    place.put_table(rows((1, 0, "a"), (2, 1, "b"), change))
    ended = subprocess.run([sys.executable, "-c", KILLED, str(place.folder), step, moment], check=False)
    assert ended.returncode == -signal.SIGKILL, f"{step} was not reached"
    left = place.read()
    snapshot = place.load(source, **KEYS)
    expected = {1: "a", 2: "b"} | {change[0]: change[2]}
    assert dict(values(place)) == expected
    assert left.equals(before) or left.equals(place.read())
    assert snapshot.n_rows == len(expected)
