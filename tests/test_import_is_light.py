"""Importing Cauce and asking for help load none of the heavy libraries and are quick."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("pyarrow", "pandas", "duckdb", "ibis", "deltalake", "sklearn", "scipy", "lightgbm", "mlflow", "fastapi",
         "numpy", "datasketches", "sqlalchemy", "uvicorn", "optuna", "numba", "httpx")  # fmt: skip

PROBE = """
import json, sys, time
begun = time.perf_counter()
{statement}
seconds = time.perf_counter() - begun
print(json.dumps({{"seconds": seconds, "modules": sorted(sys.modules)}}))
"""


def probe(statement: str) -> tuple[float, set[str]]:
    """Run a statement in a fresh interpreter: the best of three times, and what was loaded."""
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", PROBE.format(statement=statement)], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return min(run["seconds"] for run in runs), set(runs[0]["modules"])


def test_import_cauce_is_light() -> None:
    seconds, loaded = probe("import cauce")
    assert not loaded & set(HEAVY)
    assert seconds < 0.3


def test_help_loads_no_heavy_library() -> None:
    seconds, loaded = probe("from cauce.__main__ import run; assert run(['--help']) == 0")
    assert not loaded & set(HEAVY)
    assert seconds < 0.6
