"""How long predictions wait for their truths, and windows of earlier ones: from journals and tables alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from cauce.ledger import Ledger, Truth

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def filled(folder: Path) -> tuple[Ledger, list[str]]:
    """Ten predictions, a minute apart; folded after six."""
    ledger, ids = Ledger(folder / "m", "m"), list[str]()
    for k in range(10):
        at = BEGIN + timedelta(minutes=k)
        said = pa.table({"prediction": [float(k)], "lower": [0.0], "upper": [9.0]})
        ids += ledger.record(pa.table({"x": [k]}), said, version=1 + (k > 7), at=at).to_pylist()
        if k == 5:
            ledger.close()
            ledger.fold(at)
    return ledger, ids


def test_arrivals_tell_when_the_first_truth_of_each_came(tmp_path: Path) -> None:
    ledger, ids = filled(tmp_path)
    ledger.truths([Truth(ids[2], 1.0), Truth(ids[8], 1.0)], now=BEGIN + timedelta(hours=1))
    ledger.close()
    ledger.fold(BEGIN + timedelta(hours=1))
    ledger.truths([Truth(ids[2], 2.0), Truth(ids[9], 1.0)], now=BEGIN + timedelta(hours=2))
    found = ledger.arrivals(8)
    assert found["id"].to_pylist() == ids[2:]
    assert found["version"].to_pylist() == [1] * 6 + [2] * 2
    one, two = BEGIN + timedelta(hours=1), BEGIN + timedelta(hours=2)
    assert found["received"].to_pylist() == [one, None, None, None, None, None, one, two]


def test_arrivals_of_an_empty_ledger_are_none(tmp_path: Path) -> None:
    found = Ledger(tmp_path / "m", "m").arrivals(5)
    assert found.num_rows == 0
    assert found.column_names == ["id", "at", "version", "received"]


@pytest.mark.parametrize("minutes", [3, 6, 8, 60])
def test_a_window_may_end_earlier(tmp_path: Path, minutes: int) -> None:
    ledger, ids = filled(tmp_path)
    found = ledger.window(4, before=BEGIN + timedelta(minutes=minutes))
    end = min(minutes, 10)
    assert found["id"].to_pylist() == ids[max(0, end - 4) : end]
