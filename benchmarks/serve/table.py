"""From what is kept of the runs to `result.json`, the tables of the README, and the picture."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.serve import contenders, machine, page, picture
from benchmarks.serve.contenders import CONTENDERS

BEGIN, END = "<!-- result.json, written by {} -->\n", "<!-- end -->\n"
NAIVE = ("fastapi_naive", "fastapi_thread")
LEAN = "fastapi_lean"
FAILED = ("part", "contender", "kind", "workers", "round", "failed")
RESAMPLES = 10_000
Result = dict[str, Any]
Records = list[dict[str, Any]]


def spread(values: Iterable[float], digits: int = 5) -> dict[str, float]:
    """Return median, least and most."""
    found = np.array([value for value in values if value is not None], float)
    if not len(found):
        return {}
    median, least, most = float(np.median(found)), float(found.min()), float(found.max())
    return {name: float(f"{value:.{digits}g}") for name, value in (("median", median), ("min", least), ("max", most))}


def bootstrap(values: Sequence[float], seed: int = 0) -> dict[str, float]:
    """Return the mean and its 95 % interval by resampling."""
    found = np.array(values, float)
    draws = np.random.default_rng(seed).integers(0, len(found), (RESAMPLES, len(found)))
    low, high = np.percentile(found[draws].mean(axis=1), [2.5, 97.5])
    return {
        "mean": float(f"{found.mean():.5g}"),
        "low": float(f"{low:.5g}"),
        "high": float(f"{high:.5g}"),
        "n": len(found),
    }


def summarise(runs: Path, settings: Mapping[str, Any], envs: Path) -> Result:
    """Return everything that is told, from the records of all parts."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(runs.glob("*.json"))]
    grids = [record for record in records if record["part"] in {"cells", "workers"}]
    names = sorted({record["contender"] for record in grids}, key=list(CONTENDERS).index)
    wanted = sorted({env for name in names if (env := CONTENDERS[name].env) is not None})
    told = _cells([record for record in grids if "failed" not in record])
    return {
        "question": "requests/s, latency, memory and start of Cauce's service beside what people use",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": dict(settings),
        "machine": machine.described(),
        "commits": sorted({record["machine"]["commit"] for record in records}),
        "busy_before": spread(record["busy_before"] for record in records if "busy_before" in record),
        "versions": {env: contenders.versions(envs, env) for env in wanted},
        "contenders": {name: _who(name) for name in names},
        "failed": [{key: r[key] for key in FAILED} for r in grids if "failed" in r],
        "ceiling": _ceiling(records) | {"nearest": _nearest(records)},
        "cells": told,
        "costs": _costs([record for record in grids if "failed" not in record]),
        "against": _against([record for record in grids if "failed" not in record]),
        "losses": _losses(told),
        "ledger": _ledger(records),
        "open": _open(records),
    }


def _who(name: str) -> dict[str, str]:
    found = CONTENDERS[name]
    return {"label": found.label, "settings": found.settings, "lacks": found.lacks}


def _ceiling(records: Records) -> Result:
    found = next((record for record in records if record["part"] == "ceiling"), None)
    if found is None:
        return {}
    closed = [{"rows": c["rows"], "concurrency": c["concurrency"], "per_s": round(c["per_s"])} for c in found["cells"]]
    paced = [
        {
            "rate": o["rate"],
            "generator_late_p99_ms": round(o["generator_late_p99_ms"], 4),
            "p50_ms": round(o["p50_ms"], 4),
        }
        for o in found["open"]
    ]
    return {"closed": closed, "open": paced}


def _nearest(records: Records) -> float | None:
    """Return the largest share of the closed loop's ceiling that anybody reached, in the same cell."""
    most = {(c["rows"], c["concurrency"]): c["per_s"] for r in records if r["part"] == "ceiling" for c in r["cells"]}
    shares = [
        cell["per_s"] / most[cell["rows"], cell["concurrency"]]
        for record in records
        if record["part"] == "cells"
        for cell in record.get("cells", [])
        if (cell["rows"], cell["concurrency"]) in most
    ]
    return round(max(shares), 3) if shares else None


def _grouped(records: Records) -> dict[tuple[str, str, int, int, int], Records]:
    groups: dict[tuple[str, str, int, int, int], Records] = defaultdict(list)
    for record in sorted(records, key=lambda one: one["round"]):
        for cell in record["cells"]:
            key = (record["contender"], record["kind"], record["workers"], cell["rows"], cell["concurrency"])
            groups[key].append({**cell, "round": record["round"]})
    return groups


def _cells(records: Records) -> Records:
    return [
        {
            "contender": name,
            "kind": kind,
            "workers": workers,
            "rows": rows,
            "concurrency": n,
            "runs": len(found),
            "per_s": spread(c["per_s"] for c in found),
            "p50_ms": spread(c["p50_ms"] for c in found),
            "p99_ms": spread(c["p99_ms"] for c in found),
            "requests": sum(c["requests"] for c in found),
            "errors": sum(c["errors"] for c in found),
        }
        for (name, kind, workers, rows, n), found in _grouped(records).items()
    ]


def _costs(records: Records) -> Records:
    groups: dict[tuple[str, str, int], Records] = defaultdict(list)
    for record in records:
        groups[record["contender"], record["kind"], record["workers"]].append(record)
    return [
        {
            "contender": name,
            "kind": kind,
            "workers": workers,
            "runs": len(found),
            **{key: spread(one[key] for one in found) for key in ("start_s", "pss_mb", "rss_mb", "processes")},
            "difference": max(max(one["difference"], one["difference_after"]) for one in found),
        }
        for (name, kind, workers), found in groups.items()
    ]


def _against(records: Records) -> Records:
    """Return Cauce's requests/s over each other's in the same round and cell: median, least and most."""
    groups = _grouped(records)
    told = []
    for (name, kind, workers, rows, n), theirs in groups.items():
        ours = {c["round"]: c["per_s"] for c in groups.get(("cauce", kind, workers, rows, n), [])}
        ratios = [ours[c["round"]] / c["per_s"] for c in theirs if c["round"] in ours and c["per_s"] > 0]
        if name != "cauce" and ratios:
            told.append(
                {
                    "contender": name,
                    "kind": kind,
                    "workers": workers,
                    "rows": rows,
                    "concurrency": n,
                    "ratio": spread(ratios, 4),
                }
            )
    return told


def _losses(cells: Records) -> Records:
    """Return every cell in which somebody's median beats Cauce's, in requests/s, p50 or p99."""
    ours = {(c["kind"], c["workers"], c["rows"], c["concurrency"]): c for c in cells if c["contender"] == "cauce"}
    told = []
    for cell in cells:
        mine = ours.get((cell["kind"], cell["workers"], cell["rows"], cell["concurrency"]))
        if mine is None or cell["contender"].startswith("cauce"):
            continue
        behind = {
            key: {"cauce": mine[key]["median"], "other": cell[key]["median"]}
            for key, sign in (("per_s", 1), ("p50_ms", -1), ("p99_ms", -1))
            if sign * (cell[key]["median"] - mine[key]["median"]) > 0
        }
        if behind:
            place = {key: cell[key] for key in ("contender", "kind", "workers", "rows", "concurrency")}
            told.append({**place, "reference": CONTENDERS[cell["contender"]].reference, "behind": behind})
    return told


def _ledger(records: Records) -> Result:
    found = next((record for record in records if record["part"] == "ledger"), None)
    if found is None:
        return {}
    told: Result = {}
    for n in sorted({one["concurrency"] for one in found["rounds"]}):
        rounds = [one for one in found["rounds"] if one["concurrency"] == n]
        names = [name for name in rounds[0] if name != "concurrency"]
        base = "cauce_unwritten"
        told[str(n)] = {
            "p50_ms": {name: spread(one[name]["p50_ms"] for one in rounds) for name in names},
            "per_s": {name: spread(one[name]["per_s"] for one in rounds) for name in names},
            "added_p50_ms": {
                name: bootstrap([one[name]["p50_ms"] - one[base]["p50_ms"] for one in rounds])
                for name in names
                if name != base
            },
        }
    return told


def _open(records: Records) -> Records:
    groups: dict[tuple[str, str], Records] = defaultdict(list)
    for record in records:
        if record["part"] == "open":
            groups[record["contender"], record["kind"]].append(record)
    keys = ("rate", "p50_ms", "p99_ms", "mean_ms", "p99_over_median", "generator_late_p99_ms")
    return [
        {
            "contender": name,
            "kind": kind,
            "share": found[0]["share"],
            "runs": len(found),
            **{key: spread(one[key] for one in found) for key in keys},
            "failures": sum(one["requests"] - one["good"] for one in found),
        }
        for (name, kind), found in groups.items()
    ]


def write(folder: Path, result: Result) -> None:
    """Write result.json, the picture, and the tables between the README's marks."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / "rates.svg").write_bytes(picture.rates(result))
    fill(folder / "README.md", "run.py", page.written(result))


def fill(readme: Path, script: str, text: str) -> None:
    """Put text between the marks of a script."""
    if not readme.exists():
        return
    begin = BEGIN.format(script)
    before, found, rest = readme.read_text(encoding="utf-8").partition(begin)
    if found:
        readme.write_text(f"{before}{begin}\n{text.strip()}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
