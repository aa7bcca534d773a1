"""From what is kept of the runs to `result.json`, the tables of the README, and the picture."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.serve import contenders, machine, picture
from benchmarks.serve.contenders import CONTENDERS

BEGIN, END = "<!-- result.json, written by {} -->\n", "<!-- end -->\n"
NAIVE = ("fastapi_naive", "fastapi_thread")
LEAN = "fastapi_lean"
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
    return {"mean": float(f"{found.mean():.5g}"), "low": float(f"{low:.5g}"), "high": float(f"{high:.5g}"), "n": len(found)}


def summarise(runs: Path, settings: Mapping[str, Any], envs: Path) -> Result:
    """Return everything that is told, from the records of all parts."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(runs.glob("*.json"))]
    grids = [record for record in records if record["part"] in {"cells", "workers"}]
    names = sorted({record["contender"] for record in grids}, key=list(CONTENDERS).index)
    wanted = sorted({env for name in names if (env := CONTENDERS[name].env) is not None})
    told = _cells([record for record in grids if "failed" not in record])
    return {
        "question": "requests/s, latency, memory and start of Cauce's service beside what people use, one model for all",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": dict(settings),
        "machine": machine.described(),
        "commits": sorted({record["machine"]["commit"] for record in records}),
        "busy_before": spread(record["busy_before"] for record in records if "busy_before" in record),
        "versions": {env: contenders.versions(envs, env) for env in wanted},
        "contenders": {name: {"label": CONTENDERS[name].label, "settings": CONTENDERS[name].settings, "lacks": CONTENDERS[name].lacks} for name in names},
        "failed": {f"{r['part']}-{r['contender']}-{r['kind']}-{r['round']}": r["failed"] for r in grids if "failed" in r},
        "ceiling": _ceiling(records),
        "cells": told,
        "costs": _costs([record for record in grids if "failed" not in record]),
        "against": _against([record for record in grids if "failed" not in record]),
        "losses": _losses(told),
        "ledger": _ledger(records),
        "open": _open(records),
    }  # fmt: skip


def _ceiling(records: Records) -> Result:
    found = next((record for record in records if record["part"] == "ceiling"), None)
    if found is None:
        return {}
    closed = [{"rows": c["rows"], "concurrency": c["concurrency"], "per_s": round(c["per_s"])} for c in found["cells"]]
    paced = [
        {"rate": o["rate"], "generator_late_p99_ms": round(o["generator_late_p99_ms"], 4), "p50_ms": round(o["p50_ms"], 4)}
        for o in found["open"]
    ]
    return {"closed": closed, "open": paced}


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
            "contender": name, "kind": kind, "workers": workers, "rows": rows, "concurrency": n, "runs": len(found),
            "per_s": spread(c["per_s"] for c in found), "p50_ms": spread(c["p50_ms"] for c in found),
            "p99_ms": spread(c["p99_ms"] for c in found), "requests": sum(c["requests"] for c in found),
            "errors": sum(c["errors"] for c in found),
        }
        for (name, kind, workers, rows, n), found in _grouped(records).items()
    ]  # fmt: skip


def _costs(records: Records) -> Records:
    groups: dict[tuple[str, str, int], Records] = defaultdict(list)
    for record in records:
        groups[record["contender"], record["kind"], record["workers"]].append(record)
    return [
        {
            "contender": name, "kind": kind, "workers": workers, "runs": len(found),
            **{key: spread(one[key] for one in found) for key in ("start_s", "pss_mb", "rss_mb", "processes")},
            "difference": max(max(one["difference"], one["difference_after"]) for one in found),
        }
        for (name, kind, workers), found in groups.items()
    ]  # fmt: skip


def _against(records: Records) -> Records:
    """Return Cauce's requests/s over each other's in the same round and cell: median, least and most."""
    groups = _grouped(records)
    told = []
    for (name, kind, workers, rows, n), theirs in groups.items():
        ours = {c["round"]: c["per_s"] for c in groups.get(("cauce", kind, workers, rows, n), [])}
        ratios = [ours[c["round"]] / c["per_s"] for c in theirs if c["round"] in ours and c["per_s"] > 0]
        if name != "cauce" and ratios:
            told.append(
                {"contender": name, "kind": kind, "workers": workers, "rows": rows, "concurrency": n, "ratio": spread(ratios, 4)}
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
                name: bootstrap([one[name]["p50_ms"] - one[base]["p50_ms"] for one in rounds]) for name in names if name != base
            },
        }  # fmt: skip
    return told


def _open(records: Records) -> Records:
    groups: dict[tuple[str, str], Records] = defaultdict(list)
    for record in records:
        if record["part"] == "open":
            groups[record["contender"], record["kind"]].append(record)
    keys = ("rate", "p50_ms", "p99_ms", "mean_ms", "p99_over_median", "generator_late_p99_ms")
    return [
        {
            "contender": name, "kind": kind, "share": found[0]["share"], "runs": len(found),
            **{key: spread(one[key] for one in found) for key in keys},
            "failures": sum(one["requests"] - one["good"] for one in found),
        }
        for (name, kind), found in groups.items()
    ]  # fmt: skip


def write(folder: Path, result: Result) -> None:
    """Write result.json, the picture, and the tables between the README's marks."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / "rates.svg").write_bytes(picture.rates(result))
    fill(folder / "README.md", "run.py", page(result))


def fill(readme: Path, script: str, text: str) -> None:
    """Put text between the marks of a script."""
    if not readme.exists():
        return
    begin = BEGIN.format(script)
    before, found, rest = readme.read_text(encoding="utf-8").partition(begin)
    if found:
        readme.write_text(f"{before}{begin}\n{text.strip()}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def page(result: Result) -> str:
    """Return the tables of the README."""
    parts = [_about(result)]
    for kind, title in (("boosting", "LightGBM"), ("linear", "Linear model")):
        for rows in (1, 64):
            parts += [f"### {title}, {rows} row{'s' if rows > 1 else ''} a request, one worker", _grid(result, kind, rows)]
    parts += ["### Start and memory, one worker", _cost_table(result), "### Two workers, LightGBM, nothing pinned"]
    parts += [_two(result), "### Cauce over each, requests/s, 64 connections", _ratios(result)]
    parts += ["### Where Cauce is behind", _loss_list(result), "### What the ledger costs", _ledger_table(result)]
    parts += ["### 70 % of saturation, Poisson times", _open_table(result), "### Who was measured", _who(result)]
    return "\n\n".join(part for part in parts if part)


def _about(result: Result) -> str:
    machine_, settings, busy = result["machine"], result["settings"], result["busy_before"]
    closed = [c["per_s"] for c in result["ceiling"].get("closed", []) if c["concurrency"] == 64]
    late = max((o["generator_late_p99_ms"] for o in result["ceiling"].get("open", [])), default=0.0)
    quick = "**Quick run: it shows that everything runs; the figures say nothing.** " if settings["quick"] else ""
    return (
        f"{quick}{result['at'][:10]}, commit {', '.join(result['commits'])}, {machine_['cpu']}, {machine_['cores']} cores, Python "
        f"{machine_['python']}. {settings['rounds']} rounds of {settings['seconds']} s a cell, order turned each round; figures are medians "
        f"(least–most). Cores busy before a start: {100 * busy.get('median', 0):.0f} % (at most {100 * busy.get('max', 0):.0f} %). "
        f"The closed loop reaches {' and '.join(f'{c:,}' for c in closed)} requests/s with 1 and 64 rows on a server that does nothing; "
        f"the open one is at most {late:.3f} ms late (p99) at up to 20,000 a second."
    )


def _figure(found: Mapping[str, float], form: str = ",.0f") -> str:
    if not found:
        return "–"
    return f"{found['median']:{form}} ({found['min']:{form}}–{found['max']:{form}})"


def _grid(result: Result, kind: str, rows: int) -> str:
    cells = {
        (c["contender"], c["concurrency"]): c for c in result["cells"] if (c["kind"], c["workers"], c["rows"]) == (kind, 1, rows)
    }
    names = [name for name in result["contenders"] if (name, 64) in cells]
    lines = ["| | " + " | ".join(f"{n} conn.: requests/s | p50, p99 ms" for n in (1, 8, 64)) + " | failed |"]
    lines.append("|---|" + "---:|" * 7)
    for name in names:
        row = [result["contenders"][name]["label"]]
        for n in (1, 8, 64):
            cell = cells.get((name, n))
            row += [_figure(cell["per_s"]), f"{cell['p50_ms']['median']:.2f}, {cell['p99_ms']['median']:.1f}"] if cell else ["–", "–"]
        row.append(str(sum(cells[name, n]["errors"] for n in (1, 8, 64) if (name, n) in cells)))
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _cost_table(result: Result) -> str:
    lines = ["| | start, s | PSS, MB | RSS, MB | processes | largest difference |", "|---|---:|---:|---:|---:|---:|"]
    for cost in result["costs"]:
        if (cost["kind"], cost["workers"]) == ("boosting", 1):
            row = [result["contenders"][cost["contender"]]["label"], _figure(cost["start_s"], ".1f"), _figure(cost["pss_mb"])]
            row += [f"{cost['rss_mb']['median']:.0f}", f"{cost['processes']['median']:.0f}", f"{cost['difference']:.0e}"]
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _two(result: Result) -> str:
    cells = {(c["contender"], c["rows"], c["concurrency"]): c for c in result["cells"] if c["workers"] == 2}
    costs = {c["contender"]: c for c in result["costs"] if c["workers"] == 2}
    lines = ["| | 1 row, 8 conn. | 1 row, 64 conn. | p99, ms | 64 rows, 64 conn. | p99, ms | PSS, MB |", "|---|" + "---:|" * 6]
    for name in [name for name in result["contenders"] if name in costs]:
        one, many = cells[name, 1, 64], cells[name, 64, 64]
        row = [result["contenders"][name]["label"], _figure(cells[name, 1, 8]["per_s"]), _figure(one["per_s"])]
        row += [f"{one['p99_ms']['median']:.1f}", _figure(many["per_s"]), f"{many['p99_ms']['median']:.1f}"]
        lines.append(f"| {' | '.join([*row, _figure(costs[name]['pss_mb'])])} |")
    return "\n".join(lines)


def _ratios(result: Result) -> str:
    found = {
        (a["contender"], a["kind"], a["rows"]): a["ratio"]
        for a in result["against"] if (a["workers"], a["concurrency"]) == (1, 64)
    }  # fmt: skip
    columns = [(kind, rows) for kind in ("boosting", "linear") for rows in (1, 64)]
    lines = ["| | LightGBM, 1 row | LightGBM, 64 rows | linear, 1 row | linear, 64 rows |", "|---|---:|---:|---:|---:|"]
    for name in [name for name in result["contenders"] if any((name, *column) in found for column in columns)]:
        row = [_figure(found.get((name, *column), {}), ".2f") for column in columns]
        lines.append(f"| {result['contenders'][name]['label']} | {' | '.join(row)} |")
    return "\n".join(lines)


def _loss_list(result: Result) -> str:
    if not result["losses"]:
        return "In no cell."
    lines = ["| against | model, rows, connections, workers | requests/s: Cauce, other | p50, ms | p99, ms |", "|---|---|---:|---:|---:|"]
    for one in result["losses"]:
        where = f"{one['kind']}, {one['rows']}, {one['concurrency']}, {one['workers']}"
        label = result["contenders"][one["contender"]]["label"] + (" (reference)" if one["reference"] else "")
        row = [label, where]
        for key, form in (("per_s", ",.0f"), ("p50_ms", ".2f"), ("p99_ms", ".1f")):
            pair = one["behind"].get(key)
            row.append(f"{pair['cauce']:{form}}, {pair['other']:{form}}" if pair else "")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _ledger_table(result: Result) -> str:
    if not result["ledger"]:
        return ""
    lines = ["| connections | ledger | requests/s | p50, ms | added to p50, ms (95 %) |", "|---:|---|---:|---:|---:|"]
    for n, told in result["ledger"].items():
        for name in told["p50_ms"]:
            added = told["added_p50_ms"].get(name)
            shown = f"{added['mean']:+.3f} ({added['low']:+.3f} to {added['high']:+.3f})" if added else ""
            label = {"cauce": "acknowledged", "cauce_relaxed": "relaxed", "cauce_unwritten": "not written"}[name]
            lines.append(f"| {n} | {label} | {_figure(told['per_s'][name])} | {_figure(told['p50_ms'][name], '.3f')} | {shown} |")
    return "\n".join(lines)


def _open_table(result: Result) -> str:
    if not result["open"]:
        return ""
    lines = ["| | model | asked a second | p50, ms | p99, ms | p99 / p50 | failed |", "|---|---|---:|---:|---:|---:|---:|"]
    for one in result["open"]:
        row = [CONTENDERS[one["contender"]].label, one["kind"], f"{one['rate']['median']:,.0f}", _figure(one["p50_ms"], ".2f")]
        row += [_figure(one["p99_ms"], ".2f"), _figure(one["p99_over_median"], ".1f"), str(one["failures"])]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _who(result: Result) -> str:
    lines = ["| | how it is run | what it does not do | versions |", "|---|---|---|---|"]
    for name, about in result["contenders"].items():
        env = CONTENDERS[name].env
        found = result["versions"].get(env, {}) if env else result["machine"]["cauce"]
        shown = ", ".join(f"{library} {number}" for library, number in found.items())
        lines.append(f"| {about['label']} | {about['settings']} | {about['lacks']} | {shown} |")
    return "\n".join(lines)
