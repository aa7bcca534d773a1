"""What the service's processes take of the machine, together, under the names that Prometheus' clients agree on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

PROC = Path("/proc")
HELP = {
    "process_cpu_seconds": "CPU seconds of all processes of the service, ended workers included.",
    "process_resident_memory_bytes": "Memory of all processes of the service; what they share counts once.",
    "process_virtual_memory_bytes": "Virtual memory of all processes of the service.",
    "process_open_fds": "Open file descriptors of all processes of the service.",
    "process_max_fds": "File descriptors that they may open, all limits together.",
    "process_start_time_seconds": "When the service began, in seconds since the Unix epoch.",
}


def usage(pids: Sequence[int]) -> Iterable[Metric]:
    """Return the process figures, summed; nothing where the system has no /proc.

    Parameters
    ----------
    pids
        The parent, or the only process, first.
    """
    found: dict[str, list[float]] = {}
    for pid in pids:
        for name, value in _one(pid):
            found.setdefault(name, []).append(value)
    if len(pids) > 1:
        _correct(found, pids)
    for name, values in found.items():
        value = values[0] if name == "process_start_time_seconds" else sum(values)
        kind = CounterMetricFamily if name == "process_cpu_seconds" else GaugeMetricFamily
        yield kind(name, HELP[name], value=value)


def _one(pid: int) -> Iterable[tuple[str, float]]:
    try:
        families = list(ProcessCollector(pid=lambda: pid, registry=None).collect())
    except (ValueError, OSError):  # no limit on open files is the word `unlimited`; a process may end meanwhile
        return
    for family in families:
        for sample in family.samples:
            yield family.name, sample.value


def _correct(found: dict[str, list[float]], pids: Sequence[int]) -> None:
    """Count pages that workers share with their parent once, and the CPU of workers that ended."""
    shares = [_proportional_bytes(pid) for pid in pids]
    if all(share is not None for share in shares):
        found["process_resident_memory_bytes"] = [share for share in shares if share is not None]
    found.setdefault("process_cpu_seconds", []).append(_ended_cpu_s(pids[0]))


def _proportional_bytes(pid: int) -> float | None:
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _ended_cpu_s(parent: int) -> float:
    try:
        fields = (PROC / str(parent) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
