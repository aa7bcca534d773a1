"""A drift report of a ledger's rows against training's, beside Evidently's preset on the same table in the same run."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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


def run(python: str, n: int, *, repeats: int = 3) -> dict[str, Any]:
    """Return seconds of both; ours from the ledger, and of tables in memory."""
    from cauce.ledger import Ledger
    from cauce.watch import drift_report

    reference, current = table(n, 1), table(n, 2)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pq.write_table(reference, folder / "reference.parquet")
        pq.write_table(current, folder / "current.parquet")
        fill(folder / "ledger", current)
        ours, memory = [], []
        for _ in range(repeats):
            begun = time.perf_counter()
            drift_report(reference, current)
            memory.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            rows = Ledger(folder / "ledger", "m").inputs(reference.column_names)
            drift_report(reference, rows)
            ours.append(time.perf_counter() - begun)
        assert rows.num_rows == n
        paths = [str(folder / f"{side}.parquet") for side in ("reference", "current")]
        script = str(HERE / "peers" / "evidently_scores.py")
        done = subprocess.run([python, script, "speed", *paths], capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout.strip().splitlines()[-1])["seconds"]
    return {
        "rows": n, "columns": reference.num_columns, "evidently_s": theirs, "cauce_from_ledger_s": sorted(ours),
        "cauce_in_memory_s": sorted(memory), "times_faster_from_ledger": theirs / float(np.median(ours)),
        "times_faster_in_memory": theirs / float(np.median(memory)),
    }  # fmt: skip
