"""Injected label errors: how many of the k rows ranked first are among the k that were injected.

    python benchmarks/audit/labels/run.py [--seeds 3] [--work FOLDER] [--no-peer]

Labels of clean real sets are flipped, a model is fitted out of fold on the flipped labels, and three rankings see the
same probabilities: ours, cleanlab's (in a virtual environment of its own, through files) and random. Each case is kept
under `--work`: a killed run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cauce import data, select
from cauce.core.artefacts import TaskSpec
from cauce.core.registry import task as task_named
from cauce.core.specs import SplitSpec
from cauce.evidence import confident
from cauce.loop.audit_views import BRISK
from cauce.profile import summarise
from cauce.profile.arrays import to_strings

HERE = Path(__file__).parent
SHARED = HERE.parents[3] / "shared" / "data"
SETS = {
    "adult": ("adult/adult", "income"),
    "student_dropout": ("student_dropout/student_dropout", "Status"),
    "satimage": ("keel_dev/satimage", "target"),
    "spambase": ("keel_dev/spambase", "target"),
    "magic": ("keel_dev/magic", "target"),
    "segment": ("keel_dev/segment", "target"),
    "vehicle": ("keel_dev/vehicle", "target"),
    "wdbc": ("keel_dev/wdbc", "target"),
    "ring": ("keel_dev/ring", "target"),
    "elec2": ("elec2/elec2", "class"),
    "mammographic": ("keel_dev/mammographic", "target"),
    "ionosphere": ("keel_dev/ionosphere", "target"),
}
UNSEEN = ("ring", "elec2", "mammographic", "ionosphere")
"""Sets that were not looked at when the ranking was chosen; nor was any seed from `FIRST_SEED` on."""
FIRST_SEED = 20
RATES = (0.05, 0.10, 0.20)
KINDS = ("uniform", "class_dependent")
MOST_ROWS = 3_000
CLEANLAB = "cleanlab==2.9.0"


@dataclass(frozen=True)
class Case:
    """One set with labels flipped in one way."""

    name: str
    rate: float
    kind: str
    seed: int

    @property
    def stem(self) -> str:
        """Name of its files."""
        return f"{self.name}-{round(100 * self.rate)}-{self.kind}-{self.seed}"


def flip(
    labels: npt.NDArray[np.int64], n_classes: int, case: Case, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return labels of which `rate` are wrong, and the rows that are.

    Uniform: rows at random, to any other class. Class-dependent: classes err up to ten times as often as others, each
    mostly (3 of 4 times) towards one other class.
    """
    n = len(labels)
    n_wrong = round(case.rate * n)
    weight = np.ones(n_classes) if case.kind == "uniform" else rng.permutation(np.geomspace(0.3, 3.0, n_classes))
    wanted = weight[labels] / weight[labels].sum()
    rows = np.sort(rng.choice(n, n_wrong, replace=False, p=wanted))
    step = rng.integers(1, n_classes, n_wrong)
    if case.kind == "class_dependent":
        step = np.where(rng.random(n_wrong) < 0.75, 1, step)
    flipped = labels.copy()
    flipped[rows] = (labels[rows] + step) % n_classes
    return flipped, rows


def make(case: Case, path: Path) -> None:
    """Flip labels, fit out of fold, and keep labels, probabilities and the rows that are wrong."""
    source, target = SETS[case.name]
    rng = np.random.default_rng([case.seed, round(100 * case.rate), KINDS.index(case.kind)])
    table = pq.read_table(SHARED / f"{source}.parquet")
    if table.num_rows > MOST_ROWS:
        table = table.take(np.sort(np.random.default_rng(0).choice(table.num_rows, MOST_ROWS, replace=False)))
    names, codes = np.unique(to_strings(table[target].combine_chunks()).to_pylist(), return_inverse=True)
    flipped, wrong = flip(codes.astype(np.int64), len(names), case, rng)
    place = table.column_names.index(target)
    table = table.set_column(place, target, pa.array(names[flipped].tolist())).combine_chunks()
    profile = summarise(table.to_batches())
    features = tuple(name for name in table.column_names if name != target)
    spec = TaskSpec("m", "classify", target, profile.schema(features), "log", seed=case.seed)
    task = task_named("classify")
    split = SplitSpec(seed=case.seed, folds=3)
    folds = data.fold_all(table, split, task="classify", target=target, key=None, time=None, group=None).folds
    rung = task.candidates(spec, profile)[-1]
    rung = type(rung)(rung.name, rung.title, BRISK[rung.name])
    found = select.predict_out_of_fold(task, spec, rung, table, folds)
    if found is None or found.probabilities is None or len(found.rows) != table.num_rows:
        message = f"{case.stem}: not every row was predicted"
        raise RuntimeError(message)
    draft = path.with_suffix(".part.npz")
    np.savez(draft, labels=found.truth.astype(np.int64), probabilities=found.probabilities, wrong=wrong)
    draft.replace(path)


def peer_python(work: Path) -> Path:
    """Return the interpreter of cleanlab's own environment, made where it is not there."""
    folder = work / "peer"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", CLEANLAB], check=True)
        (folder / "ready").touch()
    return python


def precision(order: npt.NDArray[np.int64], wrong: npt.NDArray[np.int64]) -> float:
    """Return the share of wrong rows among the first k of `order`, k being their number."""
    return float(np.isin(order[: len(wrong)], wrong).mean())


def judge(case: Case, work: Path, *, peer: bool) -> dict[str, Any]:
    """Return every ranking's precision at k, and the estimated share of errors."""
    kept = np.load(work / f"{case.stem}.npz")
    labels, probabilities, wrong = kept["labels"], kept["probabilities"], kept["wrong"]
    ours = confident.find_issues(labels, probabilities)
    result: dict[str, Any] = {
        "set": case.name,
        "rate": case.rate,
        "kind": case.kind,
        "seed": case.seed,
        "n_rows": len(labels),
        "n_wrong": len(wrong),
        "cauce": precision(confident.rank(labels, probabilities), wrong),
        "random": precision(np.random.default_rng(case.seed).permutation(len(labels)), wrong),
        "surest_share": surest_share(labels, probabilities),
        "joint_share": ours.share,
        "cauce_n": len(ours.rows),
        "cauce_precision_of_named": float(np.isin(ours.rows, wrong).mean()) if len(ours.rows) else None,
    }
    if peer:
        told = np.load(work / f"{case.stem}.peer.npz")
        for name in told.files:
            result[name] = precision(told[name], wrong) if name.startswith("cleanlab_rank") else float(told[name])
    return result


def _figure(case: dict[str, Any], ranking: str, peer: str) -> float:
    return float(case["cauce"] - case[peer] if ranking == "difference" else case[ranking])


def summary(cases: list[dict[str, Any]], peer: str) -> dict[str, Any]:
    """Return means with 95 % intervals; sets, not runs, are the units: runs on one set are not independent."""
    from scipy.stats import t

    told: dict[str, Any] = {}
    parts: dict[str, list[dict[str, Any]]] = {
        f"{round(100 * rate)}% {kind}": [c for c in cases if (c["rate"], c["kind"]) == (rate, kind)]
        for rate, kind in product(RATES, KINDS)
    }
    parts |= {"all": cases, "unseen sets": [c for c in cases if c["set"] in UNSEEN]}
    for part, chosen in parts.items():
        names = sorted({c["set"] for c in chosen})
        entry: dict[str, Any] = {"n_runs": len(chosen), "n_sets": len(names)}
        for ranking in ("cauce", peer, "random", "difference"):
            means = np.array(
                [
                    np.mean(
                        [
                            c["cauce"] - c[peer] if ranking == "difference" else c[ranking]
                            for c in chosen
                            if c["set"] == s
                        ]
                    )
                    for s in names
                ]
            )
            half = (
                float(t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else 0
            )
            entry[ranking] = {
                "mean": float(means.mean()),
                "lower": float(means.mean() - half),
                "upper": float(means.mean() + half),
            }
        told[part] = entry
    return told


def surest_share(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> float:
    """Return the share of wrong labels that the audit states: contradictions among the surest fifth."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")[: round(0.2 * len(labels))]
    return float((probabilities[order].argmax(axis=1) != labels[order]).mean())


def commit() -> str:
    """Return the commit that was measured."""
    command = ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Make every case, have both rank it, and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--no-peer", action="store_true", help="leave cleanlab out")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    cases = [Case(*one) for one in product(SETS, RATES, KINDS, range(FIRST_SEED, FIRST_SEED + given.seeds))]
    for number, case in enumerate(cases):
        path = given.work / f"{case.stem}.npz"
        if not path.exists():
            make(case, path)
        print(f"{number + 1}/{len(cases)} {case.stem} {time.monotonic() - started:.0f} s", file=sys.stderr)
    if not given.no_peer:
        paths = [str(given.work / f"{case.stem}.npz") for case in cases]
        subprocess.run([peer_python(given.work), HERE / "peer.py", *paths], check=True)
    judged = [judge(case, given.work, peer=not given.no_peer) for case in cases]
    peers = [] if given.no_peer else [name for name in judged[0] if name.startswith("cleanlab_rank")]
    best = max(peers, key=lambda name: np.mean([case[name] for case in judged]), default="random")
    libraries = {name: version(name) for name in ("cauce", "numpy", "lightgbm", "pyarrow")}
    result = {
        "seeds": given.seeds,
        "peer": CLEANLAB,
        "best_peer_ranking": best,
        "commit": commit(),
        "means": {name: float(np.mean([case[name] for case in judged])) for name in ["cauce", *peers, "random"]},
        "summary": summary(judged, best),
        "share_error": {
            name: float(np.mean([abs(case[name] - case["n_wrong"] / case["n_rows"]) for case in judged]))
            for name in ("surest_share", "joint_share")
        },
        "libraries": libraries,
        "python": sys.version.split()[0],
        "seconds": time.monotonic() - started,
        "cases": judged,
    }
    (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["means"], indent=1), json.dumps(result["summary"]["all"], indent=1))


if __name__ == "__main__":
    main()
