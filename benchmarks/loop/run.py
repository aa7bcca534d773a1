"""How long from a CSV file to the first prediction, and how much memory: Cauce's whole loop beside a bare LightGBM fit.

Each size is run `--repeats` times in fresh processes; the table gives the median and the range. The control reads the
same file with pandas, fits LightGBM with the same number of trees at most, and predicts one row: no audit, no folds,
no choice, no registry, no proof. It is the floor, not a rival.
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
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

HERE = Path(__file__).resolve().parent
SIZES = (1_000, 10_000, 100_000, 1_000_000)
N_COLUMNS = 20
SEED = 20_261

PROJECT = """\
[project]
name = "bench"

[data.rows]
source = "rows.csv"
key = "id"

[models.first]
task = "classify"
data = "rows"
target = "y"
"""

CONTROL = """\
import pandas as pd, lightgbm as lgb
frame = pd.read_csv("rows.csv")
for name in frame.columns[frame.dtypes == "str"]:
    frame[name] = frame[name].astype("category")
y = frame.pop("y").cat.codes
frame = frame.drop(columns="id")
model = lgb.LGBMClassifier(n_estimators=300, verbose=-1, random_state=0).fit(frame, y)
model.predict_proba(frame.head(1))
"""


def make_rows(n_rows: int) -> pa.Table:
    """Return n_rows × 20 columns (12 numbers, 5 categories, 2 integers, a boolean), a key and a target."""
    rng = np.random.default_rng(SEED)
    numbers = rng.normal(size=(n_rows, 12))
    columns: dict[str, object] = {"id": np.arange(n_rows)}
    columns |= {f"number_{i}": numbers[:, i] for i in range(12)}
    categories = [rng.integers(0, n_values, n_rows) for n_values in (3, 8, 20, 50, 2000)]
    columns |= {f"category_{i}": np.char.add("c", values.astype(str)) for i, values in enumerate(categories)}
    columns |= {
        "count": rng.poisson(3, n_rows),
        "age": rng.integers(18, 80, n_rows),
        "member": rng.random(n_rows) < 0.3,
    }
    effect = rng.normal(size=2000)
    score = numbers[:, 0] + numbers[:, 1] * (categories[0] == 1) + 0.5 * effect[categories[4]] + 0.02 * columns["age"]  # type: ignore[operator]
    noise = rng.logistic(size=n_rows)
    columns["y"] = np.where(score + noise > np.median(score), "yes", "no")
    return pa.table(columns)


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command in a process of its own; return seconds and its peak memory in MB, children included."""
    script = (
        "import resource, subprocess, sys, time; begun = time.perf_counter(); "
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode; "
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024; "
        "print(time.perf_counter() - begun, peak); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=folder, capture_output=True, text=True, check=True
    )
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


def loop_once(n_rows: int) -> dict[str, float]:
    """Seconds from the file to the first prediction, through the command line as a user would."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = make_rows(n_rows)
        pa.csv.write_csv(table, folder / "rows.csv")
        pa.csv.write_csv(table.slice(0, 1), folder / "one.csv")
        (folder / "cauce.toml").write_text(PROJECT, encoding="utf-8")
        cauce = [sys.executable, "-m", "cauce"]
        up_s, up_mb = timed([*cauce, "up", "--once", "--quiet"], folder)
        first_s, _ = timed([*cauce, "predict", "first", "one.csv", "-o", "out.csv"], folder)
        again_s, _ = timed([*cauce, "up", "--once", "--quiet"], folder)
        control_s, control_mb = timed([sys.executable, "-c", CONTROL], folder)
    return {
        "up_s": up_s, "first_prediction_s": up_s + first_s, "up_again_s": again_s, "peak_mb": up_mb,
        "control_s": control_s, "control_peak_mb": control_mb,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    result: dict[str, object] = {
        "question": "seconds from file to first prediction, and peak memory",
        "n_columns": N_COLUMNS,
        "seed": SEED,
        "repeats": arguments.repeats,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "versions": {name: version(name) for name in ("cauce", "lightgbm", "scikit-learn", "duckdb", "deltalake")},
        "sizes": {},
    }
    for n_rows in arguments.sizes:
        runs = [loop_once(n_rows) for _ in range(arguments.repeats if n_rows < 1_000_000 else 1)]
        summary = {
            key: {
                "median": round(statistics.median(values), 2),
                "min": round(min(values), 2),
                "max": round(max(values), 2),
            }
            for key in runs[0]
            for values in [[run[key] for run in runs]]
        }
        result["sizes"][str(n_rows)] = {"runs": len(runs), **summary}  # type: ignore[index]
        print(n_rows, {key: value["median"] for key, value in summary.items()}, flush=True)
    (HERE / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
