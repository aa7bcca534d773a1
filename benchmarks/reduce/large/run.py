"""A million rows: what a search costs, what 2 % of the rows lose, what tuning on them saves; and cost against rows.

    python -m benchmarks.reduce.large.run --work FOLDER [--most 3000000]

Every part runs in a process of its own, so that its peak of memory is its own, and is kept when it is done.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from benchmarks.reduce.families import FAMILIES
from benchmarks.select import cases

from cauce.evidence import paired
from cauce.reduce import quotas, trees
from cauce.reduce.learners import boosting, losses
from cauce.reduce.rows import Floats, Kept, Rows
from cauce.reduce.search import Effort, Search

HERE = Path(__file__).parent
N_ROWS, N_COLUMNS, SHARE = 1_000_000, 28, 0.02
N_TEST, N_NEIGHBOUR_TEST = 100_000, 5_000
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)
N_CONFIGURATIONS = 50
SHIFT = 0.7


def made(n_rows: int, seed: int, shift: float = 0.0) -> Rows:
    """Rows of 28 columns, 18 of which tell the class through a line, products, waves and a ring, with noise.

    Products of centred columns tell nothing alone, which greedy trees cannot see: with a `shift` each tells something.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, N_COLUMNS)).astype(np.float32)
    z = x + shift
    score = x[:, :8] @ np.linspace(1.0, 0.2, 8) + 1.2 * z[:, 8] * z[:, 9] + np.sin(2.5 * x[:, 10]) * z[:, 11]
    score += 1.5 * (x[:, 12] ** 2 + x[:, 13] ** 2 < 1.4) + np.abs(x[:, 14]) * (x[:, 15] > 0) + 0.7 * z[:, 16] * z[:, 17]
    middle = 1.4 + shift * shift * 1.9
    target = score - middle + rng.logistic(scale=0.7, size=n_rows) > 0
    return Rows(x, target.astype(np.int64), np.ones(n_rows), 2)


def accuracy(losses: Floats) -> float:
    """Return the share of rows whose own class has more than half of the probability."""
    return float((losses < np.log(2.0)).mean())


def search(n_rows: int) -> dict[str, Any]:
    """Search 2 % of so many rows, without a panel."""
    rows = made(n_rows, 0)
    rng = np.random.default_rng(1)
    begun, cpu = time.monotonic(), time.process_time()
    found = Search(rows, rng)
    told = found.run(round(SHARE * n_rows), rng)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
    return {
        "n_rows": n_rows, "seconds": time.monotonic() - begun, "cpu_seconds": time.process_time() - cpu,
        "preparation_seconds": found.preparation_s, "peak_mb": peak,
        "discrepancy_drawn": told.discrepancy_drawn, "discrepancy": told.discrepancy,
    }  # fmt: skip


def ways(rows: Rows, panel: bool) -> dict[str, tuple[Kept, float]]:
    """Return kept rows by every way, and the seconds of each."""
    rng, n_keep = np.random.default_rng(2), round(SHARE * len(rows))
    begun = time.monotonic()
    drawn = quotas.stratified(rows, n_keep, rng)
    stratified_s = time.monotonic() - begun
    begun = time.monotonic()
    found = Search(rows, rng)
    prepared = time.monotonic() - begun
    told = {"stratified": (drawn, stratified_s)}
    begun = time.monotonic()
    told["one_shot"] = (quotas.one_shot(rows, n_keep, rng, found.doubt), prepared + time.monotonic() - begun)
    plain = found.run(n_keep, rng)
    told["cells"] = (plain.kept, prepared + plain.seconds)
    if panel:
        raced = found.run(n_keep, rng, panel={"boosting": boosting}, effort=Effort(60.0))
        told["search"] = (raced.kept, prepared + raced.seconds)
    return told


def family(name: str, shift: float) -> dict[str, Any]:
    """Fit one family on all rows and on what every way keeps."""
    rows, judge = made(N_ROWS, 0, shift), made(N_NEIGHBOUR_TEST if name == "neighbours" else N_TEST, 1, shift)
    kept = {"all": (Kept(np.arange(len(rows)), rows.weights), 0.0), **ways(rows, name == "boosting")}
    told = {}
    for way, (chosen, seconds) in kept.items():
        begun = time.monotonic()
        found = FAMILIES[name](rows, chosen, judge, 0)
        told[way] = {
            "loss": float(found.mean()), "accuracy": accuracy(found), "n_kept": len(chosen.indices),
            "search_seconds": seconds, "fit_seconds": time.monotonic() - begun,
        }  # fmt: skip
    return told


def configurations() -> list[dict[str, Any]]:
    """Return 50 settings of LightGBM, drawn."""
    rng = np.random.default_rng(3)
    return [
        {
            "num_leaves": int(rng.choice([8, 15, 31, 63])),
            "learning_rate": float(rng.choice([0.05, 0.1, 0.2])),
            "min_data_in_leaf": int(rng.choice([5, 10, 20, 50])),
            "feature_fraction": float(rng.uniform(0.5, 1.0)),
            "lambda_l2": float(10 ** rng.uniform(-2, 1)),
        }
        for _ in range(N_CONFIGURATIONS)
    ]


def tuning(reduced: bool) -> dict[str, Any]:
    """Try 50 settings, on all rows or on 2 % of them, the search counted; then fit the best on all rows."""
    rows, judge, test = made(N_ROWS, 0), made(50_000, 2), made(N_TEST, 1)
    begun, cpu = time.monotonic(), time.process_time()
    taught = rows
    if reduced:
        rng = np.random.default_rng(4)
        kept = Search(rows, rng).run(round(SHARE * len(rows)), rng).kept
        taught = rows.take(kept.indices)
        taught = Rows(taught.inputs, taught.target, kept.weights, 2)
    searched = time.monotonic() - begun
    told = []
    for settings in configurations():
        booster = trees.grow(taught, np.arange(len(taught)), settings, rounds=100, seed=0)
        told.append(float(losses(trees.told(booster, judge.inputs, 2), judge).mean()))
    seconds, spent = time.monotonic() - begun, time.process_time() - cpu
    best = configurations()[int(np.argmin(told))]
    booster = trees.grow(rows, np.arange(len(rows)), best, rounds=100, seed=0)
    found = losses(trees.told(booster, test.inputs, 2), test)
    return {
        "seconds": seconds, "cpu_seconds": spent, "search_seconds": searched, "best": best, "judged": min(told),
        "loss_fitted_on_all_rows": float(found.mean()), "losses": found.round(6).tolist(),
    }  # fmt: skip


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    **{f"search-{n_rows}": partial(search, n_rows) for n_rows in SIZES},
    **{f"family-{name}": partial(family, name, 0.0) for name in FAMILIES},
    **{f"shifted-{name}": partial(family, name, SHIFT) for name in FAMILIES},
    "tuning-reduced": partial(tuning, True),
    "tuning-all": partial(tuning, False),
}  # fmt: skip


def main() -> None:
    """Run what is not kept yet, each part in a process of its own, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--only", help="run this part here and print it")
    given = parser.parse_args()
    if given.only:
        print(json.dumps(PARTS[given.only]()))
        return
    given.work.mkdir(parents=True, exist_ok=True)

    def apart(part: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "benchmarks.reduce.large.run", "--work", str(given.work), "--only", part]
        made_by = subprocess.run(command, capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(made_by.stdout.splitlines()[-1])
        return found

    found = {part: cases.kept(given.work / f"{part}.json", partial(apart, part)) for part in given.parts}
    for part in PARTS:
        path = given.work / f"{part}.json"
        if part not in found and path.exists():
            found[part] = json.loads(path.read_text())
    pair = [found[part].pop("losses") for part in ("tuning-reduced", "tuning-all") if part in found]
    extra: dict[str, Any] = {}
    if len(pair) == 2:
        compared = paired(pair[0], pair[1], margin=0.01, confidence=0.9)
        extra = {
            "times_faster": found["tuning-all"]["seconds"] / found["tuning-reduced"]["seconds"],
            "relative_difference": compared.difference / compared.mean_reference,
            "relative_upper": compared.upper / compared.mean_reference,
            "not_worse_by_1_percent": compared.not_worse,
        }
    cases.write(HERE, lightgbm=lightgbm.__version__, share=SHARE, tuning=extra, parts=found)


if __name__ == "__main__":
    main()
