"""Does it pay to weigh classes or to resample rows, once the threshold is chosen on out-of-fold predictions?

    python -m benchmarks.select.imbalance.run [--splits 4] [--work FOLDER] [--data FOLDER]

Each rung is fitted plainly, with classes weighing alike, with rare rows repeated until classes are as many, and with
frequent rows left out until they are; each with the likeliest class said, and finished as the product finishes a model.
A case is kept under `--work`: a killed run goes on where it was.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from benchmarks.select import cases, sets

from cauce.core.artefacts import Candidate, TaskSpec
from cauce.core.protocols import Fitted
from cauce.core.registry import task as task_named
from cauce.profile import summarise
from cauce.tasks.tabular.decide import Aim, counts

HERE = Path(__file__).parent
MOST_ROWS = 3_000
TEST_SHARE = 0.3
FOLDS = 3
RUNGS: dict[str, dict[str, int | float]] = {"linear": {}, "boosting": {"rounds": 150}}
AIMS = ("f1", "balanced_accuracy", "mcc")
Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def real(name: str, data: Path, rng: np.random.Generator) -> tuple[pa.Table, str]:
    """Return at most `MOST_ROWS` rows of a set, and its target."""
    chosen = next(each for each in sets.SETS if each.name == name)
    table = pa.Table.from_pandas(sets.read(chosen, data), preserve_index=False).replace_schema_metadata(None)
    return table.take(np.sort(rng.permutation(table.num_rows)[:MOST_ROWS])).combine_chunks(), chosen.target


def thinned(name: str, share: float, data: Path, rng: np.random.Generator) -> tuple[pa.Table, str]:
    """Return a set whose rarer class is thinned to a share."""
    chosen = next(each for each in sets.SETS if each.name == name)
    table = pa.Table.from_pandas(sets.read(chosen, data), preserve_index=False).replace_schema_metadata(None)
    labels = np.array(table[chosen.target].to_pylist())
    names, sizes = np.unique(labels, return_counts=True)
    rare = np.flatnonzero(labels == names[sizes.argmin()])
    others = rng.permutation(np.flatnonzero(labels != names[sizes.argmin()]))[:MOST_ROWS]
    kept = np.concatenate([others, rng.permutation(rare)[: round(share / (1 - share) * len(others))]])
    return table.take(np.sort(kept)).combine_chunks(), chosen.target


def made(base: float, rng: np.random.Generator) -> tuple[pa.Table, str]:
    """Return rows whose odds of the rare class hang on two columns straight and on two crossed."""
    x = rng.normal(size=(MOST_ROWS, 6))
    odds = base + 1.2 * x[:, 0] - 0.8 * x[:, 1] + 1.2 * x[:, 2] * x[:, 3]
    label = np.where(rng.random(MOST_ROWS) < 1 / (1 + np.exp(-odds)), "rare", "usual")
    return pa.table({**{f"x{i}": column for i, column in enumerate(x.T)}, "y": label.tolist()}), "y"


def _real(name: str) -> Callable[[Path, np.random.Generator], tuple[pa.Table, str]]:
    return lambda data, rng: real(name, data, rng)


CASES: dict[str, Callable[[Path, np.random.Generator], tuple[pa.Table, str]]] = {
    "made, 1 %": lambda _, rng: made(-6.3, rng),
    "made, 5 %": lambda _, rng: made(-4.1, rng),
    "magic, 2 %": lambda data, rng: thinned("magic", 0.02, data, rng),
    "spambase, 3 %": lambda data, rng: thinned("spambase", 0.03, data, rng),
    **{
        name: _real(name)
        for name in ("adult", "german_credit", "pima", "titanic", "contraceptive", "student_dropout", "satimage")
    },
}


def resampled(codes: Codes, how: str, rng: np.random.Generator) -> Codes:
    """Return row numbers in which every class is as many as the most (`over`) or the least frequent one (`under`)."""
    sizes = np.bincount(codes)
    wanted = sizes.max() if how == "over" else sizes[sizes > 0].min()
    drawn = []
    for k in np.flatnonzero(sizes):
        own = np.flatnonzero(codes == k)
        more = rng.choice(own, wanted - len(own)) if wanted > len(own) else np.empty(0, np.int64)
        drawn += [rng.permutation(own)[:wanted], more]
    return np.sort(np.concatenate(drawn))


def fit(way: str, rung: str, table: pa.Table, codes: Codes, spec: TaskSpec, rng: np.random.Generator) -> Fitted:
    """Fit a rung in one of the ways."""
    task = task_named("classify")
    if way in {"over", "under"}:
        table, weights = table.take(resampled(codes, way, rng)), None
    else:
        weights = None if way == "plain" else (len(codes) / np.maximum(np.bincount(codes), 1))[codes]
        weights = None if weights is None else weights / weights.mean()
    return task.fit(Candidate(rung, {}), RUNGS[rung], table, weights, spec=spec)


def case(name: str, rung: str, split: int, data: Path) -> dict[str, Any]:
    """Fit and judge all ways on one split of one set."""
    rng = np.random.default_rng([split, *name.encode()])
    table, target = CASES[name](data, rng)
    seen = summarise(table.to_batches())
    spec = TaskSpec(
        "m", "classify", target, seen.schema([c for c in table.column_names if c != target]), "log", seed=split
    )
    order = rng.permutation(table.num_rows)
    n_test = round(TEST_SHARE * len(order))
    test, learn = table.take(np.sort(order[:n_test])), table.take(np.sort(order[n_test:])).combine_chunks()
    labels = np.array(learn[target].to_pylist())
    classes, codes = np.unique(labels, return_inverse=True)
    part = np.empty(len(codes), np.int64)
    part[np.lexsort([rng.random(len(codes)), codes])] = np.arange(len(codes)) % FOLDS
    rarer = int(np.bincount(codes).argmin()) if len(classes) == 2 else None
    truth = np.searchsorted(classes, np.array(test[target].to_pylist()))
    found: dict[str, Any] = {"rare": float(np.bincount(codes).min() / len(codes)), "n": len(codes), "figures": {}}

    def judged(fitted: Fitted) -> dict[str, float]:
        said = np.searchsorted(classes, np.array(fitted.predict(test)["prediction"].to_pylist()))
        each = counts(truth, said, len(classes), np.ones(len(truth)))
        figures = {aim: float(Aim(aim, rarer).score(each)) for aim in AIMS}
        return figures | {"log": float(task_named("classify").losses(fitted, test, spec).values.mean())}

    for way in ("plain", "weights", "over", "under"):
        rows, tables = [], []
        for k in range(FOLDS):
            teach, tested = np.flatnonzero(part != k), np.flatnonzero(part == k)
            model = fit(way, rung, learn.take(teach).combine_chunks(), codes[teach], spec, rng)
            said = model.predict(learn.take(tested))
            rows.append(tested)
            tables.append(said.drop_columns(["prediction"]))
        fitted = fit(way, rung, learn, codes, spec, rng)
        found["figures"][way] = {"likeliest": judged(fitted)}
        for aim in AIMS:
            given = learn.take(np.concatenate(rows)), pa.concat_tables(tables, promote_options="default")
            finished, record = fitted.finish(*given, replace(spec, metric=aim))
            value = judged(finished)
            repair = record.calibration.method if record.calibration else "none"
            found["figures"][way][aim] = {"value": value[aim], "log": value["log"], "repair": repair}
    return found


def summary(found: dict[str, dict[str, list[dict[str, Any]]]]) -> dict[str, Any]:
    """Compare every way with the plain fit whose threshold is chosen."""
    result: dict[str, Any] = {}
    for rung, by_set in found.items():
        for aim in AIMS:

            def figure(one: dict[str, Any], way: str, decided: str, aim: str = aim) -> float:
                own = one["figures"][way]
                return float(own["likeliest"][aim] if decided == "likeliest" else own[aim]["value"])

            lines = {}
            for way in ("plain", "weights", "over", "under"):
                for decided in ("likeliest", "threshold"):
                    apart = {
                        name: np.array([figure(c, way, decided) - figure(c, "plain", "threshold") for c in each])
                        for name, each in by_set.items()
                    }
                    lines[f"{way}, {decided}"] = {
                        "mean": float(np.mean([figure(c, way, decided) for each in by_set.values() for c in each])),
                        "against": cases.over_sets(apart),
                        "sets": {name: cases.spread(values, TEST_SHARE) for name, values in apart.items()},
                    }
            result[f"{rung}, {aim}"] = lines
        logs = {
            way: float(np.mean([c["figures"][way]["likeliest"]["log"] for each in by_set.values() for c in each]))
            for way in ("plain", "weights", "over", "under")
        }
        logs["plain, finished"] = float(
            np.mean([c["figures"]["plain"]["f1"]["log"] for each in by_set.values() for c in each])
        )
        result[f"{rung}, log loss"] = logs
    return result


def main() -> None:
    """Run all cases and write result.json."""
    given = cases.asked(__doc__, HERE)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for split, name, rung in itertools.product(range(given.splits), CASES, RUNGS):
        path = given.work / f"{name}-{rung}-{split}.json"
        one = cases.kept(path, partial(case, name, rung, split, given.data))
        found.setdefault(rung, {}).setdefault(name, []).append(one)
    rare = {name: each[0]["rare"] for name, each in found["linear"].items()}
    cases.write(HERE, splits=given.splits, rare=rare, figures=summary(found))


if __name__ == "__main__":
    main()
