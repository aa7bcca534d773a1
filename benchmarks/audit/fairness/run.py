"""Gaps between groups reduced to 0.02: at what cost in accuracy, beside Fairlearn alone on the same splits.

    python benchmarks/audit/fairness/run.py [--seeds 5] [--rungs linear boosting] [--sets adult_sex german_sex]

Every (set, rung, seed) is kept in `work/` beside the project's shared data when it is done; the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.base import BaseEstimator

from cauce.core.artefacts import Candidate, TaskSpec
from cauce.core.registry import task as task_named
from cauce.core.specs import FairnessSpec, ModelSpec
from cauce.evidence import paired
from cauce.evidence.gaps import of_metric
from cauce.fairness import Mitigated, Plan, make_plan
from cauce.profile import summarise

HERE = Path(__file__).parent
DATA = HERE.parents[2] / ".." / "shared" / "data"
WORK = HERE / "work"
GAP = 0.02
SETS: dict[str, dict[str, Any]] = {
    "adult_sex": {"file": "adult/adult", "target": "income", "favoured": ">50K", "by": ("sex",)},
    "adult_race": {"file": "adult/adult", "target": "income", "favoured": ">50K", "by": ("race",)},
    "german_sex": {"file": "german_credit/german_credit", "target": "class-label", "favoured": "1", "by": ("sex",)},
}
DROPPED = ("split", "fnlwgt", "race", "sex", "marital-status")
"""What no model sees: the sensitive columns, weights, and German credit's column that names the sex."""
BRISK = {"boosting": {"learning_rate": 0.2, "rounds": 100}}
OURS = (("reweigh", 1.0), ("thresholds", 1.0), ("reductions", 1.0))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--rungs", nargs="+", default=["linear", "boosting"])
    asked.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    asked.add_argument("--most", type=int, default=20_000, help="training rows at most")
    given = asked.parse_args()
    path = HERE / "result.json"
    results: dict[str, Any] = json.loads(path.read_text())["results"] if path.exists() else {}
    for name in given.sets:
        for rung in given.rungs:
            runs = [one_split(name, rung, seed, given.most) for seed in range(given.seeds)]
            results[f"{name}/{rung}"] = {"splits": len(runs), **summary(runs)}
            print(name, rung, json.dumps(results[f"{name}/{rung}"], indent=1))
    libraries = {one: version(one) for one in ("cauce", "fairlearn", "scikit-learn", "lightgbm", "numpy")}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, cwd=HERE
    )
    written = {
        "gap": GAP,
        "most_training_rows": given.most,
        "metric": "demographic_parity",
        "python": platform.python_version(),
        "libraries": libraries,
        "commit": commit.stdout.strip(),
        "results": results,
    }
    path.write_text(json.dumps(written, indent=2) + "\n")


def one_split(name: str, rung: str, seed: int, most: int) -> dict[str, Any]:
    """Fit everything on one random half and measure on the other; from the cache where that was done before."""
    path = WORK / f"{name}.{rung}.{seed}.{most}.json"
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text())
        return kept
    about = SETS[name]
    table = pq.read_table(DATA / f"{about['file']}.parquet")
    order = np.random.default_rng(seed).permutation(table.num_rows)
    half = min(table.num_rows // 2, most)
    teach, judge = (table.take(pa.array(np.sort(rows))) for rows in (order[:half], order[table.num_rows // 2 :]))
    profile = summarise(table.to_batches())
    settings = ModelSpec(
        task="classify",
        data="d",
        target=about["target"],
        sensitive=about["by"],
        ignore=about["by"],
        fairness=FairnessSpec(favoured=about["favoured"], mitigate="thresholds", at_prediction=True),
    )
    plan = make_plan("m", settings, profile)
    assert plan is not None
    inputs = [column for column in table.column_names if column not in {about["target"], *DROPPED}]
    work = Split(plan, teach, judge, inputs, about["target"], Candidate(rung, {}, BRISK.get(rung, {})), profile, seed)
    base = work.ours("off", 1.0)
    found = {"off": work.measured(base, base)}
    for method, strength in OURS:
        print(" ", name, rung, seed, method, flush=True)
        begun = time.monotonic()
        said = work.ours(method, strength)
        found[method] = {**work.measured(said, base), "seconds": time.monotonic() - begun}
    for title, fit in (
        ("fairlearn_reductions", work.fairlearn_gradient),
        ("fairlearn_thresholds", work.fairlearn_cuts),
    ):
        print(" ", name, rung, seed, title, flush=True)
        begun = time.monotonic()
        said = fit()
        found[title] = {**work.measured(said, base), "seconds": time.monotonic() - begun}
    found["majority"] = work.measured(np.full(judge.num_rows, work.majority), base)
    WORK.mkdir(exist_ok=True)
    path.write_text(json.dumps(found))
    return found


class Split:
    """One set cut in two, and ways to learn from one part and answer for the other."""

    def __init__(
        self,
        plan: Plan,
        teach: pa.Table,
        judge: pa.Table,
        inputs: list[str],
        target: str,
        candidate: Candidate,
        profile: Any,
        seed: int,
    ) -> None:
        self.plan, self.teach, self.judge, self.seed = plan, teach, judge, seed
        self.candidate, self.target = candidate, target
        self.base_spec = TaskSpec("m", "classify", target, profile.schema(inputs), "log", seed=seed)
        self.asking = TaskSpec("m", "classify", target, profile.schema([*inputs, *plan.hidden]), "log", seed=seed)
        self.truth, self.truth_teach = self.is_favoured(judge[target]), self.is_favoured(teach[target])
        self.labels = self.truth_teach.astype(int)
        self.majority = bool(self.truth_teach.mean() > 0.5)
        self.groups, self.groups_teach = plan.codes(judge), plan.codes(teach)

    def is_favoured(self, column: pa.ChunkedArray) -> np.ndarray:
        return np.array([str(value) == self.plan.favoured for value in column.to_pylist()])

    def ours(self, method: str, strength: float) -> np.ndarray:
        from dataclasses import replace

        asks = method == "thresholds"
        plan = replace(self.plan, method=method, strength=strength, hidden=self.plan.hidden if asks else ())  # type: ignore[arg-type]
        spec = self.asking if asks else self.base_spec
        fitted = Mitigated(task_named("classify"), plan).fit(
            self.candidate, self.candidate.params, self.teach, spec=spec
        )
        return self.is_favoured(fitted.predict(self.judge)["prediction"])

    def fairlearn_gradient(self) -> np.ndarray:
        """Fairlearn's exponentiated gradient as its manual has it: the lot is drawn at prediction."""
        from fairlearn.reductions import DemographicParity, ExponentiatedGradient

        game = ExponentiatedGradient(self.learner(), constraints=DemographicParity(difference_bound=GAP / 4))
        game.fit(
            np.arange(self.teach.num_rows)[:, None], self.truth_teach.astype(int), sensitive_features=self.groups_teach
        )
        rows = -1 - np.arange(self.judge.num_rows)[:, None]  # below zero: rows that judge
        return np.asarray(np.asarray(game.predict(rows, random_state=self.seed)) == 1)

    def fairlearn_cuts(self) -> np.ndarray:
        """Fairlearn's ThresholdOptimizer on the same rung; it, too, draws lots."""
        from fairlearn.postprocessing import ThresholdOptimizer

        learner = self.learner()
        learner.fit(None, self.truth_teach.astype(int), None)
        cut = ThresholdOptimizer(
            estimator=learner, constraints="demographic_parity", prefit=True, predict_method="predict_proba"
        )
        cut.fit(
            np.arange(self.teach.num_rows)[:, None], self.truth_teach.astype(int), sensitive_features=self.groups_teach
        )
        rows = -1 - np.arange(self.judge.num_rows)[:, None]
        said = cut.predict(rows, sensitive_features=self.groups, random_state=self.seed)
        return np.asarray(np.asarray(said) == 1)

    def learner(self) -> Learner:
        """Return the rung as Fairlearn takes an estimator: its rows are row numbers, those that judge below zero."""

        def fit(labels: np.ndarray, weights: np.ndarray | None) -> Callable[[np.ndarray], np.ndarray]:
            names = pa.array(["yes" if label else "no" for label in labels])
            place = self.teach.column_names.index(self.target)
            table = self.teach.set_column(place, self.target, names)
            fitted = task_named("classify").fit(
                self.candidate, self.candidate.params, table, weights, spec=self.base_spec
            )
            sides = {side: fitted.predict(rows)["prob_yes"].to_numpy() for side, rows in
                     (("teach", self.teach), ("judge", self.judge))}  # fmt: skip

            def say(rows: np.ndarray) -> np.ndarray:
                own = np.asarray(rows)[:, 0].astype(int)
                return np.asarray(sides["judge"][-1 - own] if own[0] < 0 else sides["teach"][own])

            return say

        return Learner(fit)

    def measured(self, said: np.ndarray, base: np.ndarray) -> dict[str, float]:
        n = int(np.prod([len(one.names) for one in self.plan.groupings]))
        gap = of_metric("demographic_parity", self.truth, said, self.groups, n).gap
        cost = paired((said != self.truth).astype(float), (base != self.truth).astype(float), margin=0.0)
        return {
            "gap": gap.value,
            "gap_lower": gap.lower,
            "gap_upper": gap.upper,
            "accuracy": float((said == self.truth).mean()),
            "cost": cost.difference,
            "cost_lower": cost.lower,
            "cost_upper": cost.upper,
        }


class Learner(BaseEstimator):  # type: ignore[misc]
    """What Fairlearn takes for an estimator."""

    def __init__(self, learn: Any) -> None:
        self.learn = learn
        self.say: Any = None

    def fit(self, _rows: Any, labels: Any, sample_weight: Any = None) -> Learner:
        weights = None if sample_weight is None else np.asarray(sample_weight, float)
        self.say = self.learn(np.asarray(labels), weights)
        self.fitted_ = True
        return self

    def predict_proba(self, rows: Any) -> np.ndarray:
        assert self.say is not None
        share = self.say(rows)
        return np.column_stack([1 - share, share])

    def predict(self, rows: Any) -> np.ndarray:
        return (self.predict_proba(rows)[:, 1] > 0.5).astype(int)

    def __sklearn_clone__(self) -> Learner:
        return Learner(self.learn)

    def __sklearn_is_fitted__(self) -> bool:
        return self.say is not None


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return every figure's mean over splits with its t interval, and how well one split knows its gap and its cost."""
    from scipy.special import stdtrit

    told: dict[str, Any] = {}
    for method in runs[0]:
        told[method] = {}
        for figure in ("gap", "accuracy", "cost"):
            values = np.array([run[method][figure] for run in runs])
            half = (
                -stdtrit(len(values) - 1, 0.025) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0
            )
            told[method][figure] = [
                round(float(v), 4) for v in (values.mean(), values.mean() - half, values.mean() + half)
            ]
        told[method]["within"] = sum(run[method]["gap"] <= GAP for run in runs)
        told[method]["proven_within"] = sum(run[method]["gap_upper"] <= GAP for run in runs)
        told[method]["proven_larger"] = sum(run[method]["gap_lower"] > GAP for run in runs)
        for figure in ("gap", "cost"):
            ends = [(run[method][f"{figure}_lower"], run[method][f"{figure}_upper"]) for run in runs]
            told[method][f"{figure}_known_to"] = round(float(np.mean([(high - low) / 2 for low, high in ends])), 4)
        told[method]["seconds"] = round(float(np.mean([run[method].get("seconds", 0.0) for run in runs])), 1)
    return told


if __name__ == "__main__":
    main()
