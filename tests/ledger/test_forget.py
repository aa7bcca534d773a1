"""Erasing: everything about a unit or value is gone from every file and version, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce.core import files
from cauce.core.errors import Locked, UserError
from cauce.core.names import uuid7
from cauce.ledger import Ledger, Truth, delta, erasing, fold, journal, records
from cauce.ledger.journal import Journal
from cauce.ledger.records import Head

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = b"a secret of tests"
INPUTS = (("name", "text"), ("n", "int"), ("share", "float"), ("on", "bool"), ("since", "time"))
OUTPUTS = (("prediction", "text"),)


def lines(
    unit: str | None, name: str, *, n: int = 1, at: datetime = NOW, head: Head | None = None
) -> tuple[list[str], list[bytes]]:
    head = head or Head(1, INPUTS, OUTPUTS)
    moment = records.microseconds(at)
    ids = [uuid7(moment // 1000) for _ in range(n)]
    rows = [[name, 41, 0.5, True, records.microseconds(NOW)]] * n
    told = {"prediction": ["a"] * n}
    made = [
        head.line(ids=ids, at=moment, rows=rows, outputs=told, units=[unit] * n),
        head.line(ids=ids, at=moment, rows=rows, outputs=told, variant="shadow"),
    ]
    return ids, made


def write(ledger: Ledger, unit: str | None, name: str, *, n: int = 1, at: datetime = NOW) -> list[str]:
    ids, made = lines(unit, name, n=n, at=at)
    ledger.append(made).result()
    ledger.truths([Truth(id_, "truth of " + name) for id_ in ids], now=NOW)
    return ids


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    made = Ledger(tmp_path / "dropout", "dropout", hash_key=lambda: KEY)
    yield made
    made.close()


def fold_now(ledger: Ledger) -> None:
    ledger.close()
    ledger.fold(NOW)


def holding(folder: Path, *texts: str) -> list[Path]:
    """Files in which any of the texts stands, read as what they are and as bytes."""
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet" and "checkpoint" not in path.name:
            content += repr(pq.read_table(path, partitioning=None).to_pylist()).encode()
        if any(text.encode() in content for text in texts):
            found.append(path)
    return found


def test_a_unit_is_gone_from_every_file_and_version(ledger: Ledger) -> None:
    (ledger.folder / "aside").mkdir(parents=True)
    (ledger.folder / "aside" / "x.jsonl.1").write_bytes(b'damaged "ana of Lugo" line\n')
    (ledger.folder / "aside" / "x.jsonl.2").write_bytes(b"damaged beyond reading\n")
    ana: list[str] = []
    kept: list[str] = []
    for turn in range(3):
        ana += write(ledger, "ana of Lugo", "Ana", n=2, at=NOW + timedelta(days=turn))
        kept += write(ledger, "bea of Lugo", "Bea", n=2, at=NOW + timedelta(days=turn))
        fold_now(ledger)
    ana += write(ledger, "ana of Lugo", "Ana")
    found = ledger.find(unit="ana of Lugo")
    assert holding(ledger.folder, "ana of Lugo")
    done = ledger.forget(NOW, unit="ana of Lugo")
    for told in (found, done):
        assert (told.n_predictions, told.n_shadows, told.n_truths, told.n_aside, told.n_unreadable) == (7, 7, 7, 1, 1)
        assert set(told.ids) == set(ana)
    assert holding(ledger.folder, "ana of Lugo", "Ana", *ana) == []
    assert set(ledger.window(99)["id"].to_pylist()) == set(ledger.labelled()["id"].to_pylist()) == set(kept)
    assert set(ledger.paired()["id"].to_pylist()) == set(kept)
    assert (ledger.traffic(NOW).n_predictions, ledger.traffic(NOW).n_truths) == (6, 6)
    assert ledger.find(unit="ana of Lugo").n_predictions == 0
    kept += write(ledger, "bea of Lugo", "Bea")
    fold_now(ledger)
    assert set(ledger.window(99)["id"].to_pylist()) == set(kept)


@pytest.mark.parametrize(
    ("column", "value"),
    [("name", "Ana"), ("n", "41"), ("share", "0.5"), ("on", "true"), ("since", "2026-03-01T12:00:00+00:00")],
)
def test_a_value_is_found_in_a_column_of_any_type(ledger: Ledger, column: str, value: str) -> None:
    ids = write(ledger, None, "Ana")
    fold_now(ledger)
    later = write(ledger, None, "Ana")
    assert set(ledger.find(column=column, value=value).ids) == {*ids, *later}
    assert ledger.find(column=column, value="7").n_predictions == 0
    assert ledger.find(column="nothing", value="7").n_columns == 0
    assert ledger.forget(NOW, column=column, value=value).n_predictions == 2
    assert ledger.window(9).num_rows == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [("name", "Ana"), ("n", "41"), ("share", "0.50"), ("on", "true"), ("since", "2026-03-01T12:00:00+00:00")],
)
def test_a_hashed_value_is_found_by_the_value(ledger: Ledger, column: str, value: str) -> None:
    head = Head(1, INPUTS, OUTPUTS, {column: "hash"}, KEY)
    ids, made = lines("ana", "Ana", head=head)
    ledger.append(made).result()
    assert ledger.find(column=column, value=value).ids == tuple(ids)
    assert ledger.forget(NOW, column=column, value=value).ids == tuple(ids)
    assert ledger.window(9).num_rows == 0


def test_a_hashed_unit_is_found_beside_a_plain_one(ledger: Ledger) -> None:
    hashed, made = lines("ana", "x", head=Head(1, INPUTS, OUTPUTS, {"unit": "hash"}, KEY))
    ledger.append(made).result()
    plain = write(ledger, "ana", "x")
    assert set(ledger.forget(NOW, unit="ana").ids) == {*hashed, *plain}


def test_what_names_nobody_is_refused(ledger: Ledger) -> None:
    for wrong in ({}, {"unit": "a", "column": "b", "value": "c"}, {"column": "b"}, {"value": "c"}):
        with pytest.raises(UserError, match="--unit"):
            ledger.find(**wrong)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("kill", range(24))
def test_the_same_call_goes_on_after_a_kill(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, kill: int) -> None:
    ana = write(ledger, "ana", "Ana", n=2)
    kept = write(ledger, "bea", "Bea", n=2)
    fold_now(ledger)
    ana += write(ledger, "ana", "Ana")
    copies = {*ana, *kept}
    steps = iter(range(1000))

    def elsewhere(ids: Sequence[str]) -> None:
        copies.difference_update(ids)

    def dying(function: Any) -> Any:
        def step(*arguments: Any, **named: Any) -> Any:
            if next(steps) == kill:
                raise Killed
            made = function(*arguments, **named)
            if next(steps) == kill:
                raise Killed
            return made

        return step

    with monkeypatch.context() as patch:
        for name in ("begin_erasure", "erase", "purge", "acknowledge", "_vacuum"):
            patch.setattr(delta, name, dying(getattr(delta, name)))
        patch.setattr(fold, "write_bytes", dying(files.write_bytes))
        with pytest.raises(Killed):
            ledger.forget(NOW, unit="ana", elsewhere=dying(elsewhere))
    assert set(kept) <= set(ledger.window(99)["id"].to_pylist())
    assert set(kept) <= set(ledger.labelled()["id"].to_pylist())
    ledger.forget(NOW, unit="ana", elsewhere=elsewhere)
    assert holding(ledger.folder, "ana", "Ana", *ana) == []
    assert set(ledger.window(99)["id"].to_pylist()) == set(ledger.paired()["id"].to_pylist()) == set(kept) == copies


def test_files_of_a_killed_writer_go_too(ledger: Ledger) -> None:
    write(ledger, "bea", "Bea")
    fold_now(ledger)
    (day,) = (ledger.folder / "predictions").glob("day=*")
    stray = day / "part-00000-stray.snappy.parquet"
    pq.write_table(pa.table({"id": ["x"], "unit": ["ana"]}), stray)
    ledger.forget(NOW, unit="ana")
    assert not stray.exists()
    assert ledger.window(9).num_rows == 1


def test_a_plain_fold_finishes_the_purge_of_a_killed_erasure(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = write(ledger, "ana", "Ana")
    write(ledger, "bea", "Bea")
    fold_now(ledger)

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(delta, "purge", die)
        with pytest.raises(Killed):
            ledger.forget(NOW, unit="ana")
    assert holding(ledger.folder, "Ana")
    write(ledger, "bea", "Bea")
    fold_now(ledger)
    assert holding(ledger.folder, "Ana", *ana) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_stops_folding_and_erasing_and_tears_nothing(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("this machine mounts no tmpfs")
    try:
        ledger = Ledger(small / "dropout", "dropout")
        ana, kept = write(ledger, "ana", "Ana", n=20), write(ledger, "bea", "Bea", n=20)
        fold_now(ledger)
        for left in (0, 4_096, 16_384, 30_000, 60_000):
            kept += write(ledger, "bea", "Bea", n=5)
            ledger.close()
            filler = small / "filler"
            filler.write_bytes(b"x" * (shutil.disk_usage(small).free - left))
            for act in (lambda: ledger.fold(NOW), lambda: ledger.forget(NOW, unit="ana")):
                with contextlib.suppress(UserError):
                    act()
                assert set(kept) <= set(ledger.window(999)["id"].to_pylist())
                assert set(kept) <= set(ledger.labelled()["id"].to_pylist())
            filler.unlink()
        assert len(ledger.forget(NOW, unit="ana").ids) in {0, len(ana)}
        assert holding(ledger.folder, "Ana") == []
        assert set(ledger.window(999)["id"].to_pylist()) == set(kept) == set(ledger.paired()["id"].to_pylist())
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_others_write_read_and_tell_truths_while_it_erases(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "dropout", "dropout")
    ledger._journal = Journal(ledger.folder / "journal", segment_bytes=20_000)
    stop = threading.Event()
    kept: list[str] = []
    wrong: list[Any] = []

    def writing() -> None:
        while not stop.is_set():
            kept.extend(write(ledger, "bea", "Bea", n=3))

    def reading() -> None:
        reader = Ledger(ledger.folder, "dropout")
        while not stop.is_set():
            known = set(kept)
            try:
                if not known <= set(reader.window(100_000)["id"].to_pylist()):
                    wrong.append("missing")
                reader.traffic(NOW)
                reader.paired()
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work) for work in (writing, reading, reading)]
    for thread in threads:
        thread.start()
    other = Ledger(ledger.folder, "dropout")
    for _ in range(3):
        write(ledger, "ana", "Ana", n=2)
        assert other.forget(NOW, unit="ana").n_predictions == 2
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    ledger.close()
    ledger.fold(NOW)
    assert holding(ledger.folder, "Ana") == []
    assert set(ledger.window(100_000)["id"].to_pylist()) == set(kept) == set(ledger.labelled()["id"].to_pylist())


def test_the_writer_closes_its_segment_when_asked(ledger: Ledger) -> None:
    for durability in ("acknowledged", "relaxed"):
        writer = Ledger(ledger.folder, "dropout", durability=durability)
        write(writer, "ana", "Ana")
        assert Ledger(ledger.folder, "dropout").forget(NOW, unit="ana").n_predictions == 1
        assert writer.window(9).num_rows == 0
        write(writer, "bea", "Bea")
        writer.close()
        assert writer.window(9).num_rows == 1
        writer.forget(NOW, unit="bea")


def test_a_writer_that_does_not_close_is_named(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_asked", lambda folder: 0)
    write(ledger, "ana", "Ana")
    with pytest.raises(Locked, match="journal open"):
        erasing.close_segments(ledger.folder / "journal", wait_s=0.1)


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, {tests!r})
from ledger.test_forget import NOW, lines
from cauce.ledger import Ledger, Truth
ledger = Ledger(Path({folder!r}), "dropout", durability={durability!r})
while True:
    ids, made = lines("bea", "Bea", n=2)
    ledger.append(made).result()
    ledger.truths([Truth(ids[0], "a")], now=NOW)
    print(*ids, flush=True)
"""


@pytest.mark.parametrize("durability", ["acknowledged", "relaxed"])
def test_kill_9_of_a_writer_loses_no_row_shadow_or_truth(tmp_path: Path, durability: str) -> None:
    folder = tmp_path / "dropout"
    code = WRITER.format(tests=str(Path(__file__).parents[1]), folder=str(folder), durability=durability)
    told: list[str] = []
    firsts: list[str] = []
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(60):
                ids = writer.stdout.readline().split()
                told += ids
                firsts += ids[:1]
            writer.send_signal(signal.SIGKILL)
    ledger = Ledger(folder, "dropout")
    assert len(told) == 240
    for _ in range(2):
        assert set(told) <= set(ledger.window(100_000)["id"].to_pylist())
        assert set(told) <= set(ledger.paired()["id"].to_pylist())
        assert set(firsts) <= set(ledger.labelled()["id"].to_pylist())
        assert ledger.fold(NOW).corrupt == ()


def test_days_that_are_too_old_go_with_their_files(ledger: Ledger) -> None:
    kept = []
    for age in (0, 1, 9, 10, 11, 40):
        ids = write(ledger, "ana", f"aged {age}", at=NOW - timedelta(days=age))
        kept += ids if age <= 10 else []
    ledger.truths([Truth("nobody", "old"), Truth("nobody else", "new")], now=NOW - timedelta(days=30))
    fold_now(ledger)
    assert ledger.retain(50, NOW) == 0
    assert ledger.retain(10, NOW) == 2 + 2 + 2 + 2
    assert ledger.retain(10, NOW) == 0
    assert set(ledger.window(99)["id"].to_pylist()) == set(ledger.labelled()["id"].to_pylist()) == set(kept)
    assert holding(ledger.folder, "aged 11", "aged 40", "nobody") == []
    assert ledger.unknown_truths(9).num_rows == 0
    assert ledger.truths([Truth(kept[0], "truth of aged 0")], now=NOW) == ["duplicate"]


def test_retention_that_was_killed_is_finished_by_the_next(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    write(ledger, "ana", "Ana", at=NOW - timedelta(days=40))
    fold_now(ledger)

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(delta, "purge", die)
        with pytest.raises(Killed):
            ledger.retain(10, NOW)
    ledger.retain(10, NOW)
    assert holding(ledger.folder, "Ana") == []
