"""Is the rule's promise kept: of equal rungs a higher one in at most 5 % of runs, a better one found where it says so?

    python -m benchmarks.select.rule.run [--runs 1000] [--work FOLDER]

`equal`: truly equal learners fitted on folds, no margin, so that nothing but the interval holds the simplest. `noise`:
the product's own ladder on labels that hang on nothing. `power`: a rung that is better by twice the margin, over the
number of units and over how far the losses of the two scatter; the number of units that the record states is tried.
`xor`: the product's ladder where only the rungs that combine columns help. A case is kept under `--work`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
from benchmarks.select import cases
from benchmarks.select.rule.simulate import better_by, choice, equal_ridges, place

from cauce.core.artefacts import TaskSpec
from cauce.core.registry import task as task_named
from cauce.profile import summarise
from cauce.select import choose, climb

HERE = Path(__file__).parent
MARGIN, FOLDS = 0.01, 5
EQUAL = {
    f"{n} rows, {p} columns each, {rungs} rungs": (n, rungs, p, 0.1)
    for n, p, rungs in ((60, 5, 2), (60, 20, 2), (250, 5, 4), (250, 20, 4), (1_000, 20, 7))
} | {"60 rows, 40 columns each, 2 rungs, hardly shrunk": (60, 2, 40, 0.1)}
SIZES = (300, 1_000, 3_000, 10_000, 30_000, 100_000)
NOISES = (0.1, 0.2, 0.4, 0.8)
SMALL = ("prior", "linear", "additive", "forest", "boosting")
"""Rungs of the product's ladder that are fitted a thousand times."""


def equal(case: tuple[int, int, int, float], seed: int) -> float:
    """Say whether a higher one of equal rungs is taken."""
    n, n_rungs, p, shrinkage = case
    rng = np.random.default_rng([seed, n, p, n_rungs])
    losses, folds = equal_ridges(rng, n, n_rungs, p, FOLDS, shrinkage)
    return float(place(losses, folds, margin=0.0) > 0)


def power(case: tuple[int, float], seed: int) -> float:
    """Say whether the better rung is taken."""
    n, noise = case
    rng = np.random.default_rng([seed, n, round(1_000 * noise)])
    losses, folds = better_by(rng, n, 2 * MARGIN, noise, FOLDS)
    return float(place(losses, folds, margin=0.0))


def stated(case: tuple[int, float], seed: int) -> float:
    """Return how many units the record of an undecided choice states."""
    n, noise = case
    rng = np.random.default_rng([seed, n, round(1_000 * noise), 7])
    losses, folds = better_by(rng, n, 0.0, noise, FOLDS)
    return float(choice(losses, folds, margin=MARGIN).units_for_twice_margin or np.nan)


def chosen(make: Callable[[np.random.Generator], tuple[Any, Any]], seed: int) -> str:
    """Return the rung that the product's ladder comes to on made rows with two classes."""
    rng = np.random.default_rng(seed)
    x, odds = make(rng)
    label = np.where(rng.random(len(x)) < 1 / (1 + np.exp(-odds)), "a", "b")
    table = pa.table({**{f"x{i}": column for i, column in enumerate(x.T)}, "y": label.tolist()})
    seen, task = summarise(table.to_batches()), task_named("classify")
    spec = TaskSpec("m", "classify", "y", seen.schema([f"x{i}" for i in range(x.shape[1])]), "log", seed=seed)
    ladder = [one for one in task.candidates(spec, seen) if one.name in SMALL]
    rows = np.arange(len(x))
    part = rng.permutation(rows) % FOLDS
    folds = [(rows[part != k], rows[part == k]) for k in range(FOLDS)]
    return choose(climb(task, spec, ladder, table, folds), margin=MARGIN).chosen


def nothing(rng: np.random.Generator) -> tuple[Any, Any]:
    """Return columns that tell nothing."""
    return rng.normal(size=(120, 4)), np.zeros(120)


def crossed(rng: np.random.Generator) -> tuple[Any, Any]:
    """Return two columns whose signs decide together, among four."""
    x = rng.normal(size=(400, 4))
    return x, 4.0 * np.sign(x[:, 0] * x[:, 1])


def main() -> None:
    """Run all cases and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:

        def over(name: str, work: Callable[[int], Any], runs: int, told: Callable[[list[Any]], Any]) -> Any:
            path = given.work / f"{name}.json"
            return cases.kept(path, lambda: {"found": told(list(pool.map(work, range(runs), chunksize=10)))})["found"]

        curves: dict[str, Any] = {}
        for noise in NOISES:
            needed = over(f"stated-{noise}", partial(stated, (1_000, noise)), 30, lambda found: float(np.median(found)))
            curves[str(noise)] = {
                "stated": needed,
                "at stated": over(f"at-{noise}", partial(power, (int(needed), noise)), given.runs, cases.share),
                "by units": {
                    str(n): over(f"power-{noise}-{n}", partial(power, (n, noise)), given.runs, cases.share)
                    for n in SIZES
                },
            }
        found = {
            "equal": {
                name: over(name, partial(equal, case), given.runs, cases.share) for name, case in EQUAL.items()
            },
            "power": curves,
            "noise": over("noise", partial(chosen, nothing), given.runs, counted),
            "xor": over("xor", partial(chosen, crossed), given.runs // 5, counted),
        }  # fmt: skip
    cases.write(HERE, runs=given.runs, **found)


def counted(names: list[str]) -> dict[str, int]:
    """Return how often each rung was taken."""
    return {name: names.count(name) for name in SMALL if name in names}


if __name__ == "__main__":
    main()
