"""A data set's life in the lake: versions, order, values, and what a crash leaves."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cauce import data
from cauce.core.errors import UserError
from cauce.data import lake as lake_room
from cauce.data import loading
from cauce.data.versions import open_version

ROWS = "id,city,n\n" + "".join(f"{i},{'abc'[i % 3]},{(i * 7) % 10}\n" for i in range(200))


def test_same_content_makes_no_new_version(place: Any) -> None:
    first = place.load(place.put(ROWS))
    assert place.load(place.put(ROWS)) == first
    assert data.latest(place.lake, "rows") == first
    assert (first.version, first.n_rows, first.changes) == (0, 200, ())
    assert dict(first.types) == {"id": "int64", "city": "string", "n": "int64"}


def test_changed_content_makes_a_version_and_old_ones_stay_readable(place: Any) -> None:
    first = place.load(place.put("a,b,c\n1,x,1\n"))
    second = place.load(place.put("a,c,d\nz,1,2\n"))
    assert (second.version, second.changes) == (1, ("added: d", "gone: b", "retyped: a int64 → string"))
    assert place.read(version=first.version).to_pylist() == [{"a": 1, "b": "x", "c": 1}]
    assert place.read().to_pylist() == [{"a": "z", "c": 1, "d": 2}]


def test_row_order_is_content(place: Any) -> None:
    first = place.load(place.put("a\n1\n2\n"))
    assert place.load(place.put("a\n2\n1\n")).fingerprint != first.fingerprint


@pytest.mark.parametrize("keys", [{"where": "n < 100"}, {"partition_by": ("city",)}, {"cluster_by": ("n",)}])
def test_changed_settings_make_a_version_with_the_same_content(place: Any, keys: dict[str, Any]) -> None:
    source = place.put(ROWS)
    first, second = place.load(source), place.load(source, **keys)
    assert second.version > first.version
    assert second.fingerprint == first.fingerprint
    assert place.load(source, **keys) == second
    assert place.load(source).version > second.version


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"partition_by": ("city",)},
        {"cluster_by": ("n", "id")},
        {"partition_by": ("city", "n"), "cluster_by": ("id",)},
    ],
)
def test_rows_come_back_in_the_order_of_the_source(place: Any, keys: dict[str, Any]) -> None:
    place.load(place.put(ROWS), **keys)
    table = place.read()
    assert table.column_names == ["id", "city", "n"]
    assert table["id"].to_pylist() == list(range(200))
    assert table["city"].to_pylist() == ["abc"[i % 3] for i in range(200)]
    pieces = list(data.batches(place.lake, "rows", size=64))
    assert pa.Table.from_batches(pieces).equals(table)
    assert max(piece.num_rows for piece in pieces) <= 64
    some = pa.Table.from_batches(list(data.batches(place.lake, "rows", columns=["n", "city"])))
    assert some.equals(place.read(columns=["n", "city"]))
    only = pa.Table.from_batches(list(data.batches(place.lake, "rows", columns=["city"])))
    assert only.equals(place.read(columns=["city"]))


def test_partitions_are_folders_and_clustering_is_a_z_order(place: Any) -> None:
    place.load(place.put(ROWS), partition_by=("city",), cluster_by=("n",))
    folders = {path.name for path in (place.lake / "rows").iterdir() if path.is_dir()}
    assert folders == {"_delta_log", "city=a", "city=b", "city=c"}
    table = deltalake.DeltaTable(str(place.lake / "rows"))
    assert table.history(1)[0]["operation"] == "OPTIMIZE"
    assert table.metadata().partition_columns == ["city"]


def test_partition_values_come_back_whatever_they_are(place: Any) -> None:
    cities = ["x/y", "..", "a=b", "%2F", "ñ 😀", "it's", None, "null", " ", 'q"', "a\nb"]
    place.put_table(pa.table({"city": cities, "n": list(range(len(cities)))}))
    place.load("rows.parquet", partition_by=("city",))
    assert place.read()["city"].to_pylist() == cities
    assert [row["city"] for b in data.batches(place.lake, "rows") for row in b.to_pylist()] == cities


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.bool_(), [True, None, False]),
        (pa.int64(), [-5, None, 2**62]),
        (pa.date32(), [date(1969, 1, 1), None, date(2030, 5, 6)]),
    ],
)
def test_partition_columns_of_other_types_come_back(place: Any, kind: pa.DataType, values: list[object]) -> None:
    place.put_table(pa.table({"p": pa.array(values, kind), "n": [1, 2, 3]}))
    place.load("rows.parquet", partition_by=("p",))
    assert place.read()["p"].to_pylist() == values
    assert place.read()["p"].type == kind


def test_every_type_has_its_normal_form(place: Any) -> None:
    moment = datetime(2020, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - naive on purpose
    table = pa.table(
        {
            "small": pa.array([1, None], pa.int8()),
            "unsigned": pa.array([2**63 + 5, None], pa.uint64()),
            "single": pa.array([0.5, math.nan], pa.float32()),
            "endless": pa.array([math.inf, -math.inf], pa.float64()),
            "exact": pa.array([Decimal("12.34"), None], pa.decimal128(9, 2)),
            "naive": pa.array([moment, None], pa.timestamp("ns")),
            "zoned": pa.array([moment.replace(tzinfo=UTC), None], pa.timestamp("ms", "Europe/Madrid")),
            "day": pa.array([date(2020, 1, 2), None]),
            "clock": pa.array([moment.time(), None], pa.time64("us")),
            "coded": pa.array(["x", None]).dictionary_encode(),
            "items": pa.array([[1, 2], None], pa.list_(pa.int32())),
            "record": pa.array([{"a": 1, "b": "x"}, None]),
            "nothing": pa.nulls(2),
            "yes": pa.array([True, None]),
            "large": pa.array(["ñ" * 100_000, None], pa.large_string()),
            "sliced": pa.array([3, 1, None])[1:],
        }
    )
    place.put_table(table)
    snapshot = place.load("rows.parquet")
    got = place.read()
    assert got.slice(0, 1).to_pylist() == [
        {
            "small": 1,
            "unsigned": Decimal(2**63 + 5),
            "single": 0.5,
            "endless": math.inf,
            "exact": Decimal("12.34"),
            "naive": moment.replace(tzinfo=UTC),
            "zoned": moment.replace(microsecond=678000, tzinfo=UTC),
            "day": date(2020, 1, 2),
            "clock": "03:04:05.678901",
            "coded": "x",
            "items": "[1,2]",
            "record": '{"a":1,"b":"x"}',
            "nothing": None,
            "yes": True,
            "large": "ñ" * 100_000,
            "sliced": 1,
        }
    ]
    second = got.slice(1).to_pylist()[0]
    assert second.pop("endless") == -math.inf
    assert set(second.values()) == {None}
    assert {name: str(kind) for name, kind in zip(got.schema.names, got.schema.types, strict=True)} == snapshot.types


def test_all_missing_column_is_text(place: Any) -> None:
    table = place.load_csv("a,b\n1,\n2,NA\n")
    assert table["b"].type == pa.string()
    assert table["b"].null_count == 2


def test_yes_and_no_stay_the_words_they_are(place: Any) -> None:
    got = place.load_csv("id,said,is\n1,yes,true\n2,no,False\n3,,TRUE\n")
    assert got["said"].to_pylist() == ["yes", "no", None]
    assert got["is"].to_pylist() == [True, False, True]


def test_json_lines_of_mixed_types_become_text(place: Any) -> None:
    place.load(place.put('{"a": 1, "b": 1}\n{"a": "x", "b": null, "c": true}\n', "rows.jsonl"))
    assert place.read().to_pylist() == [{"a": "1", "b": 1, "c": None}, {"a": "x", "b": None, "c": True}]


def test_windows_line_ends_byte_order_mark_and_quotes(place: Any) -> None:
    table = place.load_csv('\ufeffa;b\r\n1;"x;\r\ny"\r\n2;"say ""hi"""\r\n')
    assert table.to_pylist() == [{"a": 1, "b": "x;\r\ny"}, {"a": 2, "b": 'say "hi"'}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(place: Any, delimiter: str) -> None:
    assert place.load_csv(f"a{delimiter}b\n1{delimiter}x\n").to_pylist() == [{"a": 1, "b": "x"}]


def test_type_holds_for_the_last_row_too(place: Any) -> None:
    table = place.load_csv("a\n" + "1\n" * 60_000 + "x\n")
    assert table["a"].type == pa.string()


def test_inspection_has_the_types_of_the_load(place: Any) -> None:
    source = place.put(ROWS)
    seen = place.inspect(source, where="n > 3")
    place.load(source, where="n > 3")
    assert seen.schema == place.read().schema
    assert seen.head.equals(place.read().slice(0, 1000))
    assert not (place.folder / ".cauce" / "lake" / ".load" / "rows").exists()


def test_unknown_version_and_column_and_data_set(place: Any) -> None:
    with pytest.raises(UserError, match="never loaded"):
        place.read()
    with pytest.raises(UserError, match="not a name"):
        data.read(place.lake, "../rows")
    place.load(place.put(ROWS))
    with pytest.raises(UserError, match=r"no such version.*The newest version is 0"):
        place.read(version=7)
    with pytest.raises(UserError, match=r"no such column.*Did you mean 'city'"):
        place.read(columns=["citi"])
    with pytest.raises(UserError, match="no such column"):
        data.batches(place.lake, "rows", columns=["__cauce_row"])
    assert data.latest(place.lake, "other") is None


class Killed(BaseException):
    """As a kill: nothing of ours catches it."""


def kill_after_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    real = lake_room.write

    def write(folder: Path, rows: pa.RecordBatchReader, **keys: Any) -> int:
        def dying() -> Any:
            yield rows.read_next_batch()
            raise Killed

        return int(real(folder, pa.RecordBatchReader.from_batches(rows.schema, dying()), **keys))

    monkeypatch.setattr(loading, "write", write)


def test_load_that_dies_while_writing_leaves_the_version_before(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = place.load(place.put(ROWS))
    before = place.read()
    place.put("a\n" + "1\n" * 200_000)
    with monkeypatch.context() as patch:
        kill_after_first_batch(patch)
        with pytest.raises(BaseException):  # noqa: B017 - through Rust it may come as another class
            place.load("rows.csv")
    assert data.latest(place.lake, "rows") == first
    assert place.read().equals(before)
    assert place.load("rows.csv").n_rows == 200_000


def test_load_killed_before_clustering_is_whole_and_clustered_by_the_next(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = place.put(ROWS)
    with monkeypatch.context() as patch:
        patch.setattr(loading, "_clustered", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            place.load(source, cluster_by=("n",))
    left = data.latest(place.lake, "rows")
    assert left is not None
    assert left.n_rows == 200
    assert place.read()["id"].to_pylist() == list(range(200))
    again = place.load(source, cluster_by=("n",))
    assert (again.version, again.fingerprint) == (left.version + 1, left.fingerprint)
    assert place.load(source, cluster_by=("n",)) == again


def test_next_load_removes_what_a_killed_one_left(place: Any) -> None:
    place.load(place.put(ROWS), partition_by=("city",))
    table = place.lake / "rows"
    strays = [table / "part-00000-dead-c000.zstd.parquet", table / "city=a" / "part-00001-dead-c000.zstd.parquet#1"]
    strays += [table / "_delta_log" / "_commit_dead.json.tmp", place.lake / ".load" / "rows" / "staged.parquet"]
    strays[-1].parent.mkdir(parents=True)
    for path in strays:
        path.write_bytes(b"cut off")
    kept = {path for path in table.rglob("part-*") if path not in strays}
    place.load("rows.csv", partition_by=("city",))
    assert not any(path.exists() for path in strays)
    assert kept == set(table.rglob("part-*"))
    assert place.read().num_rows == 200


def test_full_disk_is_an_error_with_a_hint_and_loses_nothing(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = place.load(place.put(ROWS))

    def full(*_: object, **__: object) -> None:
        text = "Generic LocalFileSystem error: Unable to copy data to file: No space left on device (os error 28)"
        raise deltalake.exceptions.DeltaError(text)

    monkeypatch.setattr(deltalake, "write_deltalake", full)
    with pytest.raises(UserError, match=r"the disk is full; what was there before is untouched"):
        place.load(place.put("a\n1\n"))
    assert data.latest(place.lake, "rows") == first


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission_is_an_error_with_a_hint(place: Any) -> None:
    place.lake.mkdir(parents=True)
    place.lake.chmod(0o500)
    with pytest.raises(UserError, match="may not be written"):
        place.load(place.put(ROWS))


def test_snapshot_stands_in_the_commit_that_made_it(place: Any) -> None:
    snapshot = place.load(place.put(ROWS))
    log = (place.lake / "rows" / "_delta_log" / "00000000000000000000.json").read_text()
    info = next(json.loads(line)["commitInfo"] for line in log.splitlines() if "commitInfo" in line)
    assert json.loads(info["cauce"])["snapshot"]["fingerprint"] == snapshot.fingerprint


def test_deletion_vectors_are_refused(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place.load(place.put(ROWS))
    real = deltalake.DeltaTable.get_add_actions

    def marked(self: deltalake.DeltaTable, flatten: bool = False) -> pa.Table:
        actions = pa.table(real(self, flatten=flatten))
        return actions.append_column("deletion_vector.storage_type", pa.array(["u"] * actions.num_rows))

    monkeypatch.setattr(deltalake.DeltaTable, "get_add_actions", marked)
    with pytest.raises(UserError, match="deletion vectors"):
        open_version(place.lake / "rows", 0)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CELLS = {
    "text": st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
    "number": st.none() | st.floats(allow_nan=False),
    "yes": st.none() | st.booleans(),
    "day": st.none() | st.dates(),
    "moment": st.none() | st.integers(-(2**51), 2**52).map(lambda us: EPOCH + timedelta(microseconds=us)),
    "exact": st.none() | st.decimals(-9999, 9999, places=3, allow_nan=False),
}
SCHEMA = pa.schema(
    {
        "text": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "yes": pa.bool_(),
        "day": pa.date32(),
        "moment": pa.timestamp("us", "UTC"),
        "exact": pa.decimal128(8, 3),
    }
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=20))
def test_values_come_back_through_the_lake(places: Callable[[], Any], rows: list[dict[str, Any]]) -> None:
    place = places()
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    place.put_table(table)
    place.load("rows.parquet")
    assert place.read().equals(table)
