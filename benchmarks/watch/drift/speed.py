"""A drift report of a ledger's rows against training's, beside Evidently's preset on the same table in the same run."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent


def table(n: int, seed: int) -> pa.Table:
    """Return 20 columns of numbers, 5 of whole numbers, 5 of categories."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"number_{i}": rng.normal(i, 1 + i, n) for i in range(20)}
    columns |= {f"whole_{i}": rng.poisson(3 + i, n) for i in range(5)}
    names = np.array(list("abcdefgh"))
    columns |= {f"category_{i}": pa.array(names[rng.integers(0, 8 - i, n)]) for i in range(5)}
    return pa.table(columns)


def fill(folder: Path, rows: pa.Table) -> None:
    """Write rows as a folded ledger has them, without the journal: a million lines of it would take an hour."""
    from cauce.core.names import uuid7s
    from cauce.ledger import delta
    from cauce.ledger.records import day_of, disk_name

    kinds = {"double": "float", "int64": "int", "string": "text"}
    n, start = rows.num_rows, int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)
    ids = uuid7s(n, start)
    columns = {
        "id": pa.array(ids), "at": pa.array(np.full(n, start * 1000), pa.int64()).cast(pa.timestamp("us", "UTC")),
        "day": pa.array([day_of(ids[0])] * n), "version": pa.array(np.ones(n, dtype=np.int64)),
    }  # fmt: skip
    for name in rows.column_names:
        columns[disk_name("in", kinds[str(rows.schema.field(name).type)], name)] = rows[name]
    columns["out:float:prediction"] = pa.array(np.random.default_rng(0).normal(size=n))
    delta.append(folder / "predictions", pa.table(columns), number=1)


class Clock(NamedTuple):
    """Seconds on the wall, and of processors: the second hardly minds what else the machine does."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Clock:
        """Return both clocks; processors' over all threads and ended children."""
        used = os.times()
        return cls(time.perf_counter(), used.user + used.system + used.children_user + used.children_system)

    def since(self) -> Clock:
        """Return what has passed."""
        now = Clock.now()
        return Clock(now.wall - self.wall, now.cpu - self.cpu)


def ways(folder: Path, reference: pa.Table, current: pa.Table) -> dict[str, Callable[[], object]]:
    """Return the three ways to a report: all from the ledger's rows; from its kept counts; of tables in memory."""
    from cauce.ledger import Ledger
    from cauce.watch import drift_report
    from cauce.watch.drift.quick import quick_bins
    from cauce.watch.drift.report import measure

    ledger, bins = Ledger(folder, "m"), quick_bins(reference)
    before, labels = bins.count(reference), {name: bins.labels(name) for name in bins.columns}

    def count(rows: pa.Table) -> dict[str, list[int]]:
        return {name: each.tolist() for name, each in bins.count(rows).items() if name in rows.column_names}

    def from_rows() -> object:
        rows = ledger.inputs(reference.column_names)
        assert rows.num_rows == current.num_rows
        return drift_report(reference, rows)

    def from_counts() -> object:
        days = ledger.counts(count, name="kept", version=1).values()
        now = {name: np.sum([day[name] for day in days], axis=0) for name in before}
        assert all(counts.sum() == current.num_rows for counts in now.values())
        return measure(before, now, labels, threshold=0.2, confidence=0.99, bins=bins.columns)

    return {
        "from the ledger's rows": from_rows,
        "from the ledger's kept counts": from_counts,
        "tables in memory": lambda: drift_report(reference, current),
    }


def run(python: str, n: int, *, repeats: int = 5) -> dict[str, Any]:
    """Return seconds of both: ours is the median of `repeats`, theirs is run once.

    Both hold the same two tables: training's in memory, the window in a ledger (ours) or in memory (theirs). Kept
    counts are filled before, as a look does: what that takes is told.
    """
    reference, current = table(n, 1), table(n, 2)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pq.write_table(reference, folder / "reference.parquet")
        pq.write_table(current, folder / "current.parquet")
        fill(folder / "ledger", current)
        made, found = ways(folder / "ledger", reference, current), {}
        begun = Clock.now()
        made["from the ledger's kept counts"]()
        filled = begun.since()
        for name, way in made.items():
            took = []
            for _ in range(repeats):
                begun = Clock.now()
                way()
                took.append(begun.since())
            found[name] = Clock(*(float(np.median(each)) for each in zip(*took, strict=True)))
        paths = [str(folder / f"{side}.parquet") for side in ("reference", "current")]
        script = str(HERE / "peers" / "evidently_scores.py")
        done = subprocess.run([python, script, "speed", *paths], capture_output=True, text=True, check=True)
    theirs = Clock(**json.loads(done.stdout.strip().splitlines()[-1]))
    return {
        "rows": n, "columns": reference.num_columns, "repeats": repeats, "evidently": theirs._asdict(),
        "cauce": {name: took._asdict() for name, took in found.items()},
        "cauce, counting once": filled._asdict(),
        "times faster": {
            name: {"wall": theirs.wall / took.wall, "cpu": theirs.cpu / max(took.cpu, 0.01)}
            for name, took in found.items()
        },
    }  # fmt: skip
