"""Seconds and peak memory of a full and of an incremental load of one Parquet file, each in a process of its own.

The increment brings 1 % of new rows, or changes 1 % of those there; the control is a full load of the same file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 20_263
START = datetime(2026, 1, 1, tzinfo=UTC)


def make_rows(n_rows: int, *, first: int = 0) -> pa.Table:
    """Return n_rows × 20: key, watermark, 12 numbers, 6 texts."""
    rng = np.random.default_rng(SEED + first)
    ids = np.arange(first, first + n_rows)
    columns: dict[str, object] = {"id": ids, "at": np.datetime64(START.replace(tzinfo=None), "us") + ids * 1_000_000}
    columns |= {f"x{i}": rng.normal(size=n_rows) for i in range(12)}
    columns |= {f"c{i}": np.array([f"level {k}" for k in range(50)])[rng.integers(0, 50, n_rows)] for i in range(6)}
    return pa.table(columns)


def changed(table: pa.Table, share: float) -> pa.Table:
    """Return the table with a share of its rows changed now."""
    rng = np.random.default_rng(SEED)
    rows = rng.choice(table.num_rows, round(table.num_rows * share), replace=False)
    at, x = (table[name].to_numpy().copy() for name in ("at", "x0"))
    at[rows] = at.max() + np.timedelta64(1, "s") * np.arange(1, len(rows) + 1)
    x[rows] += 1.0
    return table.set_column(1, "at", pa.array(at)).set_column(2, "x0", pa.array(x))


def load(folder: Path, mode: str) -> None:
    """Load once, and print seconds and MB."""
    from cauce import data
    from cauce.core.specs import DataSpec

    keys = {} if mode == "plain" else {"watermark": "at"}
    spec = DataSpec(source="rows.parquet", key="id", **keys)
    now = START + timedelta(days=365)
    began = time.perf_counter()
    data.load("rows", spec, folder, folder / mode, now=now, where=lambda *_: "", full=mode == "full")
    seconds = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"seconds": round(seconds, 2), "peak_mb": round(peak_mb)}))


def measured(folder: Path, mode: str) -> dict[str, float]:
    """Load in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--load", str(folder), mode], check=True, capture_output=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure, print, and write increments.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--load", nargs=2)
    asked = parser.parse_args()
    if asked.load:
        load(Path(asked.load[0]), asked.load[1])
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = make_rows(asked.rows)
        pq.write_table(table, folder / "rows.parquet")
        figures = {"plain_full": measured(folder, "plain"), "merged_full": measured(folder, "merge")}
        table = pa.concat_tables([table, make_rows(asked.rows // 100, first=asked.rows)])
        pq.write_table(table, folder / "rows.parquet")
        figures["increment_1_percent_new"] = measured(folder, "merge")
        pq.write_table(changed(table, 0.01), folder / "rows.parquet")
        figures["increment_1_percent_changed"] = measured(folder, "merge")
        figures["full_again"] = measured(folder, "full")
    result = {
        "rows": asked.rows,
        "columns": 20,
        "seed": SEED,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {library: version(library) for library in ("duckdb", "deltalake", "pyarrow")},
        "figures": figures,
    }
    print(json.dumps(result, indent=2))
    (Path(__file__).parent / "increments.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
