"""Kept share against loss for four model families: the search, one-shot quotas, stratified random, all rows.

    python -m benchmarks.reduce.curve.run --work FOLDER [--data FOLDER] [--seeds 10] [--core 0]

Each (set, seed, share) is kept under `--work` when it is done: the same command goes on where it was stopped.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import time
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.reduce.data import divided
from benchmarks.reduce.families import FAMILIES
from benchmarks.select import cases
from scipy.stats import t as student

from cauce.core.files import write_bytes
from cauce.reduce import quotas
from cauce.reduce.rows import Kept
from cauce.reduce.search import Effort, Search
from cauce.report.drawings import as_file as alone
from cauce.report.language import speak
from cauce.report.reduction import share_curves

HERE = Path(__file__).parent
SETS = (
    "banana", "magic", "penbased", "ring", "satimage", "segment", "spambase", "adult", "student_dropout", "bike_hour",
    "california_housing", "insteval",
)  # fmt: skip
SHARE = 0.2
CURVE = (0.05, 0.1, 0.4)
CURVE_SEEDS = 1
UNSEARCHED = ("network",)
"""Families whose fits cost too much for a panel: they take what the cells alone decide."""
WON = "recovered, median: one-shot | cells | search | sets ≥ 50 %"
BEGIN, END = "<!-- result.json, written by run.py -->\n", "<!-- end -->\n"


def case(name: str, seed: int, share: float, data: Path) -> dict[str, Any]:
    """Reduce one set in every way, and fit every family on what stays."""
    rows, judge = divided(name, seed, data)
    n_keep = round(share * len(rows))
    rng = np.random.default_rng([seed, 7])
    begun = time.monotonic()
    search = Search(rows, rng)
    prepared = time.monotonic() - begun
    plain = search.run(n_keep, rng)
    begun = time.monotonic()
    quick = quotas.one_shot(rows, n_keep, np.random.default_rng([seed, 8]), search.doubt)
    one_shot_s = time.monotonic() - begun
    drawn = quotas.stratified(rows, n_keep, np.random.default_rng([seed, 9]))
    every = Kept(np.arange(len(rows)), rows.weights)
    told: dict[str, Any] = {}
    for family, learner in FAMILIES.items():
        found = plain
        if family not in UNSEARCHED:
            found = search.run(n_keep, rng, panel={family: learner}, effort=Effort(60.0))
        ways = {"all": every, "stratified": drawn, "one_shot": quick, "cells": plain.kept, "search": found.kept}
        losses = {way: float(learner(rows, kept, judge, seed).mean()) for way, kept in ways.items() if way != "search"}
        losses["search"] = losses["cells"] if found is plain else float(learner(rows, found.kept, judge, seed).mean())
        told[family] = {"losses": losses, "exponent": found.exponent, "n_fits": found.n_fits, "seconds": found.seconds}
    return {
        "set": name, "seed": seed, "share": share, "n_rows": len(rows), "n_keep": n_keep, "families": told,
        "seconds": {"preparation": prepared, "cells": plain.seconds, "one_shot": one_shot_s},
    }  # fmt: skip


def compared(found: list[dict[str, Any]], family: str, ours: str, theirs: str) -> dict[str, Any]:
    """Return, set by set over seeds, how far one way is below another, in units of what stratified random loses."""
    sets: dict[str, Any] = {}
    for name in sorted({one["set"] for one in found}):
        losses = [one["families"][family]["losses"] for one in found if one["set"] == name]
        apart = np.array([each[theirs] - each[ours] for each in losses])
        lost = float(np.mean([each["stratified"] - each["all"] for each in losses]))
        half = float(student.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5)
        mean = float(apart.mean())
        verdict = "better" if mean - half > 0 else "worse" if mean + half < 0 else "undecided"
        sets[name] = {"gained": mean / lost, "half": half / lost, "lower_loss": mean > 0, "verdict": verdict}
    return {
        "sets": sets,
        "n_lower": sum(one["lower_loss"] for one in sets.values()),
        "n_proven": sum(one["verdict"] == "better" for one in sets.values()),
        "n_proven_worse": sum(one["verdict"] == "worse" for one in sets.values()),
        "n_sets": len(sets),
    }


def recovered(found: list[dict[str, Any]], family: str, way: str) -> dict[str, float]:
    """Return the share of stratified random's loss over all rows that a way wins back, by set."""
    told = {}
    for name in sorted({one["set"] for one in found}):
        losses = [one["families"][family]["losses"] for one in found if one["set"] == name]
        means = {key: float(np.mean([each[key] for each in losses])) for key in losses[0]}
        told[name] = (means["stratified"] - means[way]) / (means["stratified"] - means["all"])
    return told


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return every figure of the page."""
    main = [one for one in found if one["share"] == SHARE]
    families: dict[str, Any] = {}
    for family in FAMILIES:
        won = {way: recovered(main, family, way) for way in ("one_shot", "cells", "search")}
        families[family] = {
            "against_stratified": compared(main, family, "search", "stratified"),
            "against_one_shot": compared(main, family, "search", "one_shot"),
            "cells_against_one_shot": compared(main, family, "cells", "one_shot"),
            "recovered": won,
            "median_recovered": {way: float(np.median(list(each.values()))) for way, each in won.items()},
            "at_least_half": sum(each >= 0.5 for each in won["search"].values()),
            "median_seconds": float(np.median([one["families"][family]["seconds"] for one in main])),
        }
    shares = sorted({one["share"] for one in found})
    curve = {
        family: {
            str(share): {
                way: float(np.median(list(recovered([o for o in found if o["share"] == share], family, way).values())))
                for way in ("one_shot", "cells", "search")
            }
            for share in shares
        }
        for family in FAMILIES
    }
    lost = {
        family: {
            str(share): {
                way: float(
                    np.median([
                        np.mean([o["families"][family]["losses"][way] for o in of])
                        / np.mean([o["families"][family]["losses"]["all"] for o in of]) - 1
                        for name in SETS
                        if (of := [o for o in found if o["share"] == share and o["set"] == name])
                    ])
                )
                for way in ("stratified", "one_shot", "cells", "search")
            }
            for share in shares
        }
        for family in FAMILIES
    }  # fmt: skip
    return {"families": families, "median_recovered_by_share": curve, "median_excess_loss_by_share": lost}


def page(told: dict[str, Any]) -> str:
    """Return the tables of the README."""
    lines = [
        f"| family | below stratified | proven | below one-shot | proven (worse) | cells alone | {WON} | search, s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for family, one in told["families"].items():
        plain, quick, won = one["against_stratified"], one["against_one_shot"], one["median_recovered"]
        cells = one["cells_against_one_shot"]
        lines.append(
            f"| {family} | {plain['n_lower']} of {plain['n_sets']} | {plain['n_proven']} | {quick['n_lower']} | "
            f"{quick['n_proven']} ({quick['n_proven_worse']}) | {cells['n_lower']}, {cells['n_proven']} | "
            f"{100 * won['one_shot']:.0f} % | "
            f"{100 * won['cells']:.0f} % | {100 * won['search']:.0f} % | {one['at_least_half']} | "
            f"{one['median_seconds']:.1f} |"
        )
    lines += ["", f"| recovered at 20 % by the search | {' | '.join(FAMILIES)} |", f"|---|{'---:|' * len(FAMILIES)}"]
    for name in SETS:
        figures = []
        for family in FAMILIES:
            one = told["families"][family]
            if name not in one["recovered"]["search"]:
                figures.append("")
                continue
            quick = one["against_one_shot"]["sets"][name]
            ours, theirs = (100 * one["recovered"][way][name] for way in ("search", "one_shot"))
            figures.append(f"{ours:.0f} % (one-shot {theirs:.0f}; {quick['verdict']})")
        lines.append(f"| {name} | {' | '.join(figures)} |")
    lines += ["", "| excess loss over all rows, median over sets | share | stratified | one-shot | cells | search |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for family, shares in told["median_excess_loss_by_share"].items():
        for share, of in shares.items():
            shown = " | ".join(f"{100 * of[way]:.1f} %" for way in ("stratified", "one_shot", "cells", "search"))
            lines.append(f"| {family} | {100 * float(share):.0f} % | {shown} |")
    return "\n".join(lines)


def picture(told: dict[str, Any]) -> bytes:
    """Return the curves as a drawing."""
    names = {"stratified": "stratified random", "one_shot": "one-shot quotas", "cells": "cells", "search": "search"}
    lost = told["median_excess_loss_by_share"]
    curves = {
        family: {
            names[way]: [(float(share), of[way]) for share, of in sorted(shares.items(), key=lambda one: float(one[0]))]
            for way in names
        }
        for family, shares in lost.items()
    }
    return alone(share_curves(curves, speak("en")))


def main() -> None:
    """Run what is not kept yet and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--report", action="store_true", help="write what is kept, run nothing")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    wanted = [(name, seed, SHARE) for seed in range(given.seeds) for name in given.sets]
    wanted += [(name, seed, share) for seed in range(CURVE_SEEDS) for share in CURVE for name in given.sets]
    if not given.report:
        for name, seed, share in wanted:
            cases.kept(given.work / f"{name}-{seed}-{share}.json", partial(case, name, seed, share, given.data))
    found = [json.loads(path.read_text()) for path in sorted(given.work.glob("*.json"))]
    told = summary(found)
    versions = {name: version(name) for name in ("cauce", "numpy", "scikit-learn", "lightgbm", "numba")}
    result = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "versions": versions, "n_cases": len(found)} | told
    write_bytes(HERE / "result.json", json.dumps(result, indent=1).encode() + b"\n")
    write_bytes(HERE / "curve.svg", picture(told))
    readme = HERE / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    readme.write_text(f"{before}{BEGIN}\n{page(told)}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
