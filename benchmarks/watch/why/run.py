"""Are planted causes of a change found, and is nothing named where nothing changed? See README.md.

python -m benchmarks.watch.why.run [--quick]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
from benchmarks.watch.why.world import SCENARIOS, SCHEMA, month

from cauce.core.why import Change
from cauce.watch.why.change import Sample, cut, explain

HERE = Path(__file__).parent


def run(scenario: str, seed: int, n_rows: int) -> Change:
    """Explain one made-up change."""
    rng = np.random.default_rng([seed, SCENARIOS.index(scenario)])
    before, after = (month(scenario, later=later, n_rows=n_rows, rng=rng) for later in (False, True))
    segments, _ = cut(before.rows, after.rows, SCHEMA)
    samples = [Sample(name, one.rows, one.losses) for name, one in (("March", before), ("April", after))]
    return explain("loss", samples, segments, rng=rng)


def named(change: Change) -> tuple[tuple[str, str], ...]:
    """Return the causes named, with their columns and the first proven segment."""
    found = []
    for part in change.parts:
        if part.proven and part.cause != "everywhere":
            lead = next((s.label["en"] for s in part.segments if s.proven), "")
            found.append((f"{part.cause}:{part.column}", lead if part.cause == "relation" else ""))
    return tuple(found)


def right(scenario: str, change: Change) -> bool:
    """Whether what was named is what was planted, and nothing else."""
    causes = {cause for cause, _ in named(change)}
    leads = {lead for _, lead in named(change) if lead}
    if scenario == "control":
        return not causes
    if scenario in {"mix", "offset"}:
        return causes == {"mix:city"}
    if scenario == "relation":
        return causes == {"relation:plan"} and leads == {"plan = plan 3"}
    if scenario == "number":
        return causes == {"relation:age"} and any("age ≥ 5" in lead for lead in leads)
    if scenario == "pair":
        pairs = {"relation:channel × works", "relation:works × channel"}
        return len(causes & pairs) == 1 and len(causes) == 1 and all("channel = b" in lead for lead in leads)
    if scenario == "both":
        return causes == {"mix:city", "relation:plan"}
    return not causes and change.proven  # everywhere


def unadjusted(scenario: str, seed: int, n_rows: int) -> bool:
    """The control: does a look at every segment with a t-test at 5 % name something?"""
    from scipy import stats

    rng = np.random.default_rng([seed, SCENARIOS.index(scenario)])
    before, after = (month(scenario, later=later, n_rows=n_rows, rng=rng) for later in (False, True))
    segments, _ = cut(before.rows, after.rows, SCHEMA)
    for one in segments:
        for at in range(len(one.labels)):
            pair = before.losses[one.before == at], after.losses[one.after == at]
            if min(map(len, pair)) >= 20 and stats.ttest_ind(*pair, equal_var=False).pvalue < 0.05:
                return True
    return False


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, default=500)
    asked = parser.parse_args()
    n_seeds = 20 if asked.quick else asked.seeds
    result: dict[str, object] = {"seeds": n_seeds, "rows": 4000}
    for scenario in SCENARIOS:
        changes = [run(scenario, seed, 4000) for seed in range(n_seeds)]
        share = float(np.mean([right(scenario, change) for change in changes]))
        exact = max(abs(sum(p.amount for p in c.parts) - (c.after - c.before)) for c in changes)
        told = Counter(str([cause for cause, _ in named(change)]) for change in changes).most_common(5)
        error = (share * (1 - share) / n_seeds) ** 0.5
        result[scenario] = {"right": share, "se": error, "worst_sum": exact, "named": told}
        print(scenario, result[scenario], flush=True)
    alarm = float(np.mean([unadjusted("control", seed, 4000) for seed in range(n_seeds)]))
    result["control of the harness: any segment's t-test at 5 %"] = {"names something where nothing changed": alarm}
    print("t-tests on the control", alarm)
    if not asked.quick:
        (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
