"""Cauce's single chosen model beside AutoGluon, FLAML and a tuned LightGBM: same rows, same seconds, same one core.

    python -m benchmarks.select.run --work FOLDER [--contestants NAME ...] [--sets NAME ...] [--seconds 60]

Each (set, contestant, seconds, seed) runs in a process and an environment of its own and is kept below `--work` when it
is done: the same command goes on where it was stopped. At the end `result.json` and the table of the README are
written from all that is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.select import analyse
from benchmarks.select.score import losses
from benchmarks.select.sets import SETS, Set, write

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PATIENCE_S = 1_800
"""A contestant that takes this much longer than its seconds is ended and counted as failed."""


@dataclass(frozen=True)
class Contestant:
    """A module in `contestants/`, and what its environment needs."""

    module: str
    needs: tuple[str, ...] | None = None
    """None: the environment that runs this."""
    fifth: bool = False
    """Gets a fifth of the seconds that the tuned LightGBM took on the same set, but at least one."""


CONTESTANTS = {
    "cauce": Contestant("cauce_chosen"),
    analyse.FIFTH: Contestant("cauce_chosen", fifth=True),
    "autogluon": Contestant(
        "autogluon_medium",
        ("torch==2.13.0", "autogluon.tabular[lightgbm,catboost,xgboost,fastai]==1.6.3", "pyarrow==24.0.0"),
    ),
    "flaml": Contestant("flaml_auto", ("flaml[automl]==2.7.0", "pyarrow==26.0.1")),
    "catboost": Contestant("catboost_plain", ("catboost==1.2.10", "scikit-learn", "pandas<3", "numpy", "pyarrow")),
    "lightgbm": Contestant(
        "lightgbm_tuned", ("lightgbm==4.7.0", "optuna==5.0.0", "scikit-learn", "pandas==3.1.1", "pyarrow==26.0.1")
    ),
}


@dataclass(frozen=True)
class Given:
    """Where a run works."""

    work: Path
    data: Path
    core: int


@dataclass(frozen=True)
class Run:
    """One contestant on one set."""

    chosen: Set
    contestant: str
    seconds: int
    seed: int

    @property
    def stem(self) -> str:
        """Name of its files."""
        return f"{self.chosen.name}-{self.contestant}-{self.seconds}-{self.seed}"


def main() -> None:
    """Run what is not done yet, then write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--contestants", nargs="+", default=list(CONTESTANTS), choices=CONTESTANTS)
    parser.add_argument("--sets", nargs="+", default=[one.name for one in SETS])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--core", type=int, default=1, help="the one core that every contestant runs on")
    parser.add_argument("--until", help="HH:MM, local time: nothing begins that would end later")
    parser.add_argument("--report", action="store_true", help="run nothing, write the results of what is kept")
    given = parser.parse_args()
    work = given.work.resolve()
    where = Given(work, given.data.resolve(), given.core)
    if not given.report:
        (work / "runs").mkdir(parents=True, exist_ok=True)
        pythons = {name: _python(name, work) for name in given.contestants}
        for seed in given.seeds:
            for chosen in (one for one in SETS if one.name in given.sets):
                for name in given.contestants:
                    asked = Run(chosen, name, given.seconds, seed)
                    if not _late(given.until, given.seconds):
                        _once(asked, pythons[name], where)
    result = analyse.summarise(work / "runs", [one.name for one in SETS])
    (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    analyse.fill(HERE / "README.md", result)


def _late(until: str | None, seconds: int) -> bool:
    return until is not None and time.strftime("%H:%M", time.localtime(time.time() + seconds)) >= until


def _python(name: str, work: Path) -> Path:
    """Return the interpreter of a contestant's own environment, made where it is not there."""
    needs = CONTESTANTS[name].needs
    if needs is None:
        return Path(sys.executable)
    folder = work / "envs" / name
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        for batch in (needs[:1], needs):  # torch first, so that the build for this machine is the one that stays
            subprocess.run([python, "-m", "pip", "install", "-q", *batch], check=True)
    return python


def _once(asked: Run, python: Path, given: Given) -> None:
    """Run one contestant, score it and keep both; a failure is kept too, with the end of what it said."""
    path = given.work / "runs" / f"{asked.stem}.json"
    budget = _budget(asked, path.parent)
    if path.exists() or budget is None:
        return
    test = write(asked.chosen, given.data, given.work / "sets")[1]
    out = given.work / "scratch" / asked.stem
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    begun = time.monotonic()
    code = _started(asked, [*_pinned(given.core), str(python)], budget, given)
    record: dict[str, Any] = {
        "set": asked.chosen.name, "task": asked.chosen.task, "contestant": asked.contestant, "seconds": asked.seconds,
        "seed": asked.seed, "budget_seconds": budget, "wall_seconds": time.monotonic() - begun,
    }  # fmt: skip
    if code == 0:
        each = losses(out / "predictions.npz", test, asked.chosen.target, asked.chosen.task)
        np.savez_compressed(path.with_suffix(".npz"), losses=each)
        record |= {"loss": float(each.mean()), "n_test": len(each), **json.loads((out / "costs.json").read_text())}
        shutil.rmtree(out)
    else:
        record |= {"failed": f"exit {code}: {(out / 'said.txt').read_text()[-600:]}"}
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(record), encoding="utf-8")
    draft.replace(path)
    told = ("loss", "fit_seconds", "predict_us_per_row", "one_row_ms", "size_mb", "chosen", "failed")
    print(time.strftime("%H:%M:%S"), asked.stem, json.dumps({key: record.get(key) for key in told}), flush=True)


def _budget(asked: Run, runs: Path) -> float | None:
    """Return the seconds that a contestant is given; None where what they are a fifth of was not run yet."""
    if not CONTESTANTS[asked.contestant].fifth:
        return asked.seconds
    whole = runs / f"{asked.chosen.name}-{analyse.LIGHTGBM}-{asked.seconds}-0.json"
    took = json.loads(whole.read_text()).get("fit_seconds") if whole.exists() else None
    return None if took is None else max(1.0, took / 5)


def _started(asked: Run, python: list[str], budget: float, given: Given) -> int:
    """Run the contestant to its end and return its exit status, −1 where it had to be ended."""
    train, test = write(asked.chosen, given.data, given.work / "sets")
    out = given.work / "scratch" / asked.stem
    command: list[str | Path] = [
        *python, "-m", f"benchmarks.select.contestants.{CONTESTANTS[asked.contestant].module}",
        "--train", train, "--test", test, "--target", asked.chosen.target, "--task", asked.chosen.task,
        "--seconds", str(budget), "--seed", str(asked.seed), "--out", out,
    ]  # fmt: skip
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = os.environ | one | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    with (out / "said.txt").open("w") as said:
        patience = budget + PATIENCE_S
        try:
            return subprocess.run(
                command, cwd=out, env=environment, stdout=said, stderr=said, timeout=patience, check=False,
                start_new_session=True,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            return -1


def _pinned(core: int) -> tuple[str, ...]:
    """One core, before other work of the machine where one may ask for that.

    Linux schedules sessions against each other before it looks at `nice`: the session asks to be first as well.
    """
    pinned = ("taskset", "-c", str(core))
    if os.geteuid() != 0:
        return pinned
    first = 'echo -20 > /proc/self/autogroup 2> /dev/null; exec "$@"'
    return (*pinned, "nice", "-n", "-20", "sh", "-c", first, "sh")


if __name__ == "__main__":
    main()
