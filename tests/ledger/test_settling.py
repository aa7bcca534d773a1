"""Folding in a process of its own: it does what a fold does, may be killed, and takes its memory with it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.errors import Locked
from cauce.core.locks import hold
from cauce.ledger import Ledger, Truth, segments, settling

NOW = datetime.now(UTC)  # the process has a clock of its own


def write(ledger: Ledger, n: int, *, start: int = 0, at: datetime = NOW) -> list[str]:
    inputs = pa.table({"x": np.arange(start, start + n), "name": [f"n{i}" for i in range(start, start + n)]})
    predictions = pa.table({"prediction": ["a"] * n})
    ids: list[str] = ledger.record(inputs, predictions, version=1, at=at).to_pylist()
    return ids


def settled(folder: Path, days: int | None = None) -> tuple[int, str]:
    process = settling.start(folder, days)
    _, said = process.communicate()
    return process.returncode, said.decode()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "dropout", "dropout")
    yield made
    made.close()


def test_it_folds_and_lets_old_days_go(ledger: Ledger) -> None:
    old, new = write(ledger, 5, at=NOW - timedelta(days=9)), write(ledger, 7)
    ledger.truths([Truth(old[0], "a"), Truth(new[0], "b")], now=NOW)
    ledger.close()
    assert settled(ledger.folder) == (0, "")
    assert segments.names(ledger.folder / "journal") == []
    assert ledger.window(100)["id"].to_pylist() == sorted(old + new)
    assert settled(ledger.folder, 3) == (0, "")
    assert ledger.window(100)["id"].to_pylist() == sorted(new)
    assert ledger.labelled()["truth"].to_pylist() == ["b"]
    assert ledger.truths([Truth(new[0], "b"), Truth(new[1], "b")], now=NOW) == ["duplicate", "accepted"]


def test_nothing_is_lost_when_it_is_killed_half_way(ledger: Ledger) -> None:
    ids = write(ledger, 20_000)
    ledger.truths([Truth(id_, "a") for id_ in ids[:50]], now=NOW)
    ledger.close()
    process = settling.start(ledger.folder, None)
    end = time.monotonic() + 60
    while not (ledger.folder / "folding.json").exists():  # from here until all is committed and the journals are gone
        assert time.monotonic() < end
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert (ledger.folder / "folding.json").exists()
    for _ in range(2):
        assert ledger.window(100_000)["id"].to_pylist() == sorted(ids)
        assert ledger.labelled().num_rows == 50
        assert settled(ledger.folder) == (0, "")
    assert segments.names(ledger.folder / "journal") == []


def test_it_leaves_a_ledger_that_another_process_folds(ledger: Ledger) -> None:
    write(ledger, 3)
    ledger.close()
    with hold(ledger.folder / "fold.lock"):
        assert settled(ledger.folder) == (Locked.exit_code, "")
    assert ledger.unfolded_bytes() > 0


def test_it_says_what_was_damaged_and_what_went_wrong(ledger: Ledger) -> None:
    write(ledger, 3)
    write(ledger, 2, start=3)
    ledger.close()
    (name,) = segments.names(ledger.folder / "journal")
    path = ledger.folder / "journal" / name
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first.replace(b"n1", b"n9") + b"\n" + second + b"\n")
    (ledger.folder / "predictions").write_text("in the way")
    code, said = settled(ledger.folder)
    assert code == 1
    assert "predictions" in said
    (ledger.folder / "predictions").unlink()
    assert settled(ledger.folder) == (0, f"{name}, line 1: damaged; it is kept in aside/\n")
    assert ledger.window(10)["x"].to_pylist() == [3, 4]


def test_truths_are_judged_the_same_however_many_ids_wait(ledger: Ledger) -> None:
    """Ids of unfolded journals are kept as 16 bytes each; one in 256 of those ends in a zero byte."""
    ids = write(ledger, 5_000)
    others = [id_[:-2] + ("00" if id_[-2:] != "00" else "01") for id_ in ids]
    unknown = sorted(set(others) - set(ids))
    first = ledger.truths([Truth(id_, "a") for id_ in ids], now=NOW)
    ids += write(ledger, 500)
    told = ledger.truths([Truth(id_, "a") for id_ in ids + unknown], now=NOW)
    assert first == ["accepted"] * 5_000
    assert told == ["duplicate"] * 5_000 + ["accepted"] * 500 + ["unknown"] * len(unknown)
    assert any(id_.endswith("00") for id_ in ids)


GROWN = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from cauce.ledger import Ledger
from ledger.test_settling import settled, write

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

ledger, grown = Ledger(Path(sys.argv[1]), "dropout"), 0.0
for part in range(3):
    write(ledger, 10_000, start=10_000 * part)
    ledger.close()
    before = resident()
    if sys.argv[2] == "apart":
        assert settled(ledger.folder) == (0, "")
    else:
        assert ledger.fold(datetime.now(UTC)).n_segments == 1
    grown += resident() - before
print(grown)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_three_folds_leave_nothing_in_the_memory_of_who_asked_for_them(tmp_path: Path) -> None:
    def grown(how: str) -> float:
        command = [sys.executable, "-c", GROWN, str(tmp_path / how), how]
        path = {"PYTHONPATH": ":".join(sys.path)}
        return float(
            subprocess.run(command, capture_output=True, check=True, env={**path, "OMP_NUM_THREADS": "1"}).stdout
        )

    assert grown("apart") < 8.0
    assert grown("inside") > 25.0  # the control: the library alone
