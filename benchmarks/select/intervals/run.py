"""Do intervals that widen where errors are large hold as often as they say, and are they narrower?

    python -m benchmarks.select.intervals.run [--splits 4] [--work FOLDER] [--data FOLDER]

Each rung's 90 % intervals as it is fitted (split-conformal, one width), from out-of-fold errors at one width, with a
width by the predicted value, and finished as the product does. The control is LightGBM's quantile regression of 5 % and
95 %, which promises no coverage. A case is kept under `--work`: a killed run goes on where it was.
"""

from __future__ import annotations

import itertools
import os
import time
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
from cauce.tasks.tabular.intervals import interval_scores
from cauce.tasks.tabular.parts import half_width

HERE = Path(__file__).parent
MOST_ROWS = 4_000
TEST_SHARE = 0.3
FOLDS = 5
RUNGS = ("linear", "boosting")
CASES = ("made, noise grows", "made, even noise", "california_housing", "bike_hour", "bike_hour, by time",
         "student_performance", "diabetes")  # fmt: skip
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def rows_of(name: str, data: Path, rng: np.random.Generator) -> tuple[pa.Table, str]:
    """Return at most `MOST_ROWS` rows, in the order of time where that is the split."""
    if name.startswith("made"):
        x = rng.uniform(0, 1, (4_000, 4))
        noise = 0.5 if name.endswith("even noise") else 0.1 + 1.5 * x[:, 0] ** 2
        y = 4 * x[:, 1] + np.sin(6 * x[:, 2]) + rng.normal(size=len(x)) * noise
        return pa.table({**{f"x{i}": column for i, column in enumerate(x.T)}, "y": y}), "y"
    chosen = next(each for each in sets.SETS if each.name == name.partition(",")[0])
    table = pa.Table.from_pandas(sets.read(chosen, data), preserve_index=False).replace_schema_metadata(None)
    kept = np.arange(table.num_rows)[:: max(1, table.num_rows // MOST_ROWS)][
        :MOST_ROWS
    ]  # every third hour of two years
    if "by time" not in name:
        kept = np.sort(rng.permutation(table.num_rows)[:MOST_ROWS])
    return table.take(kept).combine_chunks(), chosen.target


def folds(n: int, by_time: bool, rng: np.random.Generator) -> list[tuple[Rows, Rows]]:
    """Return five folds at random, or four windows that each learn from all that was before."""
    rows = np.arange(n)
    if by_time:
        edges = np.linspace(0.2, 1.0, FOLDS) * n
        return [(rows[: int(a)], rows[int(a) : int(b)]) for a, b in itertools.pairwise(edges)]
    part = rng.permutation(n) % FOLDS
    return [(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(FOLDS)]


def judged(truth: Floats, centre: Floats, lower: Floats, upper: Floats) -> dict[str, Any]:
    """Return coverage, width and interval score; coverage too by thirds of the predicted value."""
    inside = (lower <= truth) & (truth <= upper)
    middle, half = (lower + upper) / 2, (upper - lower) / 2
    thirds = np.array_split(np.argsort(centre, kind="stable"), 3)
    return {
        "coverage": float(inside.mean()),
        "width": float((upper - lower).mean()),
        "score": float(interval_scores(truth - middle, np.maximum(half, 0.0)).mean()),
        "thirds": [float(inside[part].mean()) for part in thirds],
    }


def by_prediction(predicted: Floats, errors: Floats, asked: Floats) -> Floats:
    """Return the mean error of out-of-fold rows in ten bins of the predicted value, read off for other predictions."""
    bins = np.array_split(np.argsort(predicted, kind="stable"), 10)
    middles, sizes = ([float(values[part].mean()) for part in bins] for values in (predicted, errors))
    return np.maximum(np.interp(asked, middles, sizes), 0.2 * float(np.median(errors)))


def quantiles(learn: pa.Table, test: pa.Table, target: str, seed: int) -> tuple[Floats, Floats]:
    """Fit LightGBM's quantile regression with its defaults, 200 rounds."""
    import lightgbm

    frames = [table.drop_columns([target]).to_pandas() for table in (learn, test)]
    for frame in frames:
        for column in frame.select_dtypes(["object", "str"]):
            levels = sorted({str(v) for other in frames for v in other[column]})
            frame[column] = frame[column].astype(str).astype("category").cat.set_categories(levels)
    given = {"objective": "quantile", "seed": seed, "verbosity": -1, "num_threads": 1, "deterministic": True}
    lower, upper = (
        np.asarray(
            lightgbm.train({**given, "alpha": alpha}, lightgbm.Dataset(frames[0], learn[target].to_numpy()), 200)
            .predict(frames[1])
        )
        for alpha in (0.05, 0.95)
    )  # fmt: skip
    return np.minimum(lower, upper), np.maximum(lower, upper)


def microseconds(fitted: Fitted, table: pa.Table) -> float:
    """Return microseconds a row, the fastest of five."""
    times: list[float] = []
    for _ in range(5):
        begun = time.perf_counter()
        fitted.predict(table)
        times.append((time.perf_counter() - begun) / table.num_rows * 1e6)
    return min(times)


def case(name: str, rung: str, split: int, data: Path) -> dict[str, Any]:
    """Fit and judge on one split of one set."""
    rng = np.random.default_rng([split, *name.encode()])
    table, target = rows_of(name, data, rng)
    by_time = "by time" in name
    inputs = [column for column in table.column_names if column != target]
    spec = TaskSpec("m", "regress", target, summarise(table.to_batches()).schema(inputs), "squared", seed=split)
    order = np.arange(table.num_rows) if by_time else rng.permutation(table.num_rows)
    n_learn = round((1 - TEST_SHARE) * len(order))
    if by_time:  # splits differ by where they end
        order = order[: n_learn + round(TEST_SHARE * len(order) * (split + 1) / 4)]
    learn, test = table.take(np.sort(order[:n_learn])).combine_chunks(), table.take(np.sort(order[n_learn:]))
    task, candidate = task_named("regress"), Candidate(rung, {})
    tested, said = [], []
    for teach, rows in folds(n_learn, by_time, rng):
        model = task.fit(candidate, {}, learn.take(teach).combine_chunks(), spec=spec)
        tested.append(rows)
        said.append(model.predict(learn.take(rows)))
    rows, predicted = learn.take(np.concatenate(tested)).combine_chunks(), pa.concat_tables(said)
    fitted = task.fit(candidate, {}, learn, spec=spec)
    begun = time.perf_counter()
    finished, record = fitted.finish(rows, predicted, spec)
    seconds = time.perf_counter() - begun
    truth = test[target].to_numpy().astype(np.float64)
    plain, after = fitted.predict(test), finished.predict(test)
    centre = plain["prediction"].to_numpy()
    seen = predicted["prediction"].to_numpy()
    errors = np.abs(rows[target].to_numpy() - seen)
    width = half_width(errors)
    binned = half_width(errors / by_prediction(seen, errors, seen)) * by_prediction(seen, errors, centre)
    assert record.intervals is not None
    figures = {
        "as fitted": judged(truth, centre, plain["lower"].to_numpy(), plain["upper"].to_numpy()),
        "one width": judged(truth, centre, centre - width, centre + width),
        "by prediction": judged(truth, centre, centre - binned, centre + binned),
        "finished": judged(truth, centre, after["lower"].to_numpy(), after["upper"].to_numpy()),
    }
    if rung == "boosting":
        figures["LightGBM quantiles"] = judged(truth, centre, *quantiles(learn, test, target, split))
    return {
        "n": n_learn, "n_test": len(truth), "figures": figures, "method": record.intervals.method, "seconds": seconds,
        "told": {"coverage": record.intervals.coverage, "thirds": list(record.intervals.thirds)},
        "us_per_row": {"as fitted": microseconds(fitted, test), "finished": microseconds(finished, test)},
    }  # fmt: skip


def summary(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return each contender's figures per case, and over the cases its score against one width."""
    result: dict[str, Any] = {}
    for key, each in found.items():
        ways = each[0]["figures"]
        share = each[0]["n_test"] / (each[0]["n"] + each[0]["n_test"])
        result[key] = {
            "methods": [one["method"] for one in each],
            "told_coverage": float(np.mean([one["told"]["coverage"] for one in each])),
            "us_per_row": {
                way: float(np.median([one["us_per_row"][way] for one in each])) for way in each[0]["us_per_row"]
            },
            "seconds": float(np.median([one["seconds"] for one in each])),
        }
        for way in ways:
            figure = {part: np.array([one["figures"][way][part] for one in each]) for part in ("coverage", "width")}
            ratio = [one["figures"][way]["score"] / one["figures"]["one width"]["score"] for one in each]
            result[key][way] = {
                "coverage": cases.spread(figure["coverage"], share),
                "width": float(figure["width"].mean()),
                "worst_third": float(np.mean([min(one["figures"][way]["thirds"]) for one in each])),
                "score_ratio": cases.spread(np.array(ratio), share),
            }
    for rung in RUNGS:
        of = {name: each for name, each in found.items() if name.endswith(rung)}
        result[f"all, {rung}"] = {
            way: cases.over_sets(
                {
                    name: np.array([1 - c["figures"][way]["score"] / c["figures"]["one width"]["score"] for c in each])
                    for name, each in of.items()
                }
            )
            for way in next(iter(of.values()))[0]["figures"]
            if way != "one width"
        }
    return result


def main() -> None:
    """Run all cases and write result.json."""
    given = cases.asked(__doc__, HERE)
    found: dict[str, list[dict[str, Any]]] = {}
    for split, name, rung in itertools.product(range(given.splits), CASES, RUNGS):
        path = given.work / f"{name}-{rung}-{split}.json"
        one = cases.kept(path, partial(case, name, rung, split, given.data))
        found.setdefault(f"{name}, {rung}", []).append(one)
    cases.write(HERE, splits=given.splits, figures=summary(found))


if __name__ == "__main__":
    main()
