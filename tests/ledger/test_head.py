"""Journal lines of a release: what they hold, what they keep out, shadows, and lines of an earlier Cauce."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.names import uuid7
from cauce.core.state import State
from cauce.ledger import Ledger, Truth, delta, public, records
from cauce.ledger.journal import unframe
from cauce.ledger.records import Head, keyed_hash

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = records.microseconds(NOW)
INPUTS = (("age", "int"), ("email", "text"), ("city", "text"), ("since", "time"))
OUTPUTS = (("prediction", "text"), ("prob_a", "float"))
ROWS: list[list[Any]] = [[30, "ana@example.org", "Cádiz", AT], [None, None, "Lugo", None]]
KEY = b"a secret of tests"


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    made = Ledger(tmp_path / "dropout", "dropout", log={"email": False, "city": "hash"}, hash_key=lambda: KEY)
    yield made
    made.close()


def outputs(n: int) -> dict[str, list[Any]]:
    return {"prediction": ["a"] * n, "prob_a": [0.75] * n}


def ids_of(n: int, at: datetime = NOW) -> list[str]:
    return [uuid7(records.microseconds(at) // 1000) for _ in range(n)]


def folded(ledger: Ledger) -> Ledger:
    ledger.close()
    ledger.fold(NOW)
    return ledger


def test_a_line_comes_back_as_it_was_written_before_and_after_folding(ledger: Ledger) -> None:
    head = Head(3, INPUTS, OUTPUTS)
    ids = ids_of(2)
    line = head.line(
        ids=ids, at=AT, rows=ROWS, outputs=outputs(2), variant="challenger", units=["u", None], ms=[0.5, 2]
    )
    ledger.append([line]).result()
    for found in (ledger.window(9), folded(ledger).window(9)):
        row = {row["id"]: row for row in found.to_pylist()}[ids[0]]
        assert row == {
            "id": ids[0],
            "at": NOW,
            "version": 3,
            "age": 30,
            "email": "ana@example.org",
            "city": "Cádiz",
            "since": NOW,
            "prediction": "a",
            "prob_a": 0.75,
            "truth": None,
            "truth_at": None,
            "variant": "challenger",
            "unit": "u",
            "ms": 0.5,
        }
        other = {row["id"]: row for row in found.to_pylist()}[ids[1]]
        assert (other["age"], other["since"], other["unit"], other["ms"]) == (None, None, None, 2.0)


def test_lines_of_an_earlier_cauce_are_read_and_folded_beside_new_ones(ledger: Ledger) -> None:
    old, new = ids_of(2), ids_of(1, NOW + timedelta(seconds=1))
    columns = {name: (kind, [row[place] for row in ROWS]) for place, (name, kind) in enumerate(INPUTS)}
    given: records.Columns = {"prediction": ("text", ["a", "a"]), "prob_a": ("float", [0.75, 0.75])}
    lines = records.prediction_lines(old, AT, 2, inputs=columns, outputs=given)
    lines.append(Head(3, INPUTS, OUTPUTS).line(ids=new, at=AT, rows=ROWS[:1], outputs=outputs(1), units=["u"]))
    ledger.append(lines).result()
    before = ledger.window(9).sort_by("id")
    assert ledger.truths([Truth(old[0], "a")], now=NOW) == ["accepted"]
    after = folded(ledger).window(9).sort_by("id")
    for found in (before, after):
        assert sorted(found["id"].to_pylist()) == sorted(old + new)
        assert sorted(found["city"].to_pylist()) == ["Cádiz", "Cádiz", "Lugo"]
        assert sorted(found["version"].to_pylist()) == [2, 2, 3]
        assert found["variant"].to_pylist() == ["champion"] * 3


def test_a_table_that_an_earlier_cauce_folded_goes_on(ledger: Ledger) -> None:
    """It has no mark of what is synced, and none of the newer columns."""
    from deltalake import CommitProperties, Transaction, write_deltalake

    (old,) = ids_of(1)
    rows = pa.table(
        {
            "id": [old],
            "at": pa.array([NOW], pa.timestamp("us", "UTC")),
            "day": [records.day_of(old)],
            "version": [1],
            "in:int:age": [20],
            "out:text:prediction": ["a"],
        }
    )
    told = CommitProperties(app_transactions=[Transaction(delta.APP, 7)])
    folder = ledger.folder / "predictions"
    folder.mkdir(parents=True)
    write_deltalake(str(folder), rows, partition_by=["day"], commit_properties=told)
    assert ledger.window(9).select(["id", "age", "variant"]).to_pylist() == [
        {"id": old, "age": 20, "variant": "champion"}
    ]
    ledger.append([Head(3, INPUTS, OUTPUTS).line(ids=ids_of(1), at=AT, rows=ROWS[:1], outputs=outputs(1))]).result()
    found = folded(ledger).window(9)
    assert sorted(found["age"].to_pylist()) == [20, 30]
    assert ledger.traffic(NOW).n_predictions == 2


def test_what_the_file_keeps_out_is_nowhere_on_the_disk(ledger: Ledger) -> None:
    head = ledger.head(1, INPUTS, OUTPUTS)
    ledger.append([head.line(ids=ids_of(2), at=AT, rows=ROWS, outputs=outputs(2))]).result()
    (line,) = [path.read_text(encoding="utf-8") for path in (ledger.folder / "journal").glob("*.jsonl")]
    assert "ana@" not in line
    assert "Cádiz" not in line
    for found in (ledger.window(9), folded(ledger).window(9)):
        assert "email" not in found.column_names
        assert "city" not in found.column_names
        assert set(found["hash.city"].to_pylist()) == {
            keyed_hash(KEY, "city", "Cádiz"),
            keyed_hash(KEY, "city", "Lugo"),
        }
        assert sorted(found["age"].to_pylist(), key=str) == [30, None]
        assert public.withheld(found) == {"email", "city"}
    stored = list((ledger.folder / "predictions").rglob("*.parquet"))
    assert stored
    assert all(b"ana@" not in path.read_bytes() for path in stored)


def test_a_recorded_batch_obeys_the_same_policy(ledger: Ledger) -> None:
    inputs = pa.table({"email": ["ana@example.org"], "city": ["Cádiz"], "age": [3]})
    ledger.record(inputs, pa.table({"prediction": ["a"]}), version=1, at=NOW)
    found = ledger.window(1)
    assert "email" not in found.column_names
    assert found["hash.city"].to_pylist() == [keyed_hash(KEY, "city", "Cádiz")]


def test_a_unit_may_be_kept_out_or_hashed(tmp_path: Path) -> None:
    for how, expected in ((False, None), ("hash", keyed_hash(KEY, "unit", "ana"))):
        log: dict[str, Any] = {"unit": how}
        ledger = Ledger(tmp_path / str(how), "dropout", log=log, hash_key=lambda: KEY)
        head = ledger.head(1, INPUTS, OUTPUTS)
        ledger.append([head.line(ids=ids_of(1), at=AT, rows=ROWS[:1], outputs=outputs(1), units=["ana"])]).result()
        assert ledger.window(1)["unit"].to_pylist() == [expected]
        assert public.withheld(ledger.window(1)) == frozenset()
        ledger.close()


def test_rows_that_lack_an_input_by_policy_are_no_material_for_a_training(tmp_path: Path) -> None:
    plain = Head(1, INPUTS, OUTPUTS)
    hashing = Head(1, INPUTS, OUTPUTS, {"city": "hash"}, KEY)
    ledger = Ledger(tmp_path / "dropout", "dropout")
    kept, hidden = ids_of(1), ids_of(1)
    ledger.append([plain.line(ids=kept, at=AT, rows=ROWS[:1], outputs=outputs(1))])
    ledger.append([hashing.line(ids=hidden, at=AT, rows=ROWS[:1], outputs=outputs(1))]).result()
    ledger.truths([Truth(kept[0], "a"), Truth(hidden[0], "a")], now=NOW)
    for _ in range(2):
        assert set(ledger.labelled()["id"].to_pylist()) == {*kept, *hidden}
        assert ledger.labelled(whole=True)["id"].to_pylist() == kept
        assert public.withheld(ledger.labelled(whole=True)) == frozenset()
        folded(ledger)


def test_an_input_may_bear_the_name_of_the_ledgers_own_columns(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "dropout", "dropout")
    inputs = pa.table({"ms": [7], "variant": ["v"]})
    ledger.record(inputs, pa.table({"prediction": ["a"]}), version=1, at=NOW)
    found = ledger.window(1)
    assert (found["ms"].to_pylist(), found["variant"].to_pylist()) == ([7], ["v"])
    assert found["ledger.variant"].to_pylist() == ["champion"]
    assert public.without_beside(found).column_names == [
        "id", "at", "version", "ms", "variant", "prediction", "truth", "truth_at",
    ]  # fmt: skip
    ledger.close()


def test_shadows_stand_beside_the_predictions_and_are_none(ledger: Ledger) -> None:
    first, second = Head(1, INPUTS, OUTPUTS), Head(2, INPUTS, (*OUTPUTS, ("prob_b", "float")))
    ids = ids_of(3)
    told = outputs(2) | {"prediction": ["b", "b"], "prob_b": [0.25, 0.25]}
    ledger.append([first.line(ids=ids, at=AT, rows=[*ROWS, ROWS[0]], outputs=outputs(3))])
    ledger.append([second.line(ids=ids[:2], at=AT, rows=ROWS, outputs=told, variant="shadow", ms=[1, 2])]).result()
    assert ledger.truths([Truth(ids[0], "b")], now=NOW) == ["accepted"]
    for _ in range(2):
        assert set(ledger.window(9)["id"].to_pylist()) == set(ids)
        assert ledger.window(9).num_rows == ledger.traffic(NOW).n_predictions == 3
        assert "prob_b" not in ledger.window(9).column_names
        found = {row["id"]: row for row in ledger.paired().to_pylist()}
        assert set(found) == set(ids[:2])
        row = found[ids[0]]
        assert (row["version"], row["prediction"], row["truth"], row["city"]) == (1, "a", "b", "Cádiz")
        assert (row["shadow.version"], row["shadow.prediction"], row["shadow.prob_b"], row["shadow.ms"]) == (
            2,
            "b",
            0.25,
            1,
        )
        assert found[ids[1]]["truth"] is None
        assert ledger.paired(NOW + timedelta(seconds=1)).num_rows == 0
        assert ledger.labelled().num_rows == 1
        folded(ledger)
    assert {"shadow", "predictions", "truths"} <= {path.name for path in ledger.folder.iterdir()}


def test_a_shadow_alone_is_no_prediction(ledger: Ledger) -> None:
    (stranger,) = ids_of(1)
    line = Head(2, INPUTS, OUTPUTS).line(ids=[stranger], at=AT, rows=ROWS[:1], outputs=outputs(1), variant="shadow")
    ledger.append([line]).result()
    for _ in range(2):
        assert ledger.window(9).num_rows == ledger.paired().num_rows == 0
        assert ledger.truths([Truth(stranger, "a")], now=NOW) == ["unknown"]
        folded(ledger)
    assert ledger.traffic(NOW).n_predictions == 0


def test_some_truths_of_a_request_are_taken_and_the_unknown_are_kept_aside_and_told(ledger: Ledger) -> None:
    ids = ids_of(3)
    ledger.append([Head(1, INPUTS, OUTPUTS).line(ids=ids, at=AT, rows=[ROWS[0]] * 3, outputs=outputs(3))]).result()
    sent = [Truth(ids[0], "a"), Truth("no id", "b"), Truth(ids[1], "b"), Truth("nobody", "c", AT)]
    assert ledger.truths(sent, now=NOW) == ["accepted", "unknown", "accepted", "unknown"]
    assert ledger.truths([Truth("nobody", "d")], now=NOW + timedelta(seconds=9)) == ["unknown"]
    for _ in range(2):
        traffic = ledger.traffic(NOW)
        assert (traffic.n_predictions, traffic.n_truths, traffic.n_unknown_truths) == (3, 2, 2)
        assert [(row["id"], row["value"], row["at"]) for row in ledger.unknown_truths(2).to_pylist()] == [
            ("nobody", "c", NOW),
            ("nobody", "d", None),
        ]
        assert ledger.unknown_truths(9).num_rows == 3
        assert ledger.labelled().num_rows == 2
        folded(ledger)


def test_the_secret_of_hashes_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    state = State(tmp_path).open()
    key = state.read_hash_key()
    assert len(key) >= 32
    assert State(tmp_path).read_hash_key() == key
    assert state.hash_key.stat().st_mode & 0o777 == 0o600
    assert state.hash_key.parent.stat().st_mode & 0o777 == 0o700


def test_hashes_without_a_key_are_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        Head(1, INPUTS, OUTPUTS, {"city": "hash"})


values = {
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "text": st.text(max_size=20),
    "time": st.integers(-62_135_596_800_000_000, 250_000_000_000_000_000),
}


@settings(deadline=None)
@given(st.data())
def test_any_rows_come_back_as_they_were(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(values)), max_size=5))
    inputs = tuple((f"x{place}", kind) for place, kind in enumerate(kinds))
    rows = data.draw(st.lists(st.tuples(*(st.none() | values[kind] for kind in kinds)), min_size=1, max_size=4))
    kept: dict[str, Any] = {name: data.draw(st.sampled_from(["keep", "drop", "hash"])) for name, _ in inputs}
    ids = [f"id {place}" for place in range(len(rows))]
    line = Head(1, inputs, OUTPUTS, kept, KEY).line(ids=ids, at=AT, rows=rows, outputs=outputs(len(rows)))
    record = unframe(line[:-1])
    assert record is not None
    table = records.predictions([orjson.loads(record)])
    assert table is not None
    for place, (name, kind) in enumerate(inputs):
        written = [row[place] for row in rows]
        if kept[name] == "drop":
            assert not [column for column in table.column_names if column.endswith(f":{name}")]
        elif kept[name] == "hash":
            assert table[f"in:hash:{name}"].to_pylist() == [keyed_hash(KEY, name, value) for value in written]
        else:
            column = table[f"in:{kind}:{name}"]
            assert (column.cast(pa.int64()) if kind == "time" else column).to_pylist() == written
