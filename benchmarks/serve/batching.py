"""Is micro-batching ever worse than none? On against off at 10, 50, 90 and 110 % of saturation, paired.

    python -m benchmarks.serve.batching --work FOLDER [--quick]

Three services side by side on one core: on, off, and off again (the control, which shows what the method's noise is).
Each is asked in turn at the same Poisson times, the order turned from pair to pair.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.serve import machine, measure, project, table
from benchmarks.serve.contenders import CONTENDERS, Case
from benchmarks.serve.processes import CLIENT_CORE, SERVER_CORE
from benchmarks.serve.run import Plan, turned

HERE = Path(__file__).resolve().parent
SHARES = (0.1, 0.5, 0.9, 1.1)
WAYS = ("on", "off", "control")
WORSE = 1.05
FIGURES = ("mean_ms", "p99_ms", "good_per_s")


def main() -> None:
    """Measure and write batching.json and the README's table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", default=list(project.KINDS), choices=project.KINDS)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=HERE)
    given = parser.parse_args()
    pairs, seconds = (2, 1.5) if given.quick else (given.pairs, given.seconds)
    plan = Plan(given.work.resolve(), given.work.resolve(), 2, 1, pairs, (), given.quick)
    (plan.work / "taken").mkdir(parents=True, exist_ok=True)
    found = {kind: _measured(plan, kind, seconds) for kind in given.kinds}
    result = {
        "question": "latency with batching on over off, at shares of saturation",
        "machine": machine.described(),
        **machine.now(),
        "pairs": pairs,
        "seconds": seconds,
        "quick": given.quick,
        "kinds": found,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "batching.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    table.fill(given.out / "README.md", "batching.py", page(result))
    print(page(result))


def _measured(plan: Plan, kind: str, seconds: float) -> dict[str, Any]:
    """Start the three services, find saturation, and ask them in turn."""
    cases: dict[str, Case] = {}
    running = []
    ours = CONTENDERS["cauce"]
    try:
        for way in WAYS:
            cases[way] = plan.case(kind, 1, plan.trained(kind, variant=f"batching-{way}"))
            switch = {"CAUCE_SERVE__BATCHING": "true" if way == "on" else "false"}
            one = _replaced(ours, switch).start(cases[way], core=SERVER_CORE)
            running.append(one)
            ours.ready(one, cases[way])
            measure.closed(ours.target(cases[way], 1), concurrency=8, seconds=1, core=CLIENT_CORE)
        most = statistics.median(
            measure.closed(ours.target(cases["off"], 1), concurrency=64, seconds=2, core=CLIENT_CORE)["per_s"]
            for _ in range(1 if plan.quick else 5)
        )
        runs = [
            _asked(cases, way, share, most, seconds, number)
            for number in range(plan.pairs)
            for share in SHARES
            for way in turned(WAYS, number, len(WAYS))
        ]
    finally:
        for one in running:
            one.stop()
        shutil.rmtree(plan.work / "scratch", ignore_errors=True)
        for way in WAYS:
            shutil.rmtree(plan.work / f"project-{kind}-batching-{way}", ignore_errors=True)
    return {"saturation_per_s": round(most, 1), "shares": {str(share): _summary(runs, share) for share in SHARES}}


def _replaced(contender: Any, switch: dict[str, str]) -> Any:
    from dataclasses import replace

    return replace(contender, extra=switch)


def _asked(cases: dict[str, Case], way: str, share: float, most: float, seconds: float, number: int) -> dict[str, Any]:
    target = CONTENDERS["cauce"].target(cases[way], 1)
    drop = min(1.0, seconds / 3)  # until the queue of an overloaded service is as long as it gets
    found = measure.opened(target, rate=share * most, seconds=seconds, core=CLIENT_CORE, drop=drop, seed=number)
    counted = seconds - drop
    told = {**found, "way": way, "share": share, "number": number, "good_per_s": found["good"] / counted}
    print(
        kind_of(cases),
        number,
        share,
        way,
        {name: round(told[name] or 0, 3) for name in FIGURES},
        found["statuses"],
        flush=True,
    )
    return told


def kind_of(cases: dict[str, Case]) -> str:
    """Name the model."""
    return cases["off"].trained.kind


def _summary(runs: list[dict[str, Any]], share: float) -> dict[str, Any]:
    mine = {(run["way"], run["number"]): run for run in runs if run["share"] == share}
    numbers = sorted({number for _, number in mine})
    told: dict[str, Any] = {
        "refused": {way: sum(mine[way, n]["requests"] - mine[way, n]["good"] for n in numbers) for way in WAYS},
        "generator_late_p99_ms": max(run["generator_late_p99_ms"] for run in mine.values()),
    }
    for name in FIGURES:
        told[name] = {way: table.spread(mine[way, n][name] for n in numbers) for way in WAYS}
        for way in ("on", "control"):
            ratios = [
                np.log(mine[way, n][name] / mine["off", n][name])
                for n in numbers
                if mine[way, n]["good"] and mine["off", n]["good"]
            ]
            if ratios:
                found = table.bootstrap(ratios)
                told[name][f"{way}_over_off"] = {
                    "ratio": float(np.exp(found["mean"])),
                    "low": float(np.exp(found["low"])),
                    "high": float(np.exp(found["high"])),
                }
    return told


def page(result: dict[str, Any]) -> str:
    """Return the README's table."""
    quick = "**Quick run: the figures say nothing.** " if result["quick"] else ""
    about = f"{result['at'][:10]}, commit {result['commit']}, {result['pairs']} pairs of {result['seconds']:g} s."
    head = (
        "model", "share", "requests/s", "mean, ms: on, off", "mean on/off", "control", "p99, ms: on, off", "p99 on/off",
        "control", "good on/off", "at most 5 % worse",
    )  # fmt: skip
    lines = [quick + about, "", f"| {' | '.join(head)} |", f"|---|{'---:|' * 9}---|"]
    for kind, found in result["kinds"].items():
        for share, told in found["shares"].items():
            row = [kind, f"{100 * float(share):.0f} %", f"{float(share) * found['saturation_per_s']:,.0f}"]
            for name in ("mean_ms", "p99_ms"):
                row.append(f"{told[name]['on'].get('median', 0):.2f}, {told[name]['off'].get('median', 0):.2f}")
                row += [_ratio(told[name], way) for way in ("on", "control")]
            lines.append(f"| {' | '.join([*row, _ratio(told['good_per_s'], 'on'), _verdict(told)])} |")
    return "\n".join(lines)


def _ratio(told: dict[str, Any], way: str) -> str:
    found = told.get(f"{way}_over_off")
    return f"{found['ratio']:.3f} ({found['low']:.3f}–{found['high']:.3f})" if found else "–"


def _verdict(told: dict[str, Any]) -> str:
    """Say of mean and p99 whether the interval lies below 1.05, above it, or about it."""
    said = []
    for name, label in (("mean_ms", "mean"), ("p99_ms", "p99")):
        found = told[name].get("on_over_off")
        if found is not None:
            said.append(
                f"{label}: {'yes' if found['high'] <= WORSE else 'no' if found['low'] > WORSE else 'undecided'}"
            )
    return ", ".join(said)


if __name__ == "__main__":
    main()
