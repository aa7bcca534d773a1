"""How few rows can be proven not worse by 1 %, with at least 30,000 units that judge.

    python -m benchmarks.reduce.proof.run --work FOLDER [--data FOLDER] [--seeds 3]

Each (set, family, seed) is kept under `--work` when it is done.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from benchmarks.reduce.families import FAMILIES
from benchmarks.reduce.large.run import made
from benchmarks.select import cases
from benchmarks.select.sets import SETS, read

from cauce.reduce.encode import encode
from cauce.reduce.guarantee import Judges, Terms, prove
from cauce.reduce.rows import Kept, Rows
from cauce.reduce.search import Effort, Search

HERE = Path(__file__).parent
N_JUDGES = 30_000
MARGIN = 0.01
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
NAMED = ("adult", "insteval")
OTHER: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "elec2": ("elec2/elec2.parquet", "class", ()),
    "hillstrom": ("hillstrom_email/hillstrom.parquet", "visit", ("conversion", "spend")),
}
"""Set → file, target, columns left out because they tell it."""
MADE = {"made_100k": 100_000, "made_300k": 300_000}
CASES = tuple((name, family) for name in (*NAMED, *OTHER, *MADE) for family in ("boosting", "linear"))


def rows_of(name: str, data: Path) -> Rows:
    """Return a whole set."""
    if name in MADE:
        return made(MADE[name] + N_JUDGES, 0)
    if name in OTHER:
        path, target_name, left_out = OTHER[name]
        frame = pq.read_table(data / path).to_pandas().drop(columns=list(left_out))
        target = pd.factorize(frame.pop(target_name), sort=True)[0]
        return encode(frame, target).rows
    chosen = next(one for one in SETS if one.name == name)
    frame = read(chosen, data)
    target = frame.pop(chosen.target)
    if chosen.task == "classify":
        return encode(frame, pd.factorize(target, sort=True)[0]).rows
    return encode(frame, target.to_numpy(float), n_classes=0).rows


def case(name: str, family: str, seed: int, data: Path) -> dict[str, Any]:
    """Search and prove one set for one family."""
    rows = rows_of(name, data)
    order = np.random.default_rng([seed, 5]).permutation(len(rows))
    judge, searched = rows.take(np.sort(order[:N_JUDGES])), rows.take(np.sort(order[N_JUDGES:]))
    rng = np.random.default_rng([seed, 6])
    search = Search(searched, rng)
    learner = FAMILIES[family]

    def propose(share: float) -> Kept:
        return search.run(round(share * len(searched)), rng, panel={family: learner}, effort=Effort(20.0)).kept

    terms = Terms(margin=MARGIN, shares=SHARES, seed=seed)
    found = prove(searched, Judges(judge), families={family: learner}, propose=propose, terms=terms).record
    tried = [
        {
            "share": one.n_kept / len(searched),
            "excess": one.families[family].difference / one.families[family].mean_reference,
            "upper": one.families[family].upper / one.families[family].mean_reference,
            "passed": one.passed,
        }
        for one in found.attempts
    ]
    wanted = {"verdict", "n_rows", "n_kept", "n_judge", "provable_margin", "units_for_margin"}
    told = {key: value for key, value in asdict(found).items() if key in wanted}
    seconds = {"search_seconds": found.search_seconds, "judge_seconds": found.judge_seconds}
    return {"set": name, "family": family, "seed": seed, "tried": tried} | told | seconds


def main() -> None:
    """Run what is not kept yet and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    found = [
        cases.kept(given.work / f"{name}-{family}-{seed}.json", partial(case, name, family, seed, given.data))
        for seed in range(given.seeds)
        for name, family in CASES
    ]
    cases.write(HERE, margin=MARGIN, n_judges=N_JUDGES, cases=found)


if __name__ == "__main__":
    main()
