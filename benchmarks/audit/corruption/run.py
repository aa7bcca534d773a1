"""Which planted faults does the audit see, and how often does it speak where nothing is wrong?

Every kind of fault is planted at five strengths into six clean real sets; each corrupted table is written as a CSV file
and goes through the loop's own load and audit. A fault counts as seen where a check of its kind speaks about the
columns concerned and did not say the same of the clean set. Controls: other samples of the clean sets, audited in the
same way (false alarms), and twenty clean sets whole (blocks).

    python -m benchmarks.audit.corruption.run            # goes on where it was stopped; --fresh begins anew
    python -m benchmarks.audit.corruption.run --kinds negatives unit_changed --sets adult
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from benchmarks.audit.corruption.kinds import KINDS, STRENGTHS
from benchmarks.audit.corruption.sets import SETS, Case

from cauce.evidence.shares import wilson

for family in ("quality", "rows", "people", "everyday"):
    import_module(f"benchmarks.audit.corruption.{family}")

HERE = Path(__file__).resolve().parent
SEED = 20_261
CONTROLS = 3
"""Further clean samples of each set."""

SIZES = frozenset({"outcome_gap", "model_gap", "class_balance"})
"""Checks that always concern all rows: they say more where their figure is a fifth larger than for the clean set."""

Found = dict[str, Any]


def written(case: Case, folder: Path) -> None:
    """Write a project whose one data set is the case's table."""
    pyarrow.csv.write_csv(case.table, folder / "rows.csv")
    lines = ['[project]\nname = "corruption"\n']
    lines += table_of(("data", "rows"), {"source": "rows.csv", **case.data})
    lines += table_of(("models", "m"), {"data": "rows", **case.model})
    for name, keys in case.more.items():
        lines += table_of((name,), keys)
    (folder / "cauce.toml").write_text("\n".join(lines), encoding="utf-8")


def table_of(path: tuple[str, ...], keys: Mapping[str, Any]) -> Iterator[str]:
    """Give a TOML table: JSON's texts, numbers and lists are TOML's."""
    yield f"[{'.'.join(json.dumps(name) for name in path)}]"
    for key, value in keys.items():
        if not isinstance(value, Mapping):
            yield f"{json.dumps(key)} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in keys.items():
        if isinstance(value, Mapping):
            yield from table_of((*path, key), value)


def audited(case: Case) -> tuple[list[Found], str]:
    """Load and audit a case as `cauce audit` does; return its findings, or the error that stopped the load."""
    from cauce.core.errors import UserError
    from cauce.loop.audit import audit
    from cauce.loop.context import Loop
    from cauce.loop.load import load
    from cauce.project import load as read_project

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for table in (case.before, case.table):
            if table is not None:
                written(replace(case, table=table), folder)
                loop = Loop(read_project(folder / "cauce.toml", {}))
                try:
                    snapshot = load(loop, "rows")
                except UserError as error:
                    return [], str(error)
        try:
            result = audit(loop, snapshot, "m")
        except UserError as error:
            return [], str(error)
    keys = ("code", "severity", "columns", "n_rows", "value")
    return [{key: getattr(finding, key) for key in keys} for finding in result.findings], ""


def seen(found: list[Found], clean: list[Found], codes: frozenset[str], columns: tuple[str, ...]) -> bool:
    """Say whether a check of the kind speaks, and says more than it said of the clean set."""
    for finding in found:
        if finding["code"] not in codes or (columns and not set(columns) & set(finding["columns"] or columns)):
            continue
        before = [one for one in clean if one["code"] == finding["code"]]
        named = {name for one in before for name in one["columns"]}
        if not before or set(columns or finding["columns"]) & set(finding["columns"]) - named:
            return True
        if finding["n_rows"] > max(one["n_rows"] for one in before) * 1.2:
            return True
        if finding["code"] in SIZES and finding["value"] > max(one["value"] for one in before) * 1.2:
            return True
    return False


def one_run(job: tuple[str, str, int]) -> Found:
    """Plant one fault and audit the table; strength −1 − k is the k-th clean sample, −1 the set itself."""
    set_name, kind_name, strength = job
    limit_threads()
    if strength < 0:
        found, error = audited(SETS[set_name](-strength - 1))
        return {"set": set_name, "kind": kind_name, "strength": strength, "found": found, "error": error}
    kind = KINDS[kind_name]
    name_seed = int(hashlib.sha256(f"{set_name}/{kind_name}".encode()).hexdigest()[:8], 16)
    rng = np.random.default_rng([SEED, strength, name_seed])
    case = kind.plant(SETS[set_name](0), strength, rng)
    if case is None:
        return {"set": set_name, "kind": kind_name, "strength": strength, "found": None, "error": "not applicable"}
    found, error = audited(case)
    outcome = {"found": found, "error": error, "columns": case.columns}
    return {"set": set_name, "kind": kind_name, "strength": strength, **outcome}


def limit_threads() -> None:
    """Let each worker fit with one thread."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def run(jobs: list[tuple[str, str, int]], kept: Path, workers: int) -> dict[tuple[str, str, int], Found]:
    """Run what is not kept yet; each result is appended as it comes."""
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    done = {(one["set"], one["kind"], one["strength"]): one for one in map(json.loads, lines)}
    left = [job for job in jobs if job not in done]
    with ProcessPoolExecutor(workers) as pool, kept.open("a", encoding="utf-8") as sink:
        for place, future in enumerate(as_completed([pool.submit(one_run, job) for job in left])):
            if (error := future.exception()) is not None:  # the next call tries again
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                continue
            result = future.result()
            sink.write(json.dumps(result) + "\n")
            sink.flush()
            done[result["set"], result["kind"], result["strength"]] = json.loads(json.dumps(result))
            if place % 25 == 0:
                print(f"{place + 1}/{len(left)}", file=sys.stderr, flush=True)
    return done


def summary(done: dict[tuple[str, str, int], Found]) -> Found:
    """Return recall by kind, over exact kinds and over all, and the false alarms of the controls."""
    clean = {name: done[name, "clean", -1]["found"] for name in SETS if (name, "clean", -1) in done}
    hits: dict[str, list[bool]] = defaultdict(list)
    missed: dict[str, list[str]] = defaultdict(list)
    for (set_name, kind_name, strength), one in sorted(done.items()):
        if strength < 0 or one["found"] is None or set_name not in clean:
            continue
        kind = KINDS[kind_name]
        refused = bool(one["error"]) and "refused" in kind.codes
        hit = refused or seen(one["found"], clean[set_name], kind.codes, tuple(one["columns"]))
        hits[kind_name].append(hit)
        if not hit:
            missed[kind_name].append(f"{set_name}/{strength}" + (f" ({one['error'][:80]})" if one["error"] else ""))
    kinds = {
        name: {"exact": KINDS[name].exact, "recall": float(np.mean(found)), "n": len(found), "missed": missed[name]}
        for name, found in hits.items()
    }
    return {
        "exact": _share([hit for name, found in hits.items() if KINDS[name].exact for hit in found]),
        "all": _share([hit for found in hits.values() for hit in found]),
        "mean_of_kinds": float(np.mean([one["recall"] for one in kinds.values()])) if kinds else None,
        "n_kinds": len(kinds),
        "control": _false_alarms(done, clean),
        "kinds": kinds,
    }


def _share(hits: list[bool]) -> Found:
    if not hits:
        return {"recall": None, "n": 0}
    found = wilson(sum(hits), len(hits))
    return {"recall": float(np.mean(hits)), "lower": found.lower, "upper": found.upper, "n": len(hits)}


def _false_alarms(done: dict[tuple[str, str, int], Found], clean: Mapping[str, list[Found]]) -> Found:
    """Count, over further clean samples, how often a kind's checks would have counted as having seen a fault."""
    alarms: dict[str, int] = defaultdict(int)
    n = 0
    blocks: list[str] = []
    for (set_name, _, strength), one in done.items():
        if strength >= 0:
            continue
        blocks += [f"{set_name}: {finding['code']}" for finding in one["found"] if finding["severity"] == "block"]
        if strength == -1 or set_name not in clean:
            continue
        n += 1
        for kind in KINDS.values():
            alarms[kind.name] += seen(one["found"], clean[set_name], kind.codes, ())
    worst = dict(sorted(alarms.items(), key=lambda pair: -pair[1])[:8])
    share = sum(alarms.values()) / (n * len(KINDS)) if n else None
    return {"n_samples": n, "share_of_kinds_alarmed": share, "worst": worst, "blocks": blocks}


def main() -> None:
    """Run the suite and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run kept")
    given = parser.parse_args()
    limit_threads()
    pa.set_cpu_count(1)
    kept = HERE / ".kept.jsonl"
    if given.fresh:
        kept.unlink(missing_ok=True)
    jobs = [(name, "clean", -1 - place) for name in given.sets for place in range(1 + CONTROLS)]
    # strength by strength: a run that is stopped has seen every kind
    jobs += [(name, kind, strength) for strength in range(STRENGTHS) for kind in given.kinds for name in given.sets]
    done = run(jobs, kept, given.workers)
    result = summary({job: done[job] for job in jobs if job in done})
    result["n_not_run"] = sum(job not in done for job in jobs)
    partial = set(given.kinds) != set(KINDS) or set(given.sets) != set(SETS)
    asked = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=HERE)
    libraries = {name: version(name) for name in ("cauce", "scikit-learn", "lightgbm", "duckdb", "pyarrow")}
    result = {"seed": SEED, "commit": commit.stdout.strip(), "libraries": libraries, **result}
    if not partial:
        (HERE / "result.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, one in sorted(result["kinds"].items(), key=lambda pair: pair[1]["recall"]):
        mark = "exact" if one["exact"] else ""
        print(f"{name:34} {one['recall']:6.2f} of {one['n']:3} {mark:6} {', '.join(one['missed'][:6])}")
    print(json.dumps({key: result[key] for key in ("exact", "all", "mean_of_kinds", "n_kinds", "control")}, indent=1))


if __name__ == "__main__":
    main()
