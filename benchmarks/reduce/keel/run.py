"""Our 1-NN mode against SSMA, CHC, condensing and editing on all KEEL sets: accuracy, reduction, seconds.

    python -m benchmarks.reduce.keel.run [--splits 10] [--large 3] [--work FOLDER] [--data FOLDER]

Stratified splits, a fifth tested, seeded; sets of 2,000 rows and more get `--large` splits. SSMA and CHC go by strata
of about 2,000 rows and 10,000 evaluations in each, on distances that are computed beforehand, in numba like ours.
Seconds are of the processor, encoding and distances included, compilation excluded and reported. A case, one way on
one split, is kept under `--work`.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from benchmarks.select import cases

from cauce.reduce import nearest
from cauce.reduce.controls import CONTROLS
from cauce.reduce.one_nearest import nearest_prototypes
from cauce.reduce.rows import Floats, Ints, Kept, Rows

HERE = Path(__file__).parent
LARGE = 2_000
RESAMPLES = 10_000
Way = Callable[[Rows, np.random.Generator], Kept]


def _control(name: str) -> Way:
    return lambda rows, rng: CONTROLS[name](rows, 1, rng)


WAYS: dict[str, Way] = {
    "ours": nearest_prototypes,
    "ours, training fitness": lambda rows, rng: nearest_prototypes(rows, rng, price=1.0),
    **{name: _control(name) for name in ("ssma", "chc", "condensed", "edited", "every")},
}
MEASURES = ("accuracy", "reduction", "mean", "fitness", "seconds")


def table(path: Path) -> Rows:
    """Read a set: text columns are categories, `target` names the class."""
    found = pq.read_table(path)
    columns: list[npt.NDArray[np.float32]] = []
    categorical = []
    for name in found.column_names:
        if name == "target":
            continue
        column = found[name].combine_chunks()
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            categorical.append(len(columns))
            column = column.cast(pa.string()).dictionary_encode().indices
        columns.append(column.cast(pa.float32()).to_numpy(zero_copy_only=False))
    target = np.unique(found["target"].cast(pa.string()).to_numpy(), return_inverse=True)[1].astype(np.int64)
    inputs = np.column_stack(columns).astype(np.float32)
    return Rows(inputs, target, np.ones(len(target)), int(target.max()) + 1, tuple(categorical))


def split(rows: Rows, seed: int) -> tuple[Rows, Rows]:
    """Cut a fifth off for testing, of every class its share."""
    rng = np.random.default_rng(seed)
    order = np.lexsort([rng.random(len(rows)), rows.target])
    tested = np.zeros(len(rows), dtype=np.bool_)
    tested[order[int(rng.integers(5)) :: 5]] = True
    return rows.take(np.flatnonzero(~tested)), rows.take(np.flatnonzero(tested))


def fitness(rows: Rows, indices: Ints) -> float:
    """Return half the leave-one-out accuracy and half the reduction, by another route than any search takes."""
    places = nearest.encode(rows)
    right = 0
    for part in np.array_split(np.arange(len(rows)), 1 + len(rows) * len(indices) // 20_000_000):
        apart = nearest.between(places.take(part).columns, places.take(indices).columns, places.n_numbers)
        apart[indices[:, None] == part] = np.inf
        told = rows.target[indices[apart.argmin(axis=0)]]
        right += int((np.isfinite(apart.min(axis=0)) & (told == rows.target[part])).sum())
    return 0.5 * right / len(rows) + 0.5 * (1 - len(indices) / len(rows))


def case(rows: Rows, way: str, seed: int) -> dict[str, float]:
    """Measure one way on one split."""
    taught, tested = split(rows, seed)
    begun = time.process_time()
    kept = WAYS[way](taught, np.random.default_rng(seed))
    seconds = time.process_time() - begun
    accuracy = float((nearest.predict(taught, kept.indices, tested) == tested.target).mean())
    reduction = 1.0 - len(kept.indices) / len(taught)
    mean, fit = 0.5 * (accuracy + reduction), fitness(taught, kept.indices)
    return dict(zip(MEASURES, (accuracy, reduction, mean, fit, seconds), strict=True))


def warm(way: str) -> float:
    """Run a way on a few rows of both kinds of columns, so that it is compiled; return its seconds."""
    rng = np.random.default_rng(0)
    inputs = np.column_stack([rng.normal(size=3_100), rng.integers(0, 3, 3_100)]).astype(np.float32)
    rows = Rows(inputs, (inputs[:, 0] > 0).astype(np.int64), np.ones(len(inputs)), 2, (1,))
    begun = time.process_time()
    WAYS[way](rows if way.startswith("ours") else rows.take(np.arange(60)), rng)
    return time.process_time() - begun


def compiled(way: str) -> dict[str, float]:
    """Return the seconds of a first call, with nothing compiled before and with everything, each in a fresh process."""
    asked = f"from benchmarks.reduce.keel.run import warm\nprint(warm({way!r}))"
    with tempfile.TemporaryDirectory() as folder:
        place = {**os.environ, "NUMBA_CACHE_DIR": folder}
        command = [sys.executable, "-c", asked]
        runs = [subprocess.run(command, env=place, check=True, capture_output=True) for _ in range(2)]
    return dict(zip(("never compiled", "kept on disk"), (float(run.stdout) for run in runs), strict=True))


def over_sets(values: Floats) -> dict[str, float]:
    """Return the mean over sets with a 95 % bootstrap interval, the set being the unit."""
    draws = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    lower, upper = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return {"mean": float(values.mean()), "lower": float(lower), "upper": float(upper), "n": len(values)}


def against(sets: dict[str, Any], other: str) -> dict[str, Any]:
    """Hold our way against another one, paired over sets."""

    def of(way: str, measure: str) -> Floats:
        return np.array([found["ways"][way][measure] for found in sets.values()])

    found: dict[str, Any] = {
        measure: over_sets(of("ours", measure) - of(other, measure)) for measure in MEASURES if measure != "seconds"
    }
    found["sets where our mean is higher"] = int((of("ours", "mean") > of(other, "mean")).sum())
    ratios = of(other, "seconds") / of("ours", "seconds")
    spread = {name: float(np.exp(value)) for name, value in over_sets(np.log(ratios)).items() if name != "n"}
    found["times faster"] = spread | {
        "least": float(ratios.min()),
        "all sets together": float(of(other, "seconds").sum() / of("ours", "seconds").sum()),
        "sets at 20 and more": int((ratios >= 20).sum()),
    }
    return found


def wanted(given: argparse.Namespace) -> Iterator[tuple[str, int, int]]:
    """Give set, rows and seed, split by split, small sets first."""
    with (given.data / "keel_dev" / "index.csv").open() as lines:
        sizes = sorted((int(line["rows"]), line["set"]) for line in csv.DictReader(lines))
    for n_rows, name in sizes:
        if n_rows < LARGE:
            yield from ((name, n_rows, seed) for seed in range(given.splits))
    for seed in range(given.large):
        yield from ((name, n_rows, seed) for n_rows, name in sizes if n_rows >= LARGE)


def main() -> None:
    """Run all cases and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--large", type=int, default=3)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--ways", nargs="*", default=list(WAYS), help="only these, and no result.json")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    for way in given.ways:
        warm(way)
    runs: dict[str, dict[str, list[dict[str, float]]]] = {}
    rows_of: dict[str, int] = {}
    for name, n_rows, seed in wanted(given):
        rows = table(given.data / "keel_dev" / f"{name}.parquet")
        rows_of[name] = n_rows
        for way in given.ways:
            path = given.work / f"{name}-{seed}-{way.replace(', ', '-').replace(' ', '-')}.json"
            runs.setdefault(name, {}).setdefault(way, []).append(cases.kept(path, partial(case, rows, way, seed)))
    if set(given.ways) == set(WAYS):
        write({name: {"rows": rows_of[name], "runs": ways} for name, ways in runs.items()})


def write(found: dict[str, dict[str, Any]]) -> None:
    """Write result.json: means over splits, what compiling takes, and our way against every other."""
    sets = {
        name: {
            "rows": one["rows"],
            "splits": len(one["runs"]["ours"]),
            "ways": {
                way: {measure: float(np.mean([run[measure] for run in runs])) for measure in MEASURES}
                for way, runs in one["runs"].items()
            },
        }
        for name, one in found.items()
    }
    means = {
        way: {measure: float(np.mean([one["ways"][way][measure] for one in sets.values()])) for measure in MEASURES}
        for way in WAYS
    }
    cases.write(
        HERE,
        compiling={way: compiled(way) for way in ("ours", "ssma", "chc")},
        means=means,
        against={way: against(sets, way) for way in WAYS if way != "ours"},
        sets=sets,
    )


if __name__ == "__main__":
    main()
