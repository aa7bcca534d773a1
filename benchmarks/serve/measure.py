"""The two generators as functions: wrk for a closed loop, openloop.py for times drawn beforehand."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serve.processes import pinned

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
Figures = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """Where requests go, and with what."""

    port: int
    path: str
    bodies: Path
    """One JSON body a line."""
    token: str = ""


def closed(target: Target, *, concurrency: int, seconds: int, core: int | None) -> Figures:
    """Ask by wrk on one thread over kept-alive connections; only good answers count in `per_s`."""
    command = [
        *pinned(core),
        "wrk",
        "-t1",
        f"-c{concurrency}",
        f"-d{seconds}s",
        "--timeout",
        "10s",
        "-s",
        str(HERE / "wrk.lua"),
        f"http://127.0.0.1:{target.port}{target.path}",
        "--",
        str(target.bodies),
        target.token,
    ]
    said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    lines = [line for line in said.stdout.splitlines() if line.startswith("FIGURES ")]
    if not lines:
        raise RuntimeError(f"wrk said nothing: {said.stdout[-400:]} {said.stderr[-400:]}")
    found: Figures = json.loads(lines[0].removeprefix("FIGURES "))
    good = found["requests"] - found["bad_status"]
    return {**found, "per_s": good / found["seconds"], "errors": found["failed"] + found["bad_status"]}


def opened(
    target: Target,
    *,
    rate: float,
    seconds: float,
    core: int | None,
    drop: float = 0.5,
    seed: int = 0,
    connections: int = 512,
) -> Figures:
    """Ask at Poisson times from a process of its own."""
    command = [
        *pinned(core),
        sys.executable,
        "-m",
        "benchmarks.serve.openloop",
        "--port",
        str(target.port),
        "--path",
        target.path,
        "--bodies",
        str(target.bodies),
        "--token",
        target.token,
        "--rate",
        str(rate),
        "--seconds",
        str(seconds),
        "--drop",
        str(drop),
        "--seed",
        str(seed),
        "--connections",
        str(connections),
    ]
    said = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 90, check=False, env=_with_root()
    )
    if said.returncode:
        raise RuntimeError(f"the open loop failed: {said.stderr[-600:]}")
    found: Figures = json.loads(said.stdout.splitlines()[-1])
    return found


def _with_root() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
