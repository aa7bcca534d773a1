"""Does it pay to leave out rows whose label is probably wrong? Labels flipped on purpose, judged on right ones.

    python -m benchmarks.reduce.cleaning.run [--splits 4] [--work FOLDER] [--data FOLDER]

Of 0, 5 and 10 % of the training rows the label is changed to another class (numbers: multiplied by ten). Models learn
from all rows, from those that `probably_wrong` leaves by either of its rules, from as many left by chance, and from
those that were not changed. A case is kept under `--work`.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from benchmarks.reduce.data import TEST_SHARE, divided
from benchmarks.reduce.families import prepared
from benchmarks.select import cases

from cauce.reduce import doubt, trees
from cauce.reduce.clean import leave_out, probably_wrong
from cauce.reduce.learners import ROUNDS, SETTINGS, losses
from cauce.reduce.rows import Floats, Ints, Kept, Rows

HERE = Path(__file__).parent
CLASSES = (
    "pima", "contraceptive", "vehicle", "mammographic", "titanic", "german_credit", "australian", "wdbc", "banana",
    "ring", "spambase", "magic", "segment", "satimage", "digits",
)  # fmt: skip
NUMBERS = ("diabetes", "bike_day", "california_housing")
SHARES = (0.0, 0.05, 0.1)
RULES = ("surest", "joint")
MOST = 2_000


def spoilt(rows: Rows, share: float, rng: np.random.Generator) -> tuple[Rows, Ints]:
    """Return the rows with some targets changed, and which."""
    wrong = np.sort(rng.choice(len(rows), round(share * len(rows)), replace=False))
    target = rows.target.copy()
    if rows.n_classes:
        target[wrong] = (target[wrong] + rng.integers(1, rows.n_classes, len(wrong))) % rows.n_classes
    else:
        target[wrong] *= 10
    return replace(rows, target=target), wrong


def by_boosting(rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
    """Return what LightGBM says, as `learners.boosting` fits it."""
    taught = replace(rows.take(kept.indices), weights=kept.weights)
    settings = {**SETTINGS, "bagging_fraction": 0.9, "bagging_freq": 1}
    booster = trees.grow(taught, np.arange(len(taught)), settings, rounds=ROUNDS, seed=seed)
    return trees.told(booster, judge.inputs, rows.n_classes)


def by_line(rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
    """Return what logistic or ridge regression says."""
    from sklearn.linear_model import LogisticRegression, Ridge

    taught, asked = prepared(rows, kept, judge)
    target = rows.target[kept.indices]
    if not rows.n_classes:
        return np.asarray(Ridge(1.0).fit(taught, target).predict(asked), dtype=np.float64)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the limit of passes
        model = LogisticRegression(C=1.0, max_iter=300).fit(taught, target)
    said = np.full((len(judge), rows.n_classes), 1e-6)
    said[:, model.classes_.astype(np.int64)] = model.predict_proba(asked)
    return said


FAMILIES = {"boosting": by_boosting, "linear": by_line}


def case(name: str, share: float, split: int, data: Path) -> dict[str, Any]:
    """Return losses, accuracies and counts of one division of one set."""
    rows, judge = divided(name, split, data, MOST)
    rng = np.random.default_rng([split, round(100 * share), 11])
    given, wrong = spoilt(rows, share, rng)
    said = doubt.cross_fit(given, np.random.default_rng([split, 5])).predicted
    arms: dict[str, Ints] = {"all": np.zeros(0, dtype=np.int64), "truth": wrong}
    found: dict[str, Any] = {"n": len(rows), "n_wrong": len(wrong), "dropped": {}, "hits": {}, "figures": {}}
    for rule in RULES if rows.n_classes else RULES[:1]:
        arms[rule] = probably_wrong(given, said, rule=rule)  # type: ignore[arg-type]
        arms[f"{rule} by chance"] = np.sort(rng.choice(len(rows), len(arms[rule]), replace=False))
        found["dropped"][rule], found["hits"][rule] = len(arms[rule]), int(np.isin(arms[rule], wrong).sum())
    for family, fit in FAMILIES.items():
        for arm, out in arms.items():
            if arm != "all" and not len(out):
                found["figures"][f"{family}, {arm}"] = found["figures"][f"{family}, all"]
                continue
            told = fit(given, leave_out(given, out), judge, split)
            figures = {"loss": float(losses(told, judge).mean())}
            if rows.n_classes:
                figures["accuracy"] = float((told.argmax(axis=1) == judge.target).mean())
            found["figures"][f"{family}, {arm}"] = figures
    return found


def against(table: dict[str, list[dict[str, Any]]], family: str, arm: str, other: str) -> dict[str, Any]:
    """Return the mean over sets of log loss ratio and accuracy difference, and the sets where it is clear."""
    ratio: dict[str, Floats] = {}
    gain: dict[str, Floats] = {}
    for name, runs in table.items():
        ours, theirs = ([run["figures"][f"{family}, {which}"] for run in runs] for which in (arm, other))
        ratio[name] = np.array([np.log(a["loss"] / b["loss"]) for a, b in zip(ours, theirs, strict=True)])
        if "accuracy" in ours[0]:
            gain[name] = np.array([a["accuracy"] - b["accuracy"] for a, b in zip(ours, theirs, strict=True)])
    clear = {name: cases.spread(values, TEST_SHARE) for name, values in ratio.items() if np.ptp(values)}
    return {
        "log loss ratio": cases.over_sets(ratio),
        "accuracy": cases.over_sets(gain) if gain else None,
        "clearly worse": sorted(name for name, found in clear.items() if found["lower"] > 0),
        "clearly better": sorted(name for name, found in clear.items() if found["upper"] < 0),
        "by set": {name: float(values.mean()) for name, values in ratio.items()},
    }


def summed(table: dict[str, list[dict[str, Any]]], rules: tuple[str, ...]) -> dict[str, Any]:
    """Return every comparison of one share of wrong labels, and how many rows were left out."""
    told: dict[str, Any] = {}
    for rule in rules:
        runs = [run for group in table.values() for run in group]
        dropped = sum(run["dropped"][rule] for run in runs)
        told[rule] = {
            "share dropped": dropped / sum(run["n"] for run in runs),
            "precision": sum(run["hits"][rule] for run in runs) / dropped if dropped else None,
            "recall": sum(run["hits"][rule] for run in runs) / max(sum(run["n_wrong"] for run in runs), 1),
        }
    for family in FAMILIES:
        told[family] = {f"{rule} against all": against(table, family, rule, "all") for rule in rules}
        told[family] |= {f"{rule} against chance": against(table, family, rule, f"{rule} by chance") for rule in rules}
        told[family]["truth against all"] = against(table, family, "truth", "all")
    return told


def main() -> None:
    """Run all cases and write result.json."""
    given = cases.asked(__doc__, HERE)
    result: dict[str, Any] = {}
    for kind, names, rules in (("classes", CLASSES, RULES), ("numbers", NUMBERS, RULES[:1])):
        for share in SHARES:
            table = {
                name: [
                    cases.kept(
                        given.work / f"{name}-{share}-{split}.json", partial(case, name, share, split, given.data)
                    )
                    for split in range(given.splits)
                ]
                for name in names
            }
            result[f"{kind}, {share:.0%} wrong"] = summed(table, rules)
    cases.write(HERE, splits=given.splits, most_rows=MOST, **result)


if __name__ == "__main__":
    main()
