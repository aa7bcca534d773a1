"""Peak memory of a load, and of a point-in-time join, of more rows than a small memory limit holds.

DuckDB is told that the machine has `--limit` MB, of which it takes 0.6 before it spills; a process each.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 20_264
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 365


def write_rows(path: Path, n_rows: int, n_keys: int, *, step: int = 250_000) -> None:
    """Write n_rows × 12: a number, a key, a moment in no order, 9 numbers; `step` rows at a time."""
    rng, writer = np.random.default_rng(SEED), None
    for first in range(0, n_rows, step):
        n = min(step, n_rows - first)
        at = np.datetime64("2025-01-01", "us") + rng.integers(0, DAYS * 86_400_000_000, n)
        columns: dict[str, object] = {"id": np.arange(first, first + n), "who": rng.integers(0, n_keys, n), "at": at}
        table = pa.table(columns | {f"x{i}": rng.normal(size=n) for i in range(9)})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def load(folder: Path, mode: str, limit_mb: int) -> None:
    """Load once, and print seconds and MB."""
    from cauce import data
    from cauce.core.specs import DataSpec, JoinSpec
    from cauce.data import duck

    duck.memory_bytes = lambda: limit_mb * 1_000_000
    lake, name, others = folder / "lake", mode, {}
    if mode == "joined":
        join = {"other": JoinSpec(by=("who",), columns=("x0", "x1"))}
        spec = DataSpec(source="rows.parquet", key="id", time="at", join=join)
        other = data.latest(lake, "other")
        assert other is not None
        others = {"other": data.Other(other, "at")}
    else:
        spec = DataSpec(source=f"{mode}.parquet", key="id", time="at", watermark="at" if mode == "rows" else None)
    began = time.perf_counter()
    data.load(name, spec, folder, lake, now=START, where=lambda *_: "", others=others)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"seconds": round(time.perf_counter() - began, 1), "peak_mb": round(peak)}))


def idle_mb() -> float:
    """Return what the imports alone take."""
    code = "import resource, cauce.data.loading, duckdb, ibis, deltalake, pyarrow.parquet; ibis.duckdb.connect(); "
    code += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)"
    return round(float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout))


def main() -> None:
    """Measure, print, and write memory.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--load", nargs=2)
    asked = parser.parse_args()
    if asked.load:
        load(Path(asked.load[0]), asked.load[1], asked.limit)
        return
    figures: dict[str, object] = {"imports_mb": idle_mb()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows.parquet", asked.rows, 50_000)
        write_rows(folder / "other.parquet", asked.rows // 4, 50_000)
        for mode in ("other", "rows", "joined"):
            command = [sys.executable, __file__, "--limit", str(asked.limit), "--load", name, mode]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            figures[mode] = json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
    result = {
        "rows": asked.rows,
        "columns": 12,
        "in_memory_mb": round(asked.rows * 12 * 8 / 1e6),
        "limit_mb": asked.limit,
        "seed": SEED,
        "python": platform.python_version(),
        "versions": {library: version(library) for library in ("duckdb", "deltalake", "pyarrow")},
        "figures": figures,
    }
    print(json.dumps(result, indent=2))
    (Path(__file__).parent / "memory.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
