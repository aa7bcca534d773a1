"""How long the profile and the checks take, and in how much memory; beside Evidently, fg-data-profiling and pandas.

Every measurement is a process of its own, one after another. The peers live in environments of their own, made here
once. What is measured stays in `work/state.json`: a run that was cut off goes on where it stopped, `--again` forgets
it. `--long` adds Evidently on a million rows and the peers' slow defaults (some twenty minutes more).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WORK = HERE / "work"
ENVIRONMENTS = {
    "evidently": ("evidently", "pandas<3", "pyarrow"),
    "profiling": ("fg-data-profiling", "pyarrow"),
}
TABLES = {"100k": (100_000, 30), "1M": (1_000_000, 30), "10M": (10_000_000, 30), "wide": (2_000, 400)}
LIMIT_S = 600
OURS = ("cauce", "numpy", "pyarrow", "datasketches", "scikit-learn")
PEERS = ("evidently", "fg-data-profiling", "pandas", "numpy", "pyarrow")


def environment(name: str) -> str:
    """Return the Python of a peer's own environment, made where it is not there."""
    folder = WORK / f".{name}"  # hidden, so that no linter walks through it
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"making the environment of {name}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *ENVIRONMENTS[name]], check=True)
        (folder / "ready").touch()
    return str(python)


def table(name: str) -> str:
    """Return the path of a table, written where it is not there."""
    path = WORK / f"{name}.parquet"
    if not path.exists():
        subprocess.run([sys.executable, "table.py", str(path), *map(str, TABLES[name])], cwd=HERE, check=True)
    return str(path)


def measured(command: list[str], limit_s: float) -> dict[str, Any]:
    """Run one process; return what it printed as JSON on its last line, with its CPU seconds and peak memory."""
    script = (
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE, text=True, timeout=float(sys.argv[1]))\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "said = json.loads(done.stdout.strip().splitlines()[-1])\n"
        "print(json.dumps(said | {'cpu_s': used.ru_utime + used.ru_stime, 'peak_mb': used.ru_maxrss / 1024}))\n"
    )
    begun = time.perf_counter()
    whole = [sys.executable, "-c", script, str(limit_s), *command]
    environ = os.environ | {"DO_NOT_TRACK": "1", "MPLBACKEND": "agg"}
    done = subprocess.run(whole, capture_output=True, text=True, env=environ, cwd=HERE, check=False)
    if done.returncode:
        late = "TimeoutExpired" in done.stderr
        reason = f"not finished after {limit_s:.0f} s" if late else done.stderr.strip().splitlines()[-1][:200]
        return {"failed": reason, "wall_s": round(time.perf_counter() - begun, 1)}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def steps(*, long: bool) -> dict[str, Callable[[], dict[str, Any]]]:
    """Name → measurement, in the order in which they run."""

    def ours(name: str, *more: str) -> Callable[[], dict[str, Any]]:
        return lambda: measured([sys.executable, "ours.py", table(name), *more], LIMIT_S)

    def peer(which: str, script: str, name: str, *more: str, limit_s: float = 300) -> Callable[[], dict[str, Any]]:
        return lambda: measured([environment(which), script, table(name), *more], limit_s)

    found = {
        "cauce 1M x 30": ours("1M"),
        "cauce 2,000 x 400": ours("wide"),
        "cauce 10M x 30": ours("10M"),
        "cauce profile 100k x 30": ours("100k", "--profile-only"),
        "cauce profile 1M x 30": ours("1M", "--profile-only"),
        "pandas describe 100k x 30": peer("evidently", "control.py", "100k"),
        "pandas describe 1M x 30": peer("evidently", "control.py", "1M"),
        "evidently 100k x 30": peer("evidently", "peer_evidently.py", "100k"),
        "fg-data-profiling minimal 100k x 30": peer("profiling", "peer_profiling.py", "100k"),
        "fg-data-profiling minimal 1M x 30": peer("profiling", "peer_profiling.py", "1M"),
    }
    if long:
        found["evidently 1M x 30"] = peer("evidently", "peer_evidently.py", "1M", limit_s=900)
        found["fg-data-profiling default 100k x 30"] = peer(
            "profiling", "peer_profiling.py", "100k", "--full", limit_s=900
        )
    return found


def ratios(done: dict[str, dict[str, Any]]) -> dict[str, dict[str, float | str]]:
    """Say how many times as long each peer takes as Cauce's profile, reading the file included on both sides."""
    found: dict[str, dict[str, float | str]] = {}
    for name, measure in done.items():
        size = next((size for size in ("100k", "1M") if f" {size} x 30" in name), None)
        if size is None or name.startswith("cauce"):
            continue
        ours = done.get(f"cauce profile {size} x 30", {"failed": "not measured"})
        if "failed" in ours:
            continue
        if "failed" in measure:
            found[name] = {"at_least": round(measure["wall_s"] / ours["profile_s"], 1), "why": measure["failed"]}
        else:
            wall, cpu = measure["all_s"] / ours["profile_s"], measure["cpu_s"] / ours["cpu_s"]
            found[name] = {"wall": round(wall, 1), "cpu": round(cpu, 1)}
    return found


def versions() -> dict[str, dict[str, str]]:
    """Return the versions that were measured: ours and those in each peer's environment."""
    found = {"cauce": {name: version(name) for name in OURS}}
    ask = (
        "import json, sys\nfrom importlib.metadata import version, PackageNotFoundError\nfound = {}\n"
        "for name in sys.argv[1:]:\n    try: found[name] = version(name)\n    except PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    for name in ENVIRONMENTS:
        said = subprocess.run([environment(name), "-c", ask, *PEERS], capture_output=True, text=True, check=True)
        found[name] = json.loads(said.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="store_true", help="forget what was measured before")
    parser.add_argument("--long", action="store_true", help="add the peers that take minutes")
    parser.add_argument("--only", default="", help="measure what has this in its name")
    parser.add_argument("--note", default="", help="written into result.json, such as what else ran on the machine")
    arguments = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    state = WORK / "state.json"
    done: dict[str, dict[str, Any]] = {}
    if state.exists() and not arguments.again:
        done = json.loads(state.read_text(encoding="utf-8"))
    for name, step in steps(long=arguments.long).items():
        if name not in done and arguments.only in name:
            print(name, file=sys.stderr, flush=True)
            done[name] = {"load_before": round(os.getloadavg()[0], 1)} | step()
            state.write_text(json.dumps(done), encoding="utf-8")
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    result = {
        "question": "seconds and memory of the profile and of every check that fits no model, beside its peers",
        "seed": 20_261,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "commit": head.stdout.strip(),
        "versions": versions(),
        "note": arguments.note,
        "ratios": ratios(done),
        "measured": {name: _rounded(done[name]) for name in steps(long=True) if name in done},
    }
    (HERE / "result.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(result["ratios"], indent=1))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 3) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
