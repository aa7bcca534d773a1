"""`durability = "relaxed"`: acknowledged at once, on the disk within a second, truths always first."""

from __future__ import annotations

import errno
import os
import random
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cauce.core.names import uuid7
from cauce.ledger import Ledger, Truth, journal, records, segments
from cauce.ledger.journal import JournalClosed
from cauce.ledger.relaxed import RelaxedJournal
from ledger.powercut import PowerCut

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEAD = records.Head(1, (("x", "int"),), (("prediction", "text"),))


def line(n: int = 1) -> tuple[list[str], bytes]:
    at = records.microseconds(NOW)
    ids = [uuid7(at // 1000) for _ in range(n)]
    return ids, HEAD.line(ids=ids, at=at, rows=[[1]] * n, outputs={"prediction": ["a"] * n})


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set after each sync of a segment, its name in the folder included."""
    done, real = threading.Event(), journal.Segment.sync

    def sync(segment: journal.Segment) -> None:
        real(segment)
        done.set()

    monkeypatch.setattr(journal.Segment, "sync", sync)
    return done


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    made = Ledger(tmp_path / "dropout", "dropout", durability="relaxed")
    yield made
    made.close()


def test_an_append_is_done_before_the_sync_which_follows_within_a_second(
    ledger: Ledger, synced: threading.Event
) -> None:
    for _ in range(2):
        ids, content = line()
        assert ledger.append([content]).done()
        assert not synced.is_set()
        assert ids[0] in ledger.window(9)["id"].to_pylist()
        assert synced.wait(timeout=1.0)
        synced.clear()


def test_truths_are_synced_before_they_are_acknowledged(ledger: Ledger, synced: threading.Event) -> None:
    ids, content = line()
    ledger.append([content])
    assert not synced.is_set()
    assert ledger.truths([Truth(ids[0], "a")], now=NOW) == ["accepted"]
    assert synced.is_set()


def test_closing_syncs_what_waits(ledger: Ledger, synced: threading.Event) -> None:
    ledger.append([line()[1]])
    ledger.close()
    assert synced.is_set()
    assert ledger.fold(NOW).n_predictions == 1


def test_a_power_cut_takes_no_more_than_what_was_not_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: threading.Event
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    safe: set[str] = set()
    told: set[str] = set()
    truths: set[str] = set()
    cut = PowerCut(disk, lambda: (frozenset(safe), frozenset(told), frozenset(truths)))
    with cut.watching(monkeypatch):
        ledger = Ledger(disk / "dropout", "dropout", durability="relaxed")
        ledger._relaxed = RelaxedJournal(ledger.folder / "journal", segment_bytes=1_500, sync_s=0.05)
        for _ in range(6):
            synced.clear()
            ids, content = line(2)
            ledger.append([content]).result()
            told.update(ids)
            assert synced.wait(timeout=5.0)
            safe.update(ids)
            ledger.truths([Truth(ids[0], "a")], now=NOW)
            truths.add(ids[0])
        ledger.append([line()[1]])
        ledger.close()
    chance = random.Random(0)
    lost = 0
    for number, image in enumerate(cut.images):
        target = tmp_path / f"after {number}"
        image.write(target, chance, share=(0.0, 0.5)[number % 2])
        kept, acknowledged, known = image.note
        after = Ledger(target / "dropout", "dropout")
        found = set(after.window(99)["id"].to_pylist())
        assert kept <= found
        assert known <= set(after.labelled()["id"].to_pylist())
        lost += len(acknowledged - found)
    assert lost, "the simulation never took what it may take"


@pytest.mark.parametrize("where", ["_write_all", "_sync"])
def test_a_disk_that_fails_tells_the_caller_or_the_log_and_goes_on(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    first, content = line()
    ledger.append([content]).result()
    failed, real = threading.Event(), getattr(journal, where)

    def full(handle: int, *content: bytes) -> None:
        for part in content:
            real(handle, part[:30])
        failed.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal, where, full)
        refused, content = line()
        told = ledger.append([content])
        assert failed.wait(timeout=5.0)
        if where == "_write_all":
            with pytest.raises(OSError, match="No space"):
                told.result()
    last, content = line()
    ledger.append([content]).result()
    kept = first + last if where == "_write_all" else first + refused + last
    assert sorted(ledger.window(9)["id"].to_pylist()) == sorted(kept)
    ledger.close()
    assert ("could not be synced" in caplog.text) == (where == "_sync")
    assert ledger.fold(NOW).corrupt == ()
    assert sorted(ledger.window(9)["id"].to_pylist()) == sorted(kept)


def test_an_undo_that_fails_leaves_the_torn_line_behind(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(handle: int, content: bytes) -> None:
        os.write(handle, content[:40])
        raise OSError(errno.EIO, "broken")

    def stuck(handle: int, length: int) -> None:
        raise OSError(errno.EIO, "broken")

    first, content = line()
    ledger.append([content]).result()
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_write_all", torn)
        patch.setattr(os, "ftruncate", stuck)
        with pytest.raises(OSError, match="broken"):
            ledger.append([line()[1]]).result()
    last, content = line()
    ledger.append([content]).result()
    ledger.close()
    assert len(segments.names(ledger.folder / "journal")) == 2
    assert ledger.fold(NOW).corrupt == ()
    assert sorted(ledger.window(9)["id"].to_pylist()) == sorted(first + last)


def test_segments_are_closed_by_size_and_age(tmp_path: Path) -> None:
    for limits in ({"segment_bytes": 1}, {"segment_s": 0.01}):
        folder = tmp_path / str(limits)
        writer = RelaxedJournal(folder, sync_s=0.01, **limits)
        writer.append([line()[1]])
        for _ in range(500):
            if segments.names(folder) and all(_closed(folder / name) for name in segments.names(folder)):
                break
            threading.Event().wait(0.01)
        else:
            pytest.fail("still open")
        writer.append([line()[1]])
        writer.close()
        assert len(segments.names(folder)) == 2


def _closed(path: Path) -> bool:
    with segments.held(path) as closed:
        return closed


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    writer = RelaxedJournal(tmp_path)
    writer.close()
    writer.close()
    with pytest.raises(JournalClosed):
        writer.append([b"x"]).result()


def test_many_threads_write_at_once(ledger: Ledger) -> None:
    told: list[str] = []

    def work() -> None:
        for _ in range(50):
            ids, content = line(3)
            ledger.append([content]).result()
            told.extend(ids)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.close()
    assert ledger.fold(NOW).n_predictions == 600
    assert set(told) == set(ledger.window(1000)["id"].to_pylist())
