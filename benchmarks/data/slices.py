"""What a slice of a large table costs to read, and what a long history costs to open.

Bytes are those that a fresh process asks the kernel for (`rchar` of /proc/self/io), log and footers included; a query
stands beside its control: the same query on the same rows without partitions or clusters. Times are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cauce import data
from cauce.core.artefacts import Snapshot
from cauce.core.specs import DataSpec
from cauce.data.columns import ROW
from cauce.data.lake import acknowledge, write
from cauce.data.log import Record, encode
from cauce.data.recovery import recover
from cauce.data.versions import open_version

HERE = Path(__file__).resolve().parent
SEED = 20_263
NOW = datetime(2026, 1, 1, tzinfo=UTC)
N_PARTS, N_USERS = 24, 20_000
QUERIES = {
    "one partition of 24": '[data.Filter("month", "=", 7)]',
    "20 users of 20,000": '[data.Filter("user", "in", tuple(range(500, 520)))]',
    "a tenth of the moments": '[data.Filter("at", ">=", data_at(0.9))]',
}
LAYOUTS: dict[str, dict[str, tuple[str, ...]]] = {
    "plain": {},
    "partitioned": {"partition_by": ("month",)},
    "clustered": {"cluster_by": ("user",)},
    "clustered by two": {"cluster_by": ("user", "at")},
}
MEASURE = """
import json, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
import duckdb, deltalake, pyarrow.parquet, pyarrow.compute, zoneinfo
from cauce import data
def data_at(share): return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=round(share * 63_000_000))
def so_far(): return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])
data.read(Path(sys.argv[1]), "warm", filters=[data.Filter("user", "=", 1)])
before, start = so_far(), time.perf_counter()
n = data.read(Path(sys.argv[1]), sys.argv[2], columns=["user", "price", "n1"], filters={filters}).num_rows
print(json.dumps({"seconds": time.perf_counter() - start, "bytes": so_far() - before, "rows": n}))
"""


def make_rows(n_rows: int) -> pa.Table:
    """Return n_rows × 12 columns in the order of time, as an ever-growing source has them."""
    rng = np.random.default_rng(SEED)
    seconds = np.sort(rng.integers(0, 63_000_000, n_rows))
    at = np.datetime64("2024-01-01T00:00:00", "us") + seconds.astype("timedelta64[s]")
    columns: dict[str, object] = {
        "at": pa.array(at, pa.timestamp("us", "UTC")),
        "month": seconds * N_PARTS // 63_000_000,
        "user": rng.integers(0, N_USERS, n_rows),
        "city": rng.choice([f"city {i}" for i in range(50)], n_rows),
        "price": rng.gamma(2.0, 20.0, n_rows),
    }
    columns |= {f"n{i}": rng.normal(size=n_rows) for i in range(7)}
    return pa.table(columns)


def load(folder: Path, name: str, keys: dict[str, tuple[str, ...]]) -> None:
    spec = DataSpec(source="rows.parquet", **keys)
    data.load(name, spec, folder, folder / "lake", now=NOW, where=lambda *_: "")


def ask(lake: Path, name: str, filters: str, repeats: int) -> dict[str, float]:
    runs = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE.replace("{filters}", filters), str(lake), name],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        runs.append(json.loads(done.stdout))
    return {
        "bytes": runs[0]["bytes"],
        "rows": runs[0]["rows"],
        "seconds": round(statistics.median(run["seconds"] for run in runs), 3),
    }


def slices(n_rows: int, repeats: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pq.write_table(make_rows(1000), folder / "rows.parquet")
        load(folder, "warm", {})
        pq.write_table(make_rows(n_rows), folder / "rows.parquet")
        found: dict[str, object] = {}
        for number, (layout, keys) in enumerate(LAYOUTS.items()):
            load(folder, f"rows{number}", keys)
            newest = data.latest(folder / "lake", f"rows{number}")
            assert newest is not None
            files = open_version(folder / "lake" / f"rows{number}", newest.version).files
            found[layout] = {
                "size": sum(file.n_bytes for file in files),
                "everything": ask(folder / "lake", f"rows{number}", "[]", repeats),
                **{title: ask(folder / "lake", f"rows{number}", query, repeats) for title, query in QUERIES.items()},
            }
        return found


def median_ms(act: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return round(1000 * statistics.median(times), 2)


def history(n_versions: int, repeats: int) -> dict[str, float]:
    """Open a table of n versions that each replaced a tenth of ten files, as loads of a source with partitions do."""
    with tempfile.TemporaryDirectory() as scratch:
        lake = Path(scratch)
        table = lake / "rows"
        types = {"p": "int64", "n": "int64"}
        for number in range(n_versions):
            rows = pa.table({"p": list(range(10)), "n": [number] * 10, ROW: pa.array(range(10), pa.int64())})
            snapshot = Snapshot("rows", -1, str(number), 10, types, NOW + timedelta(hours=number))
            write(table, rows.to_reader(), mode="overwrite", partition_by=("p",), record=encode(Record(snapshot, "")))
        acknowledge(table)
        times = {
            "latest_ms": median_ms(lambda: data.latest(lake, "rows"), repeats),
            "open_newest_ms": median_ms(lambda: open_version(table, n_versions - 1), repeats),
            "open_middle_ms": median_ms(lambda: open_version(table, n_versions // 2), repeats),
            "read_newest_ms": median_ms(lambda: data.read(lake, "rows"), repeats),
            "recover_ms": median_ms(lambda: recover(table), 3),
            "log_ms": median_ms(lambda: data.entries(lake, "rows"), 3),
        }
        now = NOW + timedelta(hours=n_versions)
        start = time.perf_counter()
        done = data.vacuum(lake, "rows", keep="4d", now=now, pinned=set())
        times["vacuum_to_4_days_s"] = round(time.perf_counter() - start, 2)
        times["versions_forgotten"] = len(done.forgotten)
        times["recover_after_ms"] = median_ms(lambda: recover(table), 3)
        return times


def compare(n_rows: int) -> dict[str, float]:
    """Compare two versions that differ in a thousandth of the rows."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        table = make_rows(n_rows).append_column("id", pa.array(range(n_rows)))
        pq.write_table(table, folder / "rows.parquet")
        load(folder, "rows", {})
        price = table["price"].to_numpy().copy()
        price[::1000] += 1.0
        pq.write_table(table.set_column(4, "price", pa.array(price)), folder / "rows.parquet")
        load(folder, "rows", {})
        lake = folder / "lake"
        start = time.perf_counter()
        by_key = data.compare_versions(lake, "rows", 0, 1, key="id")
        middle = time.perf_counter()
        data.compare_versions(lake, "rows", 0, 1)
        end = time.perf_counter()
        assert by_key.rows.changed == len(price[::1000])
        data.restore(lake, "rows", 0, now=NOW)
        restored = time.perf_counter()
        return {
            "by_key_s": round(middle - start, 2),
            "by_content_s": round(end - middle, 2),
            "restore_s": round(restored - end, 3),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, nargs="+", default=[20, 2_000])
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    result = {
        "seed": SEED,
        "rows": asked.rows,
        "commit": commit.stdout.strip(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("deltalake", "pyarrow", "duckdb")},
        "slices": slices(asked.rows, asked.repeats),
        "diff": compare(asked.rows),
        "history": {str(n): history(n, 5) for n in asked.versions},
    }
    (HERE / "slices.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
