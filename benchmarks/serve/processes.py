"""Processes that are started, pinned, measured and ended as a whole, whatever they have forked.

A tree is everything that descends from the process, shares its session, or carries its mark in its environment (Ray's
processes leave session and parent). Orphans come back to this process, so that none survives it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
MARK = "SERVE_BENCH_MARK"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
SERVER_CORE, CLIENT_CORE = 1, 0
ALIVE: list[Running] = []


@dataclass(eq=False)
class Running:
    """A process and all that it has started."""

    process: subprocess.Popen[bytes]
    mark: str
    begun: float
    """Monotonic seconds."""
    log: Path
    port: int
    seen: set[int] = field(default_factory=set)

    def pids(self) -> set[int]:
        """Return the processes of the tree."""
        parents = _parents()
        found = {self.process.pid} & parents.keys()
        grown = True
        while grown:
            roots = {*found, self.process.pid}
            more = {pid for pid, (parent, session) in parents.items() if parent in found or session in roots}
            grown = not more <= found
            found |= more
        found |= {pid for pid in parents if pid not in found and self.mark in _environment(pid)}
        self.seen |= found
        return found

    def workers(self) -> list[int]:
        """Return the processes of its session beside itself: a fold, which ends by itself, has a session of its own."""
        own = self.process.pid
        return sorted(pid for pid, (_, session) in _parents().items() if session == own != pid)

    def memory(self) -> dict[str, float]:
        """Return the tree's resident and proportional memory, in MB of 1,000,000 bytes, and its processes."""
        pids = self.pids()
        sizes = [_rollup(pid) for pid in pids]
        return {
            "rss_mb": sum(size.get("Rss", 0) for size in sizes) * 1024 / 1e6,
            "pss_mb": sum(size.get("Pss", 0) for size in sizes) * 1024 / 1e6,
            "processes": len(pids),
        }

    def cpu_s(self) -> float:
        """Return the processor seconds that the tree has used so far."""
        return sum(_cpu(pid) for pid in self.pids())

    def stop(self, patience_s: float = 8.0) -> None:
        """End it in order, then whatever is left, for good."""
        pids = self.pids()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience_s)
        self.kill(pids)

    def kill(self, pids: Iterable[int] = ()) -> None:
        """End the tree at once, as a power cut would."""
        for _ in range(20):
            left = {pid for pid in {*pids, *self.pids(), *self.seen} if self._ours(pid)}
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.2)
            _reap()
            if not left:
                break
            time.sleep(0.05)
        if self in ALIVE:
            ALIVE.remove(self)

    def _ours(self, pid: int) -> bool:
        """Whether a process that was seen is still there and the same: numbers are used again."""
        parents = _parents()
        if pid not in parents:
            return False
        parent, session = parents[pid]
        known = {self.process.pid, os.getpid(), *self.seen}
        return (
            pid == self.process.pid or session == self.process.pid or parent in known or self.mark in _environment(pid)
        )


def start(
    command: Sequence[str | Path], *, port: int, folder: Path, env: Mapping[str, str], core: int | None = None
) -> Running:
    """Start a server in a session of its own; its words go to a file in `folder`."""
    _adopt()
    mark = secrets.token_hex(8)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"said-{port}.txt"
    with log.open("ab") as said:
        begun = time.monotonic()
        process = subprocess.Popen(
            [*pinned(core), *map(str, command)], cwd=folder, stdout=said, stderr=said, stdin=subprocess.DEVNULL,
            env={**env, MARK: mark}, start_new_session=True,
        )  # fmt: skip
    running = Running(process, f"{MARK}={mark}", begun, log, port)
    ALIVE.append(running)
    return running


def pinned(core: int | None) -> tuple[str, ...]:
    """Return what stands before a command so that it runs on a core, or on all: this process has one of its own."""
    return ("taskset", "-c", str(core) if core is not None else f"0-{(os.cpu_count() or 1) - 1}")


def environment(home: Path, extra: Mapping[str, str] = {}) -> dict[str, str]:
    """Return the environment of a server: what it writes beside itself lands in `home`, nothing is reported home."""
    for name in ("tmp", "home"):
        (home / name).mkdir(parents=True, exist_ok=True)
    quiet = {"DO_NOT_TRACK": "1", "BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0"}
    quiet |= {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONDONTWRITEBYTECODE": "", "PYTHONUNBUFFERED": "1"}
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "USER") if name in os.environ}
    own = {"HOME": str(home / "home"), "TMPDIR": str(home / "tmp"), "BENTOML_HOME": str(home / "home" / "bentoml")}
    return {**kept, **quiet, **ONE_THREAD, **own, **extra}


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def stop_all() -> None:
    """End everything that was started here."""
    for running in ALIVE:
        running.kill()


def _parents() -> dict[int, tuple[int, int]]:
    """Return each living process with its parent and session."""
    found = {}
    for entry in os.scandir(PROC):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (PROC / entry.name / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if fields[0] != "Z":
                    found[int(entry.name)] = (int(fields[1]), int(fields[3]))
    return found


def _environment(pid: int) -> str:
    try:
        return (PROC / str(pid) / "environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _rollup(pid: int) -> dict[str, int]:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def _cpu(pid: int) -> float:
    try:
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _adopt() -> None:
    """Take orphans of what is started here as children, and end all with this process, also on SIGTERM."""
    if getattr(_adopt, "done", False):
        return
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    atexit.register(stop_all)
    _end_leftovers()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    _adopt.done = True  # type: ignore[attr-defined]


def _end_leftovers() -> None:
    """End what a run that was itself killed has left: it bears our mark, and its parent is nobody's."""
    for pid, (parent, _) in _parents().items():
        if parent == 1 and f"{MARK}=" in _environment(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _reap() -> None:
    """Collect adopted orphans that have ended; never a child that a Popen waits for."""
    waited = {running.process.pid for running in ALIVE}
    for pid, (parent, _) in _parents_with_zombies().items():
        if parent == os.getpid() and pid not in waited:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _parents_with_zombies() -> dict[int, tuple[int, str]]:
    found = {}
    for entry in os.scandir(PROC):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (PROC / entry.name / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if fields[0] == "Z":
                    found[int(entry.name)] = (int(fields[1]), fields[0])
    return found
