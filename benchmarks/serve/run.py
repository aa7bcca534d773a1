"""Cauce's service beside what people use today: one model, one machine, one run.

    python -m benchmarks.serve.run --work FOLDER [--envs FOLDER] [--parts PART ...] [--names NAME ...] [--quick]

Every start of a server is one record below `--work`/runs, kept when it is done: the same command goes on where it was
stopped. At the end `result.json`, the tables of the README and the picture are written from all that is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.serve import contenders, machine, measure, processes, project, table
from benchmarks.serve.contenders import CONTENDERS, Case, Contender
from benchmarks.serve.processes import CLIENT_CORE, SERVER_CORE

HERE = Path(__file__).resolve().parent
CONCURRENCY = (1, 8, 64)
PARTS = ("ceiling", "cells", "workers", "ledger", "open")
DEFAULT = (
    "cauce",
    "fastapi_naive",
    "fastapi_thread",
    "fastapi_lean",
    "fastapi_bare",
    "mlflow",
    "bentoml",
    "litserve",
    "mlserver",
    "ray",
)
TWO = ("cauce", "fastapi_naive", "mlflow", "bentoml", "litserve", "mlserver", "ray")
PRICE = ("cauce", "cauce_relaxed", "cauce_unwritten")
OPEN = (("cauce", "boosting"), ("cauce", "linear"), ("fastapi_naive", "boosting"))
SHARE = 0.7


@dataclass(frozen=True)
class Plan:
    """What is run and for how long."""

    work: Path
    envs: Path
    seconds: int
    rounds: int
    pairs: int
    names: tuple[str, ...]
    quick: bool

    @property
    def taken(self) -> Path:
        """Folder of what the peers get."""
        return self.work / "taken"

    def trained(self, kind: str, *, variant: str = "") -> project.Trained:
        """Return a project; a variant is a copy, so that two services can run side by side."""
        made = project.make(self.work / f"project-{kind}", kind)
        if not variant:
            return made
        folder = self.work / f"project-{kind}-{variant}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made.folder, folder)
        return replace(made, folder=folder)

    def case(self, kind: str, workers: int, trained: project.Trained | None = None) -> Case:
        """Return what is to be started, on a free port."""
        given = trained or self.trained(kind)
        return Case(given, self.taken, self.envs, workers, processes.free_port(), self.work / "scratch")


def main() -> None:
    """Run what is not kept yet, then write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--envs", type=Path, default=Path("/tmp/serve-peers"), help="where the peers' environments are")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--names", nargs="+", default=list(DEFAULT), choices=list(CONTENDERS))
    parser.add_argument("--seconds", type=int, default=2, help="of each cell and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=12, help="rounds of the ledger's price")
    parser.add_argument("--quick", action="store_true", help="one round of one second: shows that all of it runs")
    parser.add_argument("--report", action="store_true", help="run nothing, write the results of what is kept")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of result.json, README.md and the picture")
    given = parser.parse_args()
    seconds, rounds, pairs = (1, 1, 2) if given.quick else (given.seconds, given.rounds, given.pairs)
    os.sched_setaffinity(0, {CLIENT_CORE})  # what waits and checks stands in no server's way
    plan = Plan(given.work.resolve(), given.envs.resolve(), seconds, rounds, pairs, tuple(given.names), given.quick)
    (plan.work / "runs").mkdir(parents=True, exist_ok=True)
    if not given.report:
        for kind in project.KINDS:
            project.take(plan.trained(kind), plan.taken)
        contenders.prepare(plan.envs, plan.taken, list(plan.names))
        for part in given.parts:
            begun = time.monotonic()
            {"ceiling": ceiling, "cells": cells, "workers": workers, "ledger": ledger, "open": opened}[part](plan)
            print(f"{part}: {time.monotonic() - begun:.0f} s", flush=True)
    settings = {"seconds": seconds, "rounds": rounds, "pairs": pairs, "quick": given.quick}
    result = table.summarise(plan.work / "runs", settings, plan.envs)
    table.write(given.out, result)


def keep(plan: Plan, stem: str, record: dict[str, Any]) -> None:
    """Write a record whole, and say it in a line."""
    path = plan.work / "runs" / f"{stem}.json"
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(record), encoding="utf-8")
    draft.replace(path)
    told = {key: value for key, value in record.items() if key in {"start_s", "pss_mb", "failed"}}
    rates = [f"{cell['rows']}×{cell['concurrency']}: {cell['per_s']:.0f}" for cell in record.get("cells", [])]
    print(time.strftime("%H:%M:%S"), stem, json.dumps(told), *rates, flush=True)


def kept(plan: Plan, stem: str) -> bool:
    """Whether a record is there, and tells of no failure."""
    path = plan.work / "runs" / f"{stem}.json"
    return path.exists() and "failed" not in json.loads(path.read_text(encoding="utf-8"))


def turned(names: tuple[str, ...], number: int, rounds: int) -> tuple[str, ...]:
    """Return names in an order that is another one each round, so that nobody always comes after the same."""
    shift = number * len(names) // max(1, rounds)
    order = names[shift:] + names[:shift]
    return order if number % 2 == 0 else order[::-1]


def ceiling(plan: Plan) -> None:
    """Measure the generators on a server that does nothing, pinned as all others are."""
    if kept(plan, "ceiling"):
        return
    trained = plan.trained("boosting")
    port = processes.free_port()
    command = [project.CAUCE[0], str(HERE / "echo.py"), str(port)]
    env = processes.environment(plan.work / "scratch")
    running = processes.start(command, port=port, folder=plan.work / "scratch", env=env, core=SERVER_CORE)
    try:
        time.sleep(1.0)
        cells = []
        for size in project.SIZES:
            bodies = plan.taken / f"bodies-named-{size}.txt"
            project.write_bodies(bodies, trained.rows, size, project.named)
            target = measure.Target(port, "/", bodies)
            for n in CONCURRENCY:
                found = measure.closed(target, concurrency=n, seconds=plan.seconds, core=CLIENT_CORE)
                cells.append({"rows": size, "concurrency": n, **found})
        one = measure.Target(port, "/", plan.taken / "bodies-named-1.txt")
        rates = [
            measure.opened(one, rate=rate, seconds=max(2, plan.seconds), core=CLIENT_CORE)
            for rate in (1_000, 5_000, 10_000, 20_000)
        ]
    finally:
        running.stop()
    keep(plan, "ceiling", {"part": "ceiling", "cells": cells, "open": rates, "machine": machine.now()})


def cells(plan: Plan) -> None:
    """Measure everybody with one worker on a core of its own."""
    for number in range(plan.rounds):
        for kind in project.KINDS if number % 2 == 0 else project.KINDS[::-1]:
            for name in turned(plan.names, number, plan.rounds):
                if kind in CONTENDERS[name].kinds:
                    _grid(plan, f"cells-{name}-{kind}-{number}", name, kind, workers=1)


def workers(plan: Plan) -> None:
    """Measure those that can with two workers; neither they nor the generator are pinned."""
    names = tuple(name for name in TWO if name in plan.names)
    for number in range(plan.rounds):
        for name in turned(names, number, plan.rounds):
            _grid(plan, f"workers-{name}-boosting-{number}", name, "boosting", workers=2)


def _grid(plan: Plan, stem: str, name: str, kind: str, *, workers: int) -> None:
    """Start a server, check its answers, measure its cells, its memory and its start, and end it."""
    if kept(plan, stem):
        return
    contender = contenders.of(name, kind)
    case = plan.case(kind, workers)
    pinned = workers == 1
    record: dict[str, Any] = {
        "part": stem.split("-")[0],
        "contender": name,
        "kind": kind,
        "workers": workers,
        "round": int(stem.split("-")[-1]),
        "pinned": pinned,
        "busy_before": machine.busy(),
        "machine": machine.now(),
    }
    running = contender.start(case, core=SERVER_CORE if pinned else None)
    try:
        record["start_s"] = contender.ready(running, case)
        record["difference"] = max(contender.check(case, size) for size in project.SIZES)
        record["cells"] = list(_cells(plan, contender, case, pinned=pinned))
        record |= running.memory()
        record["difference_after"] = max(contender.check(case, size) for size in project.SIZES)
    except (RuntimeError, OSError, AssertionError, LookupError) as error:
        record["failed"] = str(error)[-800:]
    finally:
        running.stop()
        shutil.rmtree(case.trained.folder / ".cauce" / "ledger", ignore_errors=True)
        shutil.rmtree(plan.work / "scratch", ignore_errors=True)
    keep(plan, stem, record)


def _cells(plan: Plan, contender: Contender, case: Case, *, pinned: bool) -> Iterator[dict[str, Any]]:
    core = CLIENT_CORE if pinned else None
    for size in project.SIZES:
        target = contender.target(case, size)
        if size == project.SIZES[0]:
            measure.closed(target, concurrency=8, seconds=1, core=core)  # warm; not counted
        for n in CONCURRENCY if pinned else CONCURRENCY[2:]:
            yield {
                "rows": size,
                "concurrency": n,
                **measure.closed(target, concurrency=n, seconds=plan.seconds, core=core),
            }


def ledger(plan: Plan) -> None:
    """Measure what the ledger costs: three services side by side, asked in turn, the order turned each round."""
    stem = "ledger"
    if kept(plan, stem):
        return
    cases, running = {}, {}
    rounds: list[dict[str, Any]] = []
    try:
        for name in PRICE:
            cases[name] = plan.case("boosting", 1, plan.trained("boosting", variant=name))
            running[name] = CONTENDERS[name].start(cases[name], core=SERVER_CORE)
        for name in PRICE:
            CONTENDERS[name].ready(running[name], cases[name])
            measure.closed(CONTENDERS[name].target(cases[name], 1), concurrency=8, seconds=1, core=CLIENT_CORE)
        for number in range(plan.pairs):
            for n in (1, 64):
                one: dict[str, Any] = {"concurrency": n}
                for name in turned(PRICE, number, len(PRICE)):
                    target = CONTENDERS[name].target(cases[name], 1)
                    one[name] = measure.closed(target, concurrency=n, seconds=1, core=CLIENT_CORE)
                rounds.append(one)
    finally:
        for each in running.values():
            each.stop()
        shutil.rmtree(plan.work / "scratch", ignore_errors=True)
    keep(plan, stem, {"part": stem, "rounds": rounds, "machine": machine.now()})


def opened(plan: Plan) -> None:
    """Measure latency at 70 % of the closed loop's most, at Poisson times."""
    for number in range(plan.rounds):
        for name, kind in OPEN:
            if name in plan.names:
                stem = f"open-{name}-{kind}-{number}"
                most = _saturation(plan, name, kind)
                if not kept(plan, stem) and most is not None:
                    _open(plan, stem, name, kind, SHARE * most)


def _saturation(plan: Plan, name: str, kind: str) -> float | None:
    """Return the median of its requests per second with one row and 64 connections."""
    rates = []
    for path in (plan.work / "runs").glob(f"cells-{name}-{kind}-*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        rates += [c["per_s"] for c in record.get("cells", []) if (c["rows"], c["concurrency"]) == (1, 64)]
    return statistics.median(rates) if rates else None


def _open(plan: Plan, stem: str, name: str, kind: str, rate: float) -> None:
    contender, case = contenders.of(name, kind), plan.case(kind, 1)
    record: dict[str, Any] = {
        "part": "open",
        "contender": name,
        "kind": kind,
        "round": int(stem.split("-")[-1]),
        "share": SHARE,
        "busy_before": machine.busy(),
        "machine": machine.now(),
    }
    running = contender.start(case, core=SERVER_CORE)
    try:
        contender.ready(running, case)
        target = contender.target(case, 1)
        measure.closed(target, concurrency=8, seconds=1, core=CLIENT_CORE)
        seconds = 3 if plan.quick else 6
        record |= measure.opened(target, rate=rate, seconds=seconds, core=CLIENT_CORE, seed=record["round"])
    finally:
        running.stop()
        shutil.rmtree(case.trained.folder / ".cauce" / "ledger", ignore_errors=True)
        shutil.rmtree(plan.work / "scratch", ignore_errors=True)
    keep(plan, stem, record)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
