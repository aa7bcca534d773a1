"""`cauce doctor`: the environment, what the project takes on disk, who holds it, and what can be cleaned."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cauce.core.locks import holder
from cauce.core.state import State

LIBRARIES = (
    "cauce", "duckdb", "ibis-framework", "deltalake", "pyarrow", "numpy", "scipy", "scikit-learn", "lightgbm",
    "mlflow-skinny", "fastapi", "uvicorn", "pydantic",
)  # fmt: skip
PARTS = ("lake", "ledger", "models", "mlflow.db", "record", "runs", "secrets")


@dataclass(frozen=True)
class Health:
    """What the doctor saw."""

    python: str
    platform: str
    libraries: dict[str, str]
    """Library → version, or ``"missing"``."""
    disk_free: int
    """Bytes free on the project's disk."""
    disk_use: dict[str, int]
    """Part of `.cauce/` → bytes."""
    locks: dict[str, dict[str, object] | None]
    """Lock → its holder's pid and command, or None."""
    cleanable: int
    """Bytes under `runs/`, which is rebuilt when needed."""
    cleaned: bool


def examine(state: State, *, clean: bool = False) -> Health:
    """Look at the project's environment and state; with `clean`, throw away what can be rebuilt."""
    if clean and holder(state.locks / "loop.lock") is None:
        shutil.rmtree(state.runs, ignore_errors=True)
    else:
        clean = False
    return Health(
        python=platform.python_version() + " " + sys.executable,
        platform=platform.platform(),
        libraries={name: _version(name) for name in LIBRARIES},
        disk_free=shutil.disk_usage(state.project).free,
        disk_use={part: size_of(state.root / part) for part in PARTS},
        locks={name: holder(state.locks / name) for name in ("loop.lock", "serve.lock", "watch.lock", "track.lock")},
        cleanable=size_of(state.runs),
        cleaned=clean,
    )


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 where there is none."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
