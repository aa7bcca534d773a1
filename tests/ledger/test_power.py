"""The power goes at any moment: nothing acknowledged is lost, no table is torn, nothing erased comes back."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cauce.core.names import uuid7
from cauce.ledger import Ledger, Truth, delta, journal, records, segments
from ledger.powercut import Image, PowerCut

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEAD = records.Head(1, (("x", "int"), ("name", "text")), (("prediction", "text"),))


def write(ledger: Ledger, n: int, *, unit: str, at: datetime = NOW, shadow: bool = False) -> list[str]:
    """Append a batch, and return its ids once it is acknowledged."""
    moment = records.microseconds(at)
    ids = [uuid7(moment // 1000) for _ in range(n)]
    outputs = {"prediction": ["a"] * n}
    rows = [[i, f"name of {unit}"] for i in range(n)]
    lines = [HEAD.line(ids=ids, at=moment, rows=rows, outputs=outputs, units=[unit] * n)]
    if shadow:
        lines.append(HEAD.line(ids=ids, at=moment, rows=rows, outputs=outputs, variant="shadow"))
    ledger.append(lines).result()
    return ids


def stored(ledger: Ledger, name: str) -> list[str]:
    """Ids in a Delta table, each row once."""
    table = delta.open_table(ledger.folder / name)
    files = delta.files(table) if table is not None else []
    return [id_ for file in files for id_ in pq.read_table(file.path, partitioning=None)["id"].to_pylist()]


class Told:
    """What a client was told so far."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.truths: set[str] = set()
        self.shadows: set[str] = set()
        self.erased: set[str] = set()

    def now(self) -> tuple[frozenset[str], ...]:
        return tuple(frozenset(each) for each in (self.ids, self.truths, self.shadows, self.erased))


def check(image: Image, target: Path, chance: random.Random, share: float) -> None:
    """Open what a cut left, read it, fold it, read it again."""
    image.write(target, chance, share=share)
    ids, truths, shadows, erased = image.note
    ledger = Ledger(target / "dropout", "dropout")
    for step in ("as it was left", "after a fold"):
        found = ledger.window(10_000)["id"].to_pylist()
        assert len(found) == len(set(found)), step
        assert ids <= set(found), step
        assert truths <= set(ledger.labelled()["id"].to_pylist()), step
        assert shadows <= set(ledger.paired()["id"].to_pylist()), step
        assert not erased & set(found), step
        if step == "as it was left":
            assert ledger.fold(NOW).corrupt == ()
    for name in ("predictions", "truths", "shadow"):
        kept = stored(ledger, name)
        assert len(kept) == len(set(kept)), name
    assert segments.names(ledger.folder / "journal") == []
    more = write(ledger, 1, unit="later")
    ledger.truths([Truth(more[0], "a")], now=NOW)
    ledger.close()
    ledger.fold(NOW)
    assert ids | set(more) <= set(ledger.window(10_000)["id"].to_pylist())


def life(ledger_of: Callable[[], Ledger], told: Told) -> None:
    """Write, fold, compact, make checkpoints, erase, let days go."""
    for turn in range(4):
        ledger = ledger_of()
        old = write(ledger, 1, unit="old", at=NOW - timedelta(days=40))
        ids = write(ledger, 3, unit=f"unit {turn}", shadow=True)
        told.ids.update(ids)
        told.shadows.update(ids)
        ledger.truths([Truth(ids[0], "a"), Truth(ids[1], "b"), Truth(f"nobody {turn}", "a")], now=NOW)
        told.truths.update(ids[:2])
        again = write(ledger, 2, unit="ana", at=NOW + timedelta(seconds=turn))
        ledger.truths([Truth(again[0], "a"), Truth(old[0], "a")], now=NOW)
        ledger.close()
        ledger.fold(NOW)
    ledger = ledger_of()
    found = ledger.find(unit="ana")
    assert (found.n_predictions, found.n_truths) == (8, 4)
    told.erased.update(ledger.forget(NOW, unit="ana").ids)
    ledger.retain(30, NOW)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    """Every moment of a ledger's life."""
    disk = tmp_path_factory.mktemp("disk")
    told = Told()
    cut = PowerCut(disk, told.now)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delta, "FILES_PER_DAY", 2)
        patch.setattr(delta, "COMMITS_PER_CHECKPOINT", 2)
        with cut.watching(patch):
            life(lambda: Ledger(disk / "dropout", "dropout"), told)
    return cut.images


def cut_at(images: list[Image], n: int, folder: Path, *, seed: int) -> None:
    chance = random.Random(seed)
    for number, place in enumerate(sorted(chance.sample(range(len(images)), n))):
        target = folder / f"after {place}"
        check(images[place], target, chance, (0.0, 0.5, 1.0, 0.5)[number % 4])
        shutil.rmtree(target)


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: what is checked there needs no real disk any more."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else tmp_path) as folder:
        yield Path(folder)


def test_a_power_cut_loses_and_tears_nothing(images: list[Image], quick: Path) -> None:
    cut_at(images, 16, quick, seed=1)


@pytest.mark.slow
def test_a_power_cut_at_any_moment_loses_and_tears_nothing(images: list[Image], quick: Path) -> None:
    cut_at(images, 120, quick, seed=0)


def test_a_machine_whose_disk_syncs_nothing_does_lose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation can fail: without the journal's sync, an acknowledged row is gone."""
    disk = tmp_path / "disk"
    disk.mkdir()
    told = Told()
    cut = PowerCut(disk, told.now)
    monkeypatch.setattr(journal, "_sync", lambda handle: None)
    with cut.watching(monkeypatch):
        ledger = Ledger(disk / "dropout", "dropout")
        told.ids.update(write(ledger, 1, unit="a"))
        write(ledger, 1, unit="b")
        ledger.close()
    with pytest.raises(AssertionError):
        check(cut.images[-1], tmp_path / "after", random.Random(0), 0.0)
