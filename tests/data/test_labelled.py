"""Labelled rows of the ledger: appended, one a unit, the latest truth counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce import data
from cauce.core.errors import Locked, UserError
from cauce.data import labelled, readers

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


def holding(folder: Path, text: str) -> list[Path]:
    """Files in which a text stands, read as what they are and as bytes."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".parquet":
                content += repr(pq.ParquetFile(path).read().to_pylist()).encode()
            if text.encode() in content:
                found.append(path)
    return found


def test_forgotten_units_are_gone_from_every_version_beside_every_data_set(place: Any) -> None:
    for name in ("rows", "others"):
        for hour in range(3):
            units = [f"ana {hour}", f"bea {hour}"]
            data.append_labelled(place.lake, name, "pass", rows(units, [hour, hour], x=[f"x of {u}" for u in units]))
    data.append_labelled(place.lake, "rows", "else", rows(["ana 0"], [0], x=["another model's"]))
    ana = [f"ana {hour}" for hour in range(3)]
    assert data.forget_labelled(place.lake, "pass", units=ana) == 6
    assert data.forget_labelled(place.lake, "pass", units=ana) == 0
    for name in ("rows", "others"):
        assert holding(place.lake / f"{name}.pass", "ana") == []
        table = data.read_labelled(place.lake, name, "pass")
        assert table is not None
        assert table["unit"].to_pylist() == ["bea 0", "bea 1", "bea 2"]
    assert holding(place.lake / "rows.else", "ana 0")
    data.append_labelled(place.lake, "rows", "pass", rows(["cai"], [9], x=["y"]))
    table = data.read_labelled(place.lake, "rows", "pass")
    assert table is not None
    assert table["unit"].to_pylist() == ["bea 0", "bea 1", "bea 2", "cai"]


def test_rows_that_are_too_old_go_and_a_kill_before_their_history_went_is_made_good(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.append_labelled(place.lake, "rows", "pass", rows(["old", "new"], [0, 5], x=["aged", "fresh"]))
    before = START + timedelta(hours=1)

    def die(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(labelled, "keep_newest_only", die)
        with pytest.raises(KeyboardInterrupt):
            data.forget_labelled(place.lake, "pass", before=before)
    assert holding(place.lake, "aged")
    assert data.forget_labelled(place.lake, "pass", before=before) == 0
    assert holding(place.lake, "aged") == []
    version = data.append_labelled(place.lake, "rows", "pass", rows(["new"], [5], x=["fresh"]))
    assert data.forget_labelled(place.lake, "pass", before=before) == 0
    assert data.append_labelled(place.lake, "rows", "pass", rows(["new"], [5], x=["fresh"])) == version


def test_a_version_that_is_being_read_is_not_taken_away(place: Any) -> None:
    first = data.append_labelled(place.lake, "rows", "pass", rows(["ana"], [0], x=[1]))
    with readers.begin(place.lake / "rows.pass", first), pytest.raises(Locked, match="being read"):
        data.forget_labelled(place.lake, "pass", units=["ana"])
    assert data.forget_labelled(place.lake, "pass", units=["ana"]) == 0
    assert holding(place.lake, "ana") == []
