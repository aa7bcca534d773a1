"""Does a model always come back, in what time and memory? Hard tables through the command line, as a user would train.

    python -m benchmarks.select.always.run [--cases NAME ...]

Peak memory is that of the largest moment of all processes together, sampled every tenth of a second; pages that
processes share are counted once (proportional set size, Linux). The control of each case is the mean loss of the prior
on the same folds: a model that comes back and knows nothing would be told by it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from benchmarks.select import cases

HERE = Path(__file__).parent
PROJECT = """\
[project]
name = "always"

[data.rows]
source = "rows.parquet"
key = "id"

[models.m]
task = "classify"
data = "rows"
target = "y"
"""


class Case(NamedTuple):
    """A table, and lines for the model's part of the file."""

    n_rows: int
    n_columns: int
    more: str = ""
    few: int = 0
    """Rows of a third class."""


CASES = {
    "a budget of one second": Case(2_000, 20, 'budget = "1s"'),
    "50 rows": Case(50, 8),
    "2,000 columns": Case(500, 2_000),
    "3 rows of one class": Case(600, 8, few=3),
    "1,000,000 rows": Case(1_000_000, 20),
    "1,000,000 rows, 60 seconds": Case(1_000_000, 20, 'budget = "60s"'),
}


def table(case: Case, seed: int = 0) -> pa.Table:
    """Return rows of which two columns straight, and two crossed, decide between two classes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(case.n_rows, case.n_columns)).astype(np.float32)
    odds = x[:, 0] - x[:, 1] + 1.5 * x[:, 2] * x[:, 3]
    label = np.where(rng.random(case.n_rows) < 1 / (1 + np.exp(-odds)), "yes", "no").astype(object)
    label[: case.few] = "seldom"
    columns = {f"x{i}": column for i, column in enumerate(x.T)}
    return pa.table({"id": np.arange(case.n_rows), **columns, "y": label.tolist()})


def memory(parent: int) -> float:
    """Return the megabytes that a process and all below it hold now."""
    below: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:  # it ended meanwhile
            continue
        below.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(status.parent.name))
    total, waiting = 0, [parent]
    while waiting:
        one = waiting.pop()
        waiting += below.get(one, [])
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def watched(command: list[str], folder: Path) -> tuple[float, float, str, int]:
    """Run a command; return seconds, peak megabytes, what it printed, and its exit code."""
    begun, peak = time.perf_counter(), 0.0
    with (folder / "said.json").open("w") as said:
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            time.sleep(0.1)
    return time.perf_counter() - begun, peak, (folder / "said.json").read_text(encoding="utf-8"), process.returncode


def run(case: Case) -> dict[str, Any]:
    """Train and predict one row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = table(case)
        pq.write_table(rows, folder / "rows.parquet")
        pq.write_table(rows.slice(0, 1), folder / "one.parquet")
        (folder / "cauce.toml").write_text(PROJECT + case.more + "\n", encoding="utf-8")
        cauce = [sys.executable, "-m", "cauce"]
        seconds, peak, said, code = watched([*cauce, "train", "m", "--json"], folder)
        if code:
            return {"exit": code, "said": said[-500:], "seconds": seconds, "peak_mb": peak}
        answered = watched([*cauce, "predict", "m", "one.parquet", "-o", "out.csv"], folder)[3] == 0
        record = json.loads(said)
        rungs = {rung["name"]: rung for rung in record["choice"]["rungs"]}
        chosen = rungs[record["choice"]["chosen"]]
        return {
            "seconds": seconds,
            "peak_mb": peak,
            "answered": answered,
            "chosen": chosen["name"],
            "loss": chosen["mean_loss"],
            "loss_of_prior": rungs["prior"]["mean_loss"],
            "choosing_seconds": record["choice"]["seconds"],
            "why": {name: rung["why"] for name, rung in rungs.items()},
        }


def main() -> None:
    """Run the cases and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    asked = parser.parse_args()
    path = HERE / "result.json"
    kept = json.loads(path.read_bytes())["cases"] if path.exists() else {}
    for name in asked.cases:
        kept[name] = run(CASES[name])
        print(name, json.dumps(kept[name]), flush=True)
        cases.write(HERE, cases=kept)


if __name__ == "__main__":
    main()
