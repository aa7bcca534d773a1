"""What a figure was measured on, and how busy others kept it."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def now() -> dict[str, Any]:
    """Return commit, cores and load."""
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"commit": told.stdout.strip(), "load": round(os.getloadavg()[0], 2), "at": at}


def described() -> dict[str, Any]:
    """Return what stays the same in a run."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    ours = ("cauce", "lightgbm", "numpy", "uvicorn", "uvloop", "httptools", "orjson", "fastapi")
    return {
        "cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version(),
        "cauce": {name: version(name) for name in ours},
    }  # fmt: skip


def busy(seconds: float = 0.3) -> float:
    """Return the share of all cores that somebody used while nothing of ours ran."""
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    idle, total = after[0] - before[0], after[1] - before[1]
    return round(1.0 - idle / total, 3) if total else 0.0


def _ticks() -> tuple[int, int]:
    fields = [int(each) for each in Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:]]
    return fields[3] + fields[4], sum(fields[:8])
