"""Does the service keep its word while releases change under it and its processes are killed?

    python -m benchmarks.serve.soak --work FOLDER [--minutes 30] [--workers 2] [--rate 60] [--quick]

Two services, the same load on both: `killed` has a worker or all of it killed, or is ended in order, once a minute;
`steady` is never ended, so that its memory can be told flat or not. Both see the same promotions and roll-backs between
two releases that answer otherwise. What was acknowledged is looked up in the ledger at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.serve import machine, processes, project, reckoning, soak_load, table
from benchmarks.serve.processes import Running
from benchmarks.serve.soak_load import Load, Pool

HERE = Path(__file__).resolve().parent
PROMOTE_AT, KILL_AT, BACK_AT, ROUND_S = 8.0, 26.0, 44.0, 60.0
SAMPLE_S = 5.0
CALM_S = 3.0
"""How long after a restart a broken connection still counts as its doing."""
KILLS = ("worker", "whole", "in order")


@dataclass(eq=False)
class Site:
    """One service and all that is known of it."""

    name: str
    folder: Path
    port: int
    workers: int
    scratch: Path
    running: Running | None = None
    disturbed_until: float = 0.0
    disturbance: str = ""
    """What was last done to it."""
    life: int = 0
    starts_s: list[float] = field(default_factory=list)
    memory: list[tuple[float, float, float]] = field(default_factory=list)
    """Minutes since the begin, PSS and RSS in MB."""

    def start(self) -> None:
        """Start it; `wait` says when it answers."""
        env = {**project.environment(), "CAUCE_SERVE__WORKERS": str(self.workers)}
        command = [*project.CAUCE, "serve", "--port", str(self.port), "--quiet"]
        self.running = processes.start(command, port=self.port, folder=self.folder, env=env)
        self.life += 1

    async def wait(self, *, started: bool = True) -> None:
        """Wait until it is ready, and note how long that took where it was just started."""
        assert self.running is not None
        while True:
            if self.running.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {self.running.log.read_text()[-1500:]}")
            if await soak_load.status(self.port, "/readyz") == 200:
                if started:
                    self.starts_s.append(time.monotonic() - self.running.begun)
                return
            await asyncio.sleep(0.05)

    @property
    def disturbed(self) -> bool:
        """Whether a kill or restart is under way, or just was."""
        return time.monotonic() < self.disturbed_until


def main() -> None:
    """Run, reckon, and write soak.json and the README's part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=60.0, help="requests a second and service")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="three rounds of 20 s")
    parser.add_argument("--out", type=Path, default=HERE)
    given = parser.parse_args()
    speed = 3.0 if given.quick else 1.0
    minutes = 1.0 if given.quick else given.minutes
    pool, folders = prepared(given.work.resolve())
    sites = [
        Site(name, folder, processes.free_port(), given.workers, given.work / "scratch")
        for name, folder in folders.items()
    ]
    loads = {site.name: Load(site, pool, random.Random(f"{given.seed}-{site.name}")) for site in sites}
    acts: list[dict[str, Any]] = []
    try:
        asyncio.run(_run(sites, loads, acts, minutes * 60, speed, given.rate))
        for site in sites:
            assert site.running is not None
            site.running.stop(40.0)
    finally:
        processes.stop_all()
    result = {
        "question": "acknowledged rows lost, answers of a wrong release, memory",
        "machine": machine.described(),
        **machine.now(),
        "minutes": minutes,
        "workers": given.workers,
        "rate": given.rate,
        "quick": given.quick,
        "acts": _counted(acts),
        "sites": {site.name: reckoning.reckon(site, loads[site.name], pool) for site in sites},
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "soak.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    table.fill(given.out / "README.md", "soak.py", reckoning.page(result))
    print(reckoning.page(result))
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)


def prepared(work: Path) -> tuple[Pool, dict[str, Path]]:
    """Return rows with the answers of both releases, and a project a service, both releases in it."""
    base = work / "project-soak"
    trained = project.make(base, "boosting", n_rows=4_000)
    if not (base / "second").exists():
        project.write_rows(base, seed=project.SEED + 5, turned=True, n_rows=4_000)
        project.command("train", "--quiet", folder=base, allowed=(0, 4))
        (base / "second").touch()
    rows = trained.rows[:2_048]
    expected = {version: project.answers(base, rows, version=version) for version in (1, 2)}
    apart = np.abs(expected[1] - expected[2]) > 1e-3
    pool = Pool(rows[apart], {version: found[apart] for version, found in expected.items()})
    folders = {name: work / f"project-soak-{name}" for name in ("killed", "steady")}
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base, folder)
        shutil.rmtree(folder / ".cauce" / "ledger", ignore_errors=True)
    return pool, folders


async def _run(
    sites: list[Site], loads: dict[str, Load], acts: list[dict[str, Any]], seconds: float, speed: float, rate: float
) -> None:
    for site in sites:
        site.start()
    await asyncio.gather(*(site.wait() for site in sites))
    begun = time.monotonic()
    asking = [asyncio.create_task(loads[site.name].run(begun + seconds, rate)) for site in sites]
    beside = [asyncio.create_task(_sampled(site, begun)) for site in sites]
    beside.append(asyncio.create_task(_acts(sites, acts, begun, seconds, speed)))
    try:
        await asyncio.gather(*asking)
    finally:
        for task in beside:
            task.cancel()
        for found in await asyncio.gather(*beside, return_exceptions=True):
            if isinstance(found, Exception):
                raise found
    await asyncio.gather(*(site.wait(started=False) for site in sites))


async def _sampled(site: Site, begun: float) -> None:
    """Note the memory of the tree from time to time."""
    while True:
        if site.running is not None and not site.disturbed:
            found = await asyncio.to_thread(site.running.memory)
            site.memory.append(((time.monotonic() - begun) / 60, found["pss_mb"], found["rss_mb"]))
        await asyncio.sleep(SAMPLE_S)


async def _acts(sites: list[Site], acts: list[dict[str, Any]], begun: float, seconds: float, speed: float) -> None:
    """Promote, kill and roll back, every minute (every 20 seconds in a quick run)."""
    number = 0
    rng = random.Random(0)
    while (time.monotonic() - begun) < seconds - 10 / speed:
        start = begun + number * ROUND_S / speed
        await _until(start + PROMOTE_AT / speed)
        await asyncio.gather(*(_moved(site, acts, "promote", "--version", "2") for site in sites))
        await _until(start + KILL_AT / speed)
        await _disturb(sites[0], KILLS[number % len(KILLS)], acts, rng)
        await _until(start + BACK_AT / speed)
        await asyncio.gather(*(_moved(site, acts, "rollback", "--version", "1") for site in sites))
        number += 1
        await _until(start + ROUND_S / speed)


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


async def _moved(site: Site, acts: list[dict[str, Any]], *words: str) -> None:
    """Give the alias to another version by the command line; 4 means that it is there already."""
    reason = ("--reason", "the soak moves the alias on purpose")
    begun = time.monotonic()
    command = (words[0], "model", *words[1:], *reason, "--quiet")
    try:
        await asyncio.to_thread(lambda: project.command(*command, folder=site.folder, allowed=(0, 4)))
    except RuntimeError as error:
        acts.append({"act": f"{words[0]} failed", "site": site.name, "why": str(error)[-300:]})
        return
    acts.append({"act": words[0], "site": site.name, "seconds": time.monotonic() - begun})


async def _disturb(site: Site, kind: str, acts: list[dict[str, Any]], rng: random.Random) -> None:
    """Kill a worker, kill everything, or end it in order and start it again."""
    running = site.running
    assert running is not None
    workers = running.workers()
    if kind == "worker" and not workers:
        kind = "whole"
    site.disturbed_until, site.disturbance = float("inf"), kind
    if kind == "worker":
        victim = rng.choice(workers)
        os.kill(victim, signal.SIGKILL)
    else:
        if kind == "whole":
            await asyncio.to_thread(running.kill)
        else:
            await asyncio.to_thread(running.stop, 40.0)
        site.start()
    acts.append({"act": f"killed: {kind}" if kind != "in order" else "ended in order", "site": site.name})
    await site.wait(started=kind != "worker")
    site.disturbed_until = time.monotonic() + CALM_S


def _counted(acts: list[dict[str, Any]]) -> dict[str, Any]:
    slow = [act["seconds"] for act in acts if "seconds" in act]
    failed = [act for act in acts if "why" in act]
    return {"counts": dict(Counter(act["act"] for act in acts)), "command_s": table.spread(slow), "failed": failed[:5]}


if __name__ == "__main__":
    main()
