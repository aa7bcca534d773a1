"""The log of versions, the way back to one, and what lies between two."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import deltalake
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cauce import data
from cauce.core.errors import Refused, UserError
from cauce.data import compaction
from cauce.data.columns import ROW
from cauce.data.content import Content
from cauce.data.lake import read_table, write
from cauce.data.log import Record, last_version
from cauce.data.versions import open_version

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
A, B, C = "id,x\n1,a\n2,b\n", "id,x\n1,a\n3,c\n", "id,x,y\n1,a,true\n"


def test_entries_tell_what_made_each_version(place: Any) -> None:
    place.load(place.put(A))
    place.load(place.put(C), cluster_by=("id",))
    data.restore(place.lake, "rows", 0, now=NOW + timedelta(days=1))
    told = data.entries(place.lake, "rows")
    assert [(e.version, e.operation, e.n_rows, e.columns, e.restored) for e in told] == [
        (3, "restore", 2, ("gone: y",), 0),
        (2, "cluster", 1, (), None),
        (1, "load", 1, ("added: y",), None),
        (0, "load", 2, (), None),
    ]
    assert told[0].at == NOW + timedelta(days=1)
    assert told[0].n_bytes == told[3].n_bytes > 0
    assert all(e.readable for e in told)
    with pytest.raises(UserError, match="never loaded"):
        data.entries(place.lake, "other")


def test_a_restored_version_has_the_old_content_and_loses_no_later_one(place: Any) -> None:
    first = place.load(place.put(A), partition_by=("x",))
    old = place.read()
    second = place.load(place.put(C))
    done = data.restore(place.lake, "rows", 0, now=NOW)
    assert (done.version, done.restored, done.before, done.held) == (2, 0, 1, True)
    assert done.snapshot.fingerprint == first.fingerprint
    assert data.latest(place.lake, "rows") == done.snapshot
    assert place.read().equals(old)
    assert place.read(version=1).num_rows == second.n_rows
    assert deltalake.DeltaTable(str(place.lake / "rows")).metadata().partition_columns == ["x"]


def test_the_source_is_not_loaded_over_a_restored_version_until_it_changes(place: Any) -> None:
    place.load(place.put(A))
    place.load(place.put(B))
    restored = data.restore(place.lake, "rows", 0, now=NOW).snapshot
    assert place.load(place.put(B)) == restored
    assert place.load(place.put(B), partition_by=("x",)) == restored  # settings do not bring back what was put aside
    third = place.load(place.put(C))
    assert (third.version, third.n_rows) == (3, 1)
    assert place.load(place.put(B)).version == 4  # the hold ended with the first other content


def test_restoring_twice_still_holds_what_the_source_gives(place: Any) -> None:
    for content in (A, B, C):
        place.load(place.put(content))
    data.restore(place.lake, "rows", 0, now=NOW)
    second = data.restore(place.lake, "rows", 1, now=NOW)
    assert second.held
    assert place.load(place.put(C)) == second.snapshot
    back = data.restore(place.lake, "rows", 2, now=NOW)
    assert not back.held
    assert place.load(place.put(C)) == back.snapshot
    assert place.load(place.put(A)).version == 6


def test_what_cannot_be_restored_is_refused(place: Any) -> None:
    with pytest.raises(UserError, match="never loaded"):
        data.restore(place.lake, "rows", 0, now=NOW)
    place.load(place.put(A))
    with pytest.raises(Refused, match="version 0 of 'rows' is the newest already"):
        data.restore(place.lake, "rows", 0, now=NOW)
    for version in (7, -1):
        with pytest.raises(UserError, match=r"no such version.*The newest version is 0"):
            data.restore(place.lake, "rows", version, now=NOW)
    place.load(place.put(B))
    place.load(place.put(A))
    with pytest.raises(Refused, match="has the newest version's content"):
        data.restore(place.lake, "rows", 0, now=NOW)
    assert last_version(place.lake / "rows") == 2


def content_of(table: pa.Table) -> str:
    content = Content(table.schema)
    for batch in table.combine_chunks().to_batches():
        content.add(batch)
    return content.hexdigest()


@pytest.mark.parametrize("partition_by", [(), ("p",)])
def test_many_small_files_are_put_together_and_the_content_stays(place: Any, partition_by: tuple[str, ...]) -> None:
    folder, n_appends = place.lake / "rows", compaction.FEWEST
    for i in range(n_appends):
        rows = pa.table({"p": ["a"], "n": [i], ROW: pa.array([i], pa.int64())})
        mode: Any = "append" if i else "overwrite"
        version = write(folder, rows.to_reader(), mode=mode, partition_by=partition_by)
    before = read_table(folder, version, None, order=ROW)
    record = Record(_snapshot(version, before), "settings")
    done = compaction.settle(folder, record, cluster_by=(), now=NOW)
    assert (done.operation, done.snapshot.version) == ("compact", version + 1)
    assert len(open_version(folder, version + 1).files) == 1
    after = read_table(folder, version + 1, None, order=ROW)
    assert content_of(after) == content_of(before)
    assert read_table(folder, version, None, order=ROW).equals(before), "the old version stays readable"
    assert compaction.settle(folder, done, cluster_by=(), now=NOW) == done, "nothing is left to put together"


def _snapshot(version: int, table: pa.Table) -> Any:
    from cauce.core.artefacts import Snapshot

    types = {field.name: str(field.type) for field in table.schema if field.name != ROW}
    return Snapshot("rows", version, "content", table.num_rows, types, NOW)


def test_labelled_rows_are_put_together_too(place: Any) -> None:
    for i in range(compaction.FEWEST + 3):
        rows = pa.table({"unit": [f"u{i}"], "at": pa.array([NOW + timedelta(seconds=i)]), "x": [float(i)]})
        data.append_labelled(place.lake, "rows", "model", rows)
    folder = place.lake / "rows.model"
    assert len(open_version(folder, last_version(folder)).files) < compaction.FEWEST
    found = data.read_labelled(place.lake, "rows", "model")
    assert found is not None
    assert found["x"].to_pylist() == [float(i) for i in range(compaction.FEWEST + 3)]


def test_diff_by_key_counts_rows_and_values(place: Any) -> None:
    place.load(place.put("id,a,b,old\n1,x,1,1\n2,y,2,1\n3,z,,1\n4,w,4,1\n"))
    place.load(place.put("id,a,b,new\n5,v,5,t\n2,y,9,t\n3,z,7,t\n4,W,4.5,t\n"))
    found = data.compare_versions(place.lake, "rows", 0, 1, key="id")
    assert found.columns == ("added: new", "gone: old", "retyped: b int64 → double")
    rows = found.rows
    assert (rows.key, rows.added, rows.removed, rows.changed) == ("id", 1, 1, 3)
    assert (rows.first_added, rows.first_removed) == (("5",), ("1",))
    assert [(c.column, c.n_rows) for c in rows.columns] == [("b", 3), ("a", 1)]
    assert [(e.key, e.before, e.after) for e in rows.columns[0].examples] == [
        ("2", "2.0", "9.0"),
        ("3", None, "7.0"),
        ("4", "4.0", "4.5"),
    ]


def test_diff_without_a_key_or_with_one_that_repeats_matches_whole_rows(place: Any) -> None:
    place.load(place.put("id,a\n1,x\n1,x\n2,y\n"), partition_by=("a",))
    place.load(place.put("id,a\n2,y\n1,x\n3,z\n3,z\n"), partition_by=("a",))
    for key in (None, "id", "gone"):
        rows = data.compare_versions(place.lake, "rows", 0, 1, key=key).rows
        assert (rows.key, rows.added, rows.removed, rows.changed) == (None, 2, 1, None)
        assert (rows.first_added, rows.first_removed) == (("2",), ("0",))


VALUES = st.none() | st.integers(-3, 3)
TABLES = st.dictionaries(st.integers(0, 12), st.tuples(VALUES, VALUES), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TABLES, TABLES)
def test_diff_agrees_with_counting_in_python(
    places: Callable[[], Any], old: dict[int, tuple[Any, Any]], new: dict[int, tuple[Any, Any]]
) -> None:
    place = places()
    for number, side in enumerate((old, new)):
        rows = [{"id": key, "a": a, "b": b, ROW: i} for i, (key, (a, b)) in enumerate(side.items())]
        schema = pa.schema([("id", pa.int64()), ("a", pa.int64()), ("b", pa.int64()), (ROW, pa.int64())])
        assert (
            write(place.lake / "rows", pa.Table.from_pylist(rows, schema=schema).to_reader(), mode="overwrite")
            == number
        )
    found = data.compare_versions(place.lake, "rows", 0, 1, key="id").rows
    both = old.keys() & new.keys()
    assert (found.added, found.removed) == (len(new.keys() - old.keys()), len(old.keys() - new.keys()))
    assert found.changed == sum(old[key] != new[key] for key in both)
    counts = {name: sum(old[key][i] != new[key][i] for key in both) for i, name in enumerate("ab")}
    assert {c.column: c.n_rows for c in found.columns} == {name: n for name, n in counts.items() if n}
    whole = data.compare_versions(place.lake, "rows", 0, 1).rows
    rows_of = [{(key, *values) for key, values in side.items()} for side in (old, new)]
    assert (whole.added, whole.removed) == (len(rows_of[1] - rows_of[0]), len(rows_of[0] - rows_of[1]))


def test_names_and_values_with_quotes_are_compared(place: Any) -> None:
    name = 'a"b; DROP TABLE x'
    place.put_table(pa.table({"k'": ["it's"], name: ['q"']}))
    place.load("rows.parquet")
    place.put_table(pa.table({"k'": ["it's"], name: ["x" * 200]}))
    place.load("rows.parquet")
    rows = data.compare_versions(place.lake, "rows", 0, 1, key="k'").rows
    assert rows.columns[0].column == name
    assert rows.columns[0].examples[0].after == "x" * 60 + "…"


def test_summaries_that_moved_are_told(place: Any) -> None:
    from cauce import profile

    place.load(place.put("a,b,c\n1,x,1\n3,y,1\n"))
    place.load(place.put("a,b,d\n2,x,1\n,y,1\n"))
    sides = [profile.summarise(data.batches(place.lake, "rows", version=v)) for v in (0, 1)]
    (moved,) = data.compare_summaries(*sides)
    assert (moved.column, moved.missing, moved.mean, moved.distinct) == ("a", (0.0, 0.5), (2.0, 2.0), (2, 1))
