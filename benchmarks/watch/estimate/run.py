"""Do estimates without truths come true under covariate shift, and are they given up under concept shift?

    python -m benchmarks.watch.estimate.run [--quick] [--seeds 3] [--runs 40] [--nannyml PYTHON] [--data FOLDER]

Three questions: `covariate` (ROC-AUC by CBPE against the realised one, with the held-out ROC-AUC as the naive control
and NannyML's CBPE as the peer), `loss` (the same of DLE for regressors) and `concept` (how soon, and how often wrongly,
estimates are called unreliable). Each case is kept under `--work`: a killed run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from benchmarks.select import cases
from benchmarks.watch.estimate import material
from benchmarks.watch.estimate.material import CLASSIFY, REGRESS, Case, Codes, Floats

from cauce.core.files import from_json
from cauce.core.registry import task as task_named
from cauce.loop.expect import expect, places, said_of, second_input, second_says
from cauce.watch import cbpe
from cauce.watch.estimate import Expectation, Said, expected_of, realised_of
from cauce.watch.judged import JudgedBatch, judge_batch, verdicts

HERE = Path(__file__).parent
WINDOW = 2000
BATCH = 1000
DROP = 0.05
"""Points of ROC-AUC that the concept shift costs."""
TOO_SMALL = {"contraceptive", "german_credit"}
"""Pools of fewer than 500 rows, of which no batch of 1,000 should be drawn."""
Judge = tuple[Case, Expectation, Said, Codes | Floats]


def prepared(case: Case) -> Judge:
    """Return the case, what its held-out rows let expect, and what is said of the pool, with its truths."""
    spec, fitted = case.spec, case.fitted
    losses = task_named(spec.task).losses(fitted, case.held, spec)
    made = expect(spec, fitted, case.held, fitted.predict(case.held), losses)
    assert made.content is not None
    expectation = from_json(made.content, Expectation)
    said = said_of(fitted, fitted.predict(case.pool))
    table = second_input(case.pool, spec.schema.names, said, classify=bool(fitted.classes))
    second = {name: second_says(models, table, fitted.classes if name == "classes" else ())
              for name, models in made.second.items()}  # fmt: skip
    second |= {name: np.zeros((1, said.n_rows)) for name, one in expectation.scales.items() if one.constant is not None}
    said = Said(said.shares, said.codes, second)
    if spec.task == "classify":
        return case, expectation, said, places(case.pool[spec.target], fitted.classes)
    return case, expectation, said, case.pool[spec.target].to_numpy().astype(np.float64)


def counted(expectation: Expectation, truth: Codes, n_classes: int) -> tuple[int, ...]:
    """Return the classes whose ROC-AUC these rows tell."""
    told = cbpe.counted_classes(truth, n_classes)
    return tuple(k for k in expectation.counted if k in told)


def covariate(judge: Judge, runs: int, seed: int, peer: Peer, name: str) -> dict[str, Any]:
    """Hold the estimate of shifted windows against what came."""
    case, expectation, said, truth = judge
    rng = np.random.default_rng([seed, 1])
    rows: list[dict[str, float]] = []
    windows: list[Codes] = []
    for _ in range(runs):
        window = material.shifted(case, WINDOW, float(rng.uniform(0.5, 3.0)), rng)
        classes = counted(expectation, np.asarray(truth[window], np.int64), said.shares.shape[1])
        if not classes:
            continue
        some = said.rows(window)
        found = expected_of(expectation, some, classes)["roc_auc"]
        came = realised_of(expectation, some, truth[window], classes)["roc_auc"]
        windows.append(window)
        rows.append({"came": came, "expected": found.value, "noise": found.sampling**0.5,
                     "sd": (found.sampling + found.calibration) ** 0.5})  # fmt: skip
    held = said_of(case.fitted, case.fitted.predict(case.held))
    index = np.concatenate(windows)
    theirs = peer.ask(name, held_shares=held.shares, held_said=held.codes,
                      held_truth=places(case.held[case.spec.target], case.fitted.classes), size=len(windows[0]),
                      window_shares=said.shares[index], window_said=said.codes[index])  # fmt: skip
    return {"rows": rows, "reference": expectation.reference["roc_auc"], "n": len(windows[0]),
            "n_held": case.held.num_rows, "second": bool(expectation.second), "nannyml": theirs}  # fmt: skip


def loss(judge: Judge, runs: int, seed: int, peer: Peer, name: str) -> dict[str, Any]:
    """Hold the expected loss of shifted windows against what came."""
    case, expectation, said, truth = judge
    rng = np.random.default_rng([seed, 2])
    windows = [material.shifted(case, WINDOW, float(rng.uniform(0.5, 3.0)), rng) for _ in range(runs)]
    figure, found = expectation.loss_figure, []
    for window in windows:
        some = said.rows(window)
        one = expected_of(expectation, some)[figure]
        found.append({"came": realised_of(expectation, some, truth[window])[figure], "expected": one.value,
                      "noise": one.sampling**0.5, "sd": (one.sampling + one.calibration) ** 0.5})  # fmt: skip
    index = np.concatenate(windows)
    inputs = list(case.spec.schema.names)
    held, pool = (np.column_stack([_numeric(table[column]) for column in inputs]) for table in (case.held, case.pool))
    theirs = peer.ask(name, held_inputs=held, window_inputs=pool[index], size=len(windows[0]), metric=figure,
                      held_said=case.fitted.predict(case.held)["prediction"].to_numpy(),
                      held_truth=case.held[case.spec.target].to_numpy().astype(np.float64),
                      window_said=said.shares[index, 0])  # fmt: skip
    constant = expectation.scales[figure].constant is not None
    return {"rows": found, "reference": expectation.reference[figure], "n": len(windows[0]), "figure": figure,
            "n_held": case.held.num_rows, "second": not constant, "nannyml": theirs}  # fmt: skip


def _numeric(values: Any) -> Floats:
    """Return numbers, and codes of texts, which NannyML's second model takes as numbers."""
    found = values.combine_chunks().to_numpy(zero_copy_only=False)
    return (
        found.astype(np.float64) if found.dtype.kind in "ifb" else np.unique(found.astype(str), return_inverse=True)[1]
    )


def flipped(judge: Judge, rng: np.random.Generator) -> tuple[Codes, float] | None:
    """Return the pool's truths after a change of concept that costs `DROP`, and what it cost.

    Rows at one end of a column, 40 % of all, come to have another class with a chance that is sought by bisection; of
    all rows where that is not enough. None where nothing is.
    """
    case, expectation, said, known = judge
    truth = np.asarray(known, np.int64)
    ranked = sorted(case.fitted.importance.items(), key=lambda item: -item[1])[:6]
    names = [name for name, _ in ranked] or list(case.spec.schema.names)
    place = material.position(case.pool, names[int(rng.integers(len(names)))]) * float(rng.choice([-1, 1]))
    luck, n_classes = rng.random(len(truth)), said.shares.shape[1]
    other = (truth + rng.integers(1, n_classes, len(truth))) % n_classes
    before = realised_of(expectation, said, truth)["roc_auc"]
    for inside in (place >= np.quantile(place, 0.6), np.ones(len(truth), np.bool_)):
        low, high = 0.0, 1.0
        for _ in range(14):
            share = (low + high) / 2
            changed = np.where(inside & (luck < share), other, truth)
            cost = before - realised_of(expectation, said, changed)["roc_auc"]
            low, high = (share, high) if cost < DROP else (low, share)
        if abs(cost - DROP) < 0.005:
            return changed, cost
    return None


def concept(judge: Judge, runs: int, seed: int) -> dict[str, Any]:
    """Judge batches before and after a change of concept, and batches without any."""
    case, expectation, said, known = judge
    truth = np.asarray(known, np.int64)
    rng = np.random.default_rng([seed, 3])

    def batches(labels: Codes, n: int, shift: bool = False) -> list[JudgedBatch]:
        found = []
        for _ in range(n):
            index = rng.integers(0, len(labels), BATCH)
            if shift:
                index = rng.choice(material.shifted(case, len(labels) // 3, float(rng.uniform(0.5, 3.0)), rng), BATCH)
            found.append(judge_batch(expectation, said.rows(index), labels[index]))
        return found

    result: dict[str, Any] = {"caught": {}, "costs": [], "calm": [], "calm_shifted": []}
    for before in (0, 5, 20):
        result["caught"][before] = []
    for _ in range(runs):
        calm = batches(truth, 20)
        result["calm"].append(any(one.reliable is False for one in verdicts(calm)))
        moved = batches(truth, 20, shift=True)
        result["calm_shifted"].append(any(one.reliable is False for one in verdicts(moved)))
        change = flipped(judge, rng)
        if change is None:
            continue
        after, cost = change
        result["costs"].append(cost)
        new = batches(after, 2)
        for before in (0, 5, 20):
            told = [one.reliable for one in verdicts([*calm[:before], *new])]
            if before and told[before - 1] is False:
                continue  # given up before: counted above
            found = [flag is False for flag in told[before:]]
            result["caught"][before].append(1 if found[0] else 2 if found[1] else 0)
    return result


class Peer:
    """NannyML in its own environment, asked once for all cases."""

    def __init__(self, python: Path | None, work: Path) -> None:
        self.python, self.folder = python, work / "nannyml"
        self.folder.mkdir(parents=True, exist_ok=True)

    def ask(self, name: str, **content: Any) -> str:
        """Lay a case before it; return its name."""
        if self.python is not None:
            np.savez_compressed(self.folder / f"{name}.npz", **content)
        return name

    def answer(self) -> None:
        """Let it work on what has no answer yet."""
        if self.python is not None:
            silent = os.environ | {"NML_DISABLE_USAGE_LOGGING": "1"}  # it reports its use to a server else
            subprocess.run([str(self.python), str(HERE / "peer.py"), str(self.folder)], check=True, env=silent)

    def said(self, name: str) -> dict[str, Any]:
        """Return what it said, or why it did not."""
        path = self.folder / f"{name}.json"
        return dict(json.loads(path.read_text())) if path.exists() else {"failed": "not asked"}


def told(found: list[dict[str, Any]], peer: Peer, *, relative: bool) -> dict[str, Any]:
    """Return a set's errors over seeds and windows, by way of estimating."""
    ours, naive, theirs, noise, inside = [], [], [], [], []
    failed = ""
    for one in found:
        came = np.array([row["came"] for row in one["rows"]])
        scale = came if relative else np.ones_like(came)
        expected = np.array([row["expected"] for row in one["rows"]])
        ours.append(np.abs(expected - came) / scale)
        naive.append(np.abs(one["reference"] - came) / scale)
        noise.append(np.array([row["noise"] for row in one["rows"]]) * (2 / np.pi) ** 0.5 / scale)
        inside.append(np.abs(expected - came) <= 1.96 * np.array([row["sd"] for row in one["rows"]]))
        answer = peer.said(one["nannyml"])
        if "values" in answer and len(answer["values"]) == len(came):
            theirs.append(np.abs(np.array(answer["values"]) - came) / scale)
        else:
            failed = answer.get("failed", "another number of windows")

    def mean(parts: list[Floats]) -> float:
        return float(np.concatenate(parts).mean())

    result: dict[str, Any] = {
        "n_windows": sum(len(part) for part in ours), "window": found[0]["n"], "n_held_out": found[0]["n_held"],
        "reference": float(np.mean([one["reference"] for one in found])),
        "second_model": [one["second"] for one in found],
        "error": mean(ours), "error_of_seeds": [float(part.mean()) for part in ours],
        "naive": mean(naive), "expected_of_noise_alone": mean(noise), "in_95_interval": mean(inside),
        "nannyml": mean(theirs) if theirs else None, "nannyml_failed": failed or None,
    }  # fmt: skip
    if not relative:
        for way, parts in (("within_0.02", ours), ("naive_within_0.02", naive), ("nannyml_within_0.02", theirs)):
            result[way] = cases.share((np.concatenate(parts) <= 0.02).astype(float).tolist()) if parts else None
    return result


def summed(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how often estimates were given up, over seeds and runs."""
    result: dict[str, Any] = {
        f"within_two_batches_after_{before}": cases.share(
            [float(k > 0) for one in found for k in one["caught"][before]]
        )
        for before in found[0]["caught"]
    }
    result["within_one_batch_after_0"] = cases.share(
        [float(k == 1) for one in found for k in next(iter(one["caught"].values()))]
    )
    result["false_in_20_batches"] = cases.share([float(flag) for one in found for flag in one["calm"]])
    result["false_in_20_shifted_batches"] = cases.share([float(flag) for one in found for flag in one["calm_shifted"]])
    result["cost"] = float(np.mean([cost for one in found for cost in one["costs"]] or [0.0]))
    return result


def _cases(
    source: material.Source, rung: str, seed: int, given: argparse.Namespace, peer: Peer
) -> dict[str, dict[str, Any]]:
    """Return what one champion came to, by kind of question; the champion is fitted where something is not kept yet."""
    name = f"{source.name}-{rung}-{seed}"
    once = cache(lambda: prepared(material.case(source, rung, seed, given.data)))
    kind, measure = ("covariate", covariate) if source.task == "classify" else ("loss", loss)
    if given.kept:
        paths = {one: given.work / f"{one}-{name}.json" for one in (kind, "concept")}
        return {one: json.loads(path.read_bytes()) for one, path in paths.items() if path.exists()}
    made = {kind: cases.kept(given.work / f"{kind}-{name}.json", lambda: measure(once(), given.runs, seed, peer, name))}
    if source.task == "classify" and source.name not in TOO_SMALL:
        path = given.work / f"concept-{name}.json"
        made["concept"] = cases.kept(path, lambda: concept(once(), given.runs, seed))
    return made


def main() -> None:
    """Run all cases and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two sets, few runs: does it work?")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--nannyml", type=Path, help="an interpreter that has nannyml")
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--kept", action="store_true", help="run nothing: sum up the cases that are kept")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    peer = Peer(given.nannyml, given.work)
    sources = [one for one in (*CLASSIFY, *REGRESS) if not given.sets or one.name in given.sets]
    if given.quick:
        sources, given.seeds, given.runs = [CLASSIFY[3], REGRESS[0]], 1, 5
    found: dict[str, dict[str, list[dict[str, Any]]]] = {"covariate": {}, "loss": {}, "concept": {}}
    skipped = {one.name: "not there: " + one.file for one in sources if not (given.data / one.file).exists()}
    order = [
        (seed, rung, one)
        for seed in range(given.seeds)
        for rung in ("boosting", "linear")
        for one in sources
        if one.name not in skipped
    ]
    for seed, rung, source in order:
        made = _cases(source, rung, seed, given, peer)
        for kind, one in made.items():
            found[kind].setdefault(f"{source.name}, {rung}", []).append(one)
    begun = time.monotonic()
    peer.answer()
    cases.write(
        given.work if given.quick else HERE,
        seeds=given.seeds,
        runs=given.runs,
        skipped=skipped,
        nannyml_seconds=time.monotonic() - begun,
        covariate={name: told(each, peer, relative=False) for name, each in found["covariate"].items()},
        loss={name: told(each, peer, relative=True) for name, each in found["loss"].items()},
        concept={name: summed(each) for name, each in found["concept"].items()},
    )


if __name__ == "__main__":
    main()
