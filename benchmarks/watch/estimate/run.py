"""Do estimates without truths come true under covariate shift, and are they given up under concept shift?

    python -m benchmarks.watch.estimate.run [--quick] [--seeds 101 102] [--runs 25] [--nannyml PYTHON] [--data FOLDER]

Three questions: `covariate` (ROC-AUC by CBPE against the realised one, with the held-out ROC-AUC as the naive control
and NannyML's CBPE as the peer), `loss` (the same of DLE for regressors), `real` and `redrawn` (how soon, and how often
wrongly, estimates are called unreliable; see `reliability`). Each case is kept under `--work`: a killed run goes on
where it was.
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
from benchmarks.watch.estimate import material, reliability
from benchmarks.watch.estimate.material import CLASSIFY, REGRESS, Case, Codes, Floats
from benchmarks.watch.estimate.prepared import Judge, prepared

from cauce.loop.expect import places, said_of
from cauce.watch.truths import cbpe
from cauce.watch.truths.estimate import Expectation, expected_of, realised_of

HERE = Path(__file__).parent
WINDOW = 2000
REDRAWN = {"spambase", "student_dropout", "banana", "ring"}
"""Sets whose inputs are asked in a world of known chances too."""


def _window(case: Case) -> int:
    """Return how many rows a window has: at most a third of the pool, so that a shift is one."""
    return min(WINDOW, len(case.pool) // 3)


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
        window = material.shifted(case, _window(case), float(rng.uniform(0.5, 3.0)), rng)
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
    windows = [material.shifted(case, _window(case), float(rng.uniform(0.5, 3.0)), rng) for _ in range(runs)]
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
    if found.dtype.kind not in "ifb":
        found = np.unique(found.astype(str), return_inverse=True)[1]
    return np.asarray(found, np.float64)


class Peer:
    """NannyML in its own environment, asked once for all cases."""

    def __init__(self, python: Path | None, work: Path) -> None:
        self.python, self.folder = python, work / "nannyml"
        self.folder.mkdir(parents=True, exist_ok=True)

    def ask(self, name: str, **content: Any) -> str:
        """Lay a case before it, to be answered now or by a later call; return its name."""
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

    def share(flags: list[bool]) -> dict[str, float]:
        return cases.share([float(flag) for flag in flags])

    result: dict[str, Any] = {
        name: found[0][name] for name in ("size", "n_calm", "n_shifted", "n_held") if name in found[0]
    }
    for before in found[0]["caught"]:
        for name, way, most in (
            ("within_two", "caught", 2),
            ("within_one", "caught", 1),
            ("earlier_within_two", "earlier", 2),
        ):
            hits = [0 < k <= most for one in found for k in one[way][before]]
            result[f"{name}_after_{before}"] = share(hits) if hits else None
    for name in ("calm", "calm_shifted", "repeated", "repeated_shifted"):
        for way in (name, f"earlier_{name}"):
            if way in found[0]:
                result[f"false_{way}"] = share([flag for one in found for flag in one[way]])
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
        paths = {one: given.work / f"{one}-{name}.json" for one in (kind, "real", "redrawn")}
        return {one: json.loads(path.read_bytes()) for one, path in paths.items() if path.exists()}
    made = {kind: cases.kept(given.work / f"{kind}-{name}.json", lambda: measure(once(), given.runs, seed, peer, name))}
    if source.task == "classify":
        path = given.work / f"real-{name}.json"
        made["real"] = cases.kept(path, lambda: reliability.real(once(), given.runs, seed))
    if source.name in REDRAWN:
        path = given.work / f"redrawn-{name}.json"
        made["redrawn"] = cases.kept(path, lambda: reliability.redrawn(source, rung, seed, given.runs, given.data))
    return made


def main() -> None:
    """Run all cases and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two sets, few runs: does it work?")
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102], help="none of them one that was tuned on")
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--nannyml", type=Path, help="an interpreter that has nannyml")
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--rungs", nargs="+", default=["boosting", "linear"])
    parser.add_argument("--kept", action="store_true", help="run nothing: sum up the cases that are kept")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    peer = Peer(given.nannyml, given.work)
    sources = [one for one in (*CLASSIFY, *REGRESS) if not given.sets or one.name in given.sets]
    if given.quick:
        sources, given.seeds, given.runs = [CLASSIFY[4], REGRESS[0]], [101], 3
    found: dict[str, dict[str, list[dict[str, Any]]]] = {"covariate": {}, "loss": {}, "real": {}, "redrawn": {}}
    skipped = {one.name: "not there: " + one.file for one in sources if not (given.data / one.file).exists()}
    order = [
        (seed, rung, one) for seed in given.seeds for rung in given.rungs for one in sources if one.name not in skipped
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
        real={name: summed(each) for name, each in found["real"].items()},
        redrawn={name: summed(each) for name, each in found["redrawn"].items()},
    )


if __name__ == "__main__":
    main()
