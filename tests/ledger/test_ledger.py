"""The ledger: nothing acknowledged is lost, nothing is folded twice, nothing is invisible."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cauce.core import files
from cauce.core.errors import Locked
from cauce.core.locks import hold
from cauce.ledger import Ledger, Truth, delta, fold, records, segments
from cauce.ledger.journal import Journal, frame, unframe

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rows(n: int, *, start: int = 0) -> tuple[pa.Table, pa.Table]:
    x = np.arange(start, start + n)
    inputs = pa.table({"x": x, "Name": [f"n{i}" for i in x]})
    return inputs, pa.table({"prediction": ["a"] * n, "prob_a": np.full(n, 0.75), "prob_b": np.full(n, 0.25)})


def write(ledger: Ledger, n: int, *, start: int = 0, version: int = 1, at: datetime = NOW) -> list[str]:
    ids: list[str] = ledger.record(*rows(n, start=start), version=version, at=at).to_pylist()
    return ids


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    made = Ledger(tmp_path / "dropout", "dropout")
    yield made
    made.close()


def reopened(ledger: Ledger) -> Ledger:
    ledger.close()
    return Ledger(ledger.folder, ledger.model)


def everything(ledger: Ledger) -> list[int]:
    return sorted(ledger.window(1_000_000)["x"].to_pylist()) if ledger.window(1).num_rows else []


def test_an_empty_ledger_can_be_read_and_is_not_made(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "none", "none")
    assert ledger.window(5).num_rows == ledger.labelled().num_rows == 0
    assert ledger.traffic(NOW).n_predictions == 0
    assert ledger.fold(NOW).n_segments == 0
    assert not (tmp_path / "none").exists()


def test_what_is_written_is_read_the_same_before_and_after_folding(ledger: Ledger) -> None:
    ids = write(ledger, 10)
    before = ledger.window(10).sort_by("x")
    ledger.close()
    assert ledger.fold(NOW).n_predictions == 10
    assert segments.names(ledger.folder / "journal") == []
    after = ledger.window(10).sort_by("x")
    assert after.select(before.column_names).equals(before)
    assert before["id"].to_pylist() == ids
    assert before.column_names == [
        "id",
        "at",
        "version",
        "x",
        "Name",
        "prediction",
        "prob_a",
        "prob_b",
        "truth",
        "truth_at",
        "variant",
        "unit",
        "ms",
    ]


def test_the_window_is_the_newest_oldest_first_across_folds_and_days(ledger: Ledger) -> None:
    for day in range(5):
        write(ledger, 10, start=10 * day, at=NOW + timedelta(days=day))
        ledger = reopened(ledger)
        if day < 4:
            ledger.fold(NOW)
    found = ledger.window(25)
    assert found["at"].to_pylist() == sorted(found["at"].to_pylist())
    assert set(found["x"].to_pylist()[5:]) == set(range(30, 50))
    assert set(found["x"].to_pylist()[:5]) <= set(range(20, 30))
    assert found.num_rows == 25


def test_an_open_segment_is_not_folded_and_still_visible(ledger: Ledger) -> None:
    write(ledger, 3)
    assert ledger.fold(NOW).n_segments == 0
    assert everything(ledger) == [0, 1, 2]


def test_an_old_segment_is_closed_while_nothing_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", segment_s=0.05)
    journal.append([frame(b'{"k":"t"}')]).result()
    (name,) = segments.names(tmp_path / "journal")
    for _ in range(200):
        with segments.held(tmp_path / "journal" / name) as closed:
            if closed:
                break
        threading.Event().wait(0.02)
    assert closed
    journal.close()


def test_segments_are_closed_by_size(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", segment_bytes=100)
    for _ in range(5):
        journal.append([frame(b'{"k":"t","pad":"%s"}' % (b"x" * 200))]).result()
    journal.close()
    assert len(segments.names(tmp_path / "journal")) == 5


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("kill", range(7))
def test_a_kill_while_folding_neither_loses_nor_doubles(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, kill: int
) -> None:
    ids = write(ledger, 20)
    ledger.truths([Truth(id_, "a") for id_ in ids[:7]], now=NOW)
    ledger = reopened(ledger)
    steps = iter(range(100))

    def dying(function: Any, *, after: bool) -> Any:
        def step(*arguments: Any, **named: Any) -> Any:
            if not after and next(steps) == kill:
                raise Killed
            made = function(*arguments, **named)
            if after and next(steps) == kill:
                raise Killed
            return made

        return step

    with monkeypatch.context() as patch:
        patch.setattr(fold, "write_bytes", dying(files.write_bytes, after=True))
        patch.setattr(delta, "append", dying(dying(delta.append, after=True), after=False))
        patch.setattr(fold, "sync_folder", dying(files.sync_folder, after=False))
        with pytest.raises(Killed):
            fold.fold(ledger.folder, NOW)
    assert everything(ledger) == list(range(20))
    assert ledger.traffic(NOW).n_predictions == 20
    assert ledger.traffic(NOW).n_truths == 7
    ledger.fold(NOW)
    assert everything(ledger) == list(range(20))
    assert ledger.labelled().num_rows == 7
    assert segments.names(ledger.folder / "journal") == []
    for table, n in (("predictions", 20), ("truths", 7)):
        opened = delta.open_table(ledger.folder / table)
        assert opened is not None
        assert sum(file.n_rows for file in delta.files(opened)) == n


def test_a_torn_last_line_is_ignored(ledger: Ledger) -> None:
    write(ledger, 3)
    ledger = reopened(ledger)
    (name,) = segments.names(ledger.folder / "journal")
    path = ledger.folder / "journal" / name
    path.write_bytes(path.read_bytes() + path.read_bytes()[:57])
    assert everything(ledger) == [0, 1, 2]
    done = ledger.fold(NOW)
    assert (done.n_predictions, done.corrupt) == (3, ())
    assert everything(ledger) == [0, 1, 2]


def test_a_corrupt_line_is_reported_and_kept_aside(ledger: Ledger) -> None:
    for start in (0, 3, 6):
        write(ledger, 3, start=start)
    ledger = reopened(ledger)
    (name,) = segments.names(ledger.folder / "journal")
    path = ledger.folder / "journal" / name
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = lines[1].replace(b'"prob_a"', b'"prob_X"')
    path.write_bytes(lines[0] + damaged + lines[2])
    done = ledger.fold(NOW)
    assert everything(ledger) == [0, 1, 2, 6, 7, 8]
    assert [(line.segment, line.line) for line in done.corrupt] == [(name, 2)]
    assert (ledger.folder / "aside" / f"{name}.2").read_bytes() == damaged


def test_releases_with_other_inputs_and_types_live_in_one_ledger(ledger: Ledger) -> None:
    out = {"prediction": ["a"], "prob_a": [1.0]}
    shapes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"x": [1], "a b.c": [True]}, out),
        ({"x": [1.5], "Año": ["z"]}, out),
        ({"x": ["one"], "año": [2], "version": ["v"], "in:int:^x": [0]}, out | {"prob_b": [0.0]}),
        ({"when": pa.array([NOW], pa.timestamp("ns", "UTC")), "nothing": pa.nulls(1)}, out),
    ]
    for version, (inputs, outputs) in enumerate(shapes):
        ledger.record(pa.table(inputs), pa.table(outputs), version=version, at=NOW + timedelta(seconds=version))
    unfolded = ledger.window(10)
    for _ in shapes:
        ledger = reopened(ledger)
    ledger.fold(NOW)
    folded = ledger.window(10)
    for found in (unfolded, folded):
        assert found["x"].to_pylist() == ["1", "1.5", "one", None]
        assert found["version"].to_pylist() == [0, 1, 2, 3]
        assert found["in.version"].to_pylist() == [None, None, "v", None]
        assert found["Año"].to_pylist() == [None, "z", None, None]
        assert found["año"].to_pylist() == [None, None, 2, None]
        assert found["when"].to_pylist()[-1] == NOW
    assert ledger.window(1)["when"].to_pylist() == [NOW]


def test_one_release_folded_after_another_merges_the_schema(ledger: Ledger) -> None:
    for version, inputs in enumerate(({"x": [1]}, {"x": [2], "new": [0.5]}, {"other": ["z"]})):
        at = NOW + timedelta(seconds=version)
        ledger.record(pa.table(inputs), pa.table({"prediction": [1.0]}), version=version, at=at)
        ledger = reopened(ledger)
        ledger.fold(NOW)
    assert ledger.window(9).select(["x", "new", "other"]).to_pydict() == {
        "x": [1, 2, None],
        "new": [None, 0.5, None],
        "other": [None, None, "z"],
    }


def test_truths_late_repeated_corrected_and_unknown_across_folds_and_restarts(ledger: Ledger) -> None:
    first, second, third = write(ledger, 3)
    stranger = "0195f0a8-7c00-7000-8000-000000000000"

    def tell(*truths: Truth) -> list[str]:
        return list(ledger.truths(truths, now=NOW + timedelta(minutes=1)))

    assert tell(Truth(first, "a"), Truth(first, "a"), Truth(first, "b")) == ["accepted", "duplicate", "corrected"]
    assert tell(Truth(stranger, "a"), Truth("no id", "a")) == ["unknown", "unknown"]
    ledger = reopened(ledger)
    assert tell(Truth(first, "b"), Truth(second, "a")) == ["duplicate", "accepted"]
    ledger = reopened(ledger)
    ledger.fold(NOW)
    assert tell(Truth(first, "b"), Truth(second, "b"), Truth(third, "a")) == ["duplicate", "corrected", "accepted"]
    assert tell(Truth(second, "b"), Truth(stranger, "x")) == ["duplicate", "unknown"]
    ledger = reopened(ledger)
    ledger.fold(NOW)
    assert tell(Truth(second, "b"), Truth(third, "b")) == ["duplicate", "corrected"]
    found = ledger.labelled()
    assert dict(zip(found["id"].to_pylist(), found["truth"].to_pylist(), strict=True)) == {
        first: "b",
        second: "b",
        third: "b",
    }
    assert ledger.traffic(NOW).n_truths == 3


def test_a_running_ledger_knows_what_is_folded_under_it(ledger: Ledger) -> None:
    ids = write(ledger, 3)
    assert ledger.truths([Truth(ids[0], "a")], now=NOW) == ["accepted"]
    other = Ledger(ledger.folder, "dropout")
    strange = write(other, 1, start=3)
    other.close()
    assert ledger.truths([Truth(strange[0], "a")], now=NOW) == ["accepted"]
    assert other.fold(NOW).n_predictions == 1
    assert ledger.truths([Truth(strange[0], "a"), Truth(ids[1], "a")], now=NOW) == ["duplicate", "accepted"]


def test_labelled_takes_what_was_predicted_after_a_moment(ledger: Ledger) -> None:
    ids = [write(ledger, 1, start=day, at=NOW + timedelta(days=day))[0] for day in range(4)]
    ledger.truths([Truth(id_, "a", records.microseconds(NOW)) for id_ in ids[:3]], now=NOW)
    assert ledger.labelled()["x"].to_pylist() == [0, 1, 2]
    assert ledger.labelled(after=NOW + timedelta(hours=1))["x"].to_pylist() == [1, 2]
    assert ledger.labelled(after=NOW + timedelta(days=9)).num_rows == 0
    assert ledger.labelled()["truth_at"].to_pylist() == [NOW] * 3


def test_labelled_rows_are_counted_from_journals_and_tables_alike(ledger: Ledger) -> None:
    ids = [write(ledger, 1, start=day, at=NOW + timedelta(days=day))[0] for day in range(4)]
    ledger.truths([Truth(id_, "a") for id_ in ids[:2]], now=NOW)
    moments = {NOW - timedelta(days=9): 2, NOW + timedelta(hours=1): 1, NOW + timedelta(days=9): 0}
    assert {after: ledger.n_labelled(after) for after in moments} == moments
    ledger.close()
    ledger.fold(NOW)
    assert {after: ledger.n_labelled(after) for after in moments} == moments
    ledger.truths([Truth(ids[0], "b"), Truth(ids[2], "a")], now=NOW)
    assert ledger.n_labelled(NOW - timedelta(days=9)) == 3


def test_truths_of_regress_are_numbers(ledger: Ledger) -> None:
    ids = ledger.record(pa.table({"x": [1, 2]}), pa.table({"prediction": [1.0, 2.0]}), version=1, at=NOW).to_pylist()
    assert ledger.window(2)["truth"].type == pa.float64()
    ledger.truths([Truth(ids[0], 1.25)], now=NOW)
    assert ledger.labelled()["truth"].to_pylist() == [1.25]


def test_traffic_counts_the_last_hour_by_minutes(ledger: Ledger) -> None:
    write(ledger, 5, at=NOW - timedelta(hours=3))
    write(ledger, 2, at=NOW - timedelta(minutes=59, seconds=30))
    ledger = reopened(ledger)
    ledger.fold(NOW)
    write(ledger, 3, at=NOW - timedelta(seconds=10))
    seen = ledger.traffic(NOW)
    assert (seen.n_predictions, seen.first, seen.last) == (
        10,
        NOW - timedelta(hours=3),
        NOW - timedelta(seconds=10),
    )
    assert (len(seen.per_minute), seen.per_minute[0], seen.per_minute[-1], sum(seen.per_minute)) == (60, 2, 3, 5)


def test_many_small_folds_are_compacted(ledger: Ledger) -> None:
    for start in range(delta.FILES_PER_DAY + 2):
        write(ledger, 1, start=start, at=NOW + timedelta(seconds=start))
        ledger = reopened(ledger)
        ledger.fold(NOW)
    assert len(delta.files(delta.open_table(ledger.folder / "predictions"))) <= 2  # type: ignore[arg-type]
    assert everything(ledger) == list(range(delta.FILES_PER_DAY + 2))


def test_a_fold_waits_for_another_and_then_refuses(ledger: Ledger) -> None:
    write(ledger, 1)
    with hold(ledger.folder / "fold.lock"), pytest.raises(Locked):
        ledger.fold(NOW, wait_s=0.0)


def test_reading_and_folding_while_many_write_loses_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "dropout", "dropout")
    ledger._journal = Journal(ledger.folder / "journal", segment_bytes=2_000)
    done = threading.Event()
    written: list[str] = []

    def work(worker: int) -> None:
        for step in range(40):
            written.extend(write(ledger, 2, start=worker * 1000 + step * 2))

    def folding() -> None:
        other = Ledger(ledger.folder, "dropout")
        while not done.is_set():
            other.fold(NOW)

    folder = threading.Thread(target=folding)
    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in [folder, *workers]:
        thread.start()
    while any(worker.is_alive() for worker in workers):
        known = set(written)
        assert known <= set(ledger.window(10_000)["id"].to_pylist())
    done.set()
    folder.join()
    ledger.close()
    ledger.fold(NOW)
    found = ledger.window(10_000)["id"].to_pylist()
    assert len(found) == 320
    assert set(found) == set(written)


@given(st.text(max_size=30))
def test_disk_names_are_told_apart_without_case_and_read_back(name: str) -> None:
    written = records.disk_name("in", "int", name)
    assert records.plain_name(written) == ("in", "int", name)


@given(st.text(max_size=5), st.text(max_size=5))
def test_two_names_never_share_a_disk_name_even_without_case(one: str, other: str) -> None:
    same = records.disk_name("in", "int", one).lower() == records.disk_name("in", "int", other).lower()
    odd = any(c.lower() != c and c.lower().upper() != c for c in one + other)
    assert (one == other) == same or odd


@given(st.binary(max_size=50), st.integers(0, 200), st.integers(1, 255))
def test_a_line_with_a_changed_byte_is_never_taken(record: bytes, place: int, change: int) -> None:
    line = bytearray(frame(b"{" + record.replace(b"\n", b"") + b"}")[:-1])
    assert unframe(bytes(line)) is not None
    line[place % len(line)] ^= change
    assert unframe(bytes(line)) is None
