"""Counts kept in the ledger: right, each row once, whatever was folded, compacted or erased in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from cauce.ledger import Ledger

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def write(ledger: Ledger, n: int, *, day: int = 0, version: int = 1, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    inputs = pa.table({"x": rng.integers(0, 3, n), "who": [f"u{i}" for i in range(n)]})
    given = pa.table({"prediction": rng.random(n)})
    ledger.record(inputs, given, version=version, at=START + timedelta(days=day))


class Counter:
    """Counts x, and how many rows it was shown."""

    shown = 0

    def __call__(self, rows: pa.Table) -> dict[str, list[int]]:
        self.shown += rows.num_rows
        values = rows["x"].to_numpy() if rows.num_rows else np.empty(0, dtype=np.int64)
        return {"x": np.bincount(values, minlength=3).tolist()}


def total(found: dict[str, dict[str, list[int]]]) -> int:
    return sum(sum(counts["x"]) for counts in found.values())


def test_rows_are_counted_once_by_day_and_release(tmp_path: Path) -> None:
    ledger, count = Ledger(tmp_path / "m", "m"), Counter()
    write(ledger, 30)
    write(ledger, 20, day=1)
    write(ledger, 7, day=1, version=2)
    assert {day: sum(c["x"]) for day, c in ledger.counts(count, name="a", version=1).items()} == {
        "2026-03-01": 30,
        "2026-03-02": 20,
    }
    ledger.close()
    ledger.fold(START)
    count.shown = 0
    assert total(ledger.counts(count, name="a", version=1)) == 50
    assert count.shown == 50
    assert total(ledger.counts(count, name="a", version=1)) == 50
    assert count.shown == 50  # from the kept counts
    write(ledger, 5, day=2)
    assert total(ledger.counts(count, name="a", version=1)) == 55
    assert count.shown == 55
    ledger.close()


def test_what_was_erased_is_counted_no_more(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "m", "m")
    write(ledger, 30)
    ledger.close()
    ledger.fold(START)
    assert total(ledger.counts(Counter(), name="a", version=1)) == 30
    ledger.forget(START, column="who", value="u3")
    assert not list((tmp_path / "m" / "counts").rglob("*.json"))
    assert total(ledger.counts(Counter(), name="a", version=1)) == 29


def test_since_gives_every_row_once(tmp_path: Path) -> None:
    ledger, cursor, seen = Ledger(tmp_path / "m", "m"), "", []
    for day in range(4):
        write(ledger, 25, day=day, seed=day)
        if day == 1:
            ledger.close()
            ledger.fold(START)
        while (rows := ledger.since(cursor, most=10)).num_rows:
            seen += rows["id"].to_pylist()
            cursor = rows["id"][-1].as_py()
    assert seen == ledger.window(1000)["id"].to_pylist()
    assert len(seen) == len(set(seen)) == 100
    ledger.close()


def test_inputs_are_those_of_the_window(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "m", "m")
    write(ledger, 40)
    ledger.close()
    ledger.fold(START)
    write(ledger, 10, day=1, seed=3)
    found = ledger.inputs(["x", "prediction", "nothing"])
    assert sorted(found.column_names) == ["prediction", "x"]
    assert sorted(found["x"].to_pylist()) == sorted(ledger.window(100)["x"].to_pylist())
    assert ledger.inputs(["x"], after=START + timedelta(hours=1)).num_rows == 10
    assert ledger.inputs(["x"], version=9).num_rows == 0
    ledger.close()
