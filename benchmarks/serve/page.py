"""The README's tables, from `result.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.serve.contenders import CONTENDERS

Result = dict[str, Any]


def figure(found: Mapping[str, float], form: str = ",.0f") -> str:
    """Write a median with its least and most."""
    if not found:
        return "–"
    return f"{found['median']:{form}} ({found['min']:{form}}–{found['max']:{form}})"


def written(result: Result) -> str:
    """Return the tables of the README."""
    parts = [_about(result), _goals(result)]
    for kind, title in (("boosting", "LightGBM"), ("linear", "Linear model")):
        for rows in (1, 64):
            parts += [
                f"### {title}, {rows} row{'s' if rows > 1 else ''} a request, one worker",
                _grid(result, kind, rows),
            ]
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
    on = f"{machine_['cpu']}, {machine_['cores']} cores, Python {machine_['python']}"
    said = f"{quick}{result['at'][:10]}, commit {', '.join(result['commits'])}, {on}. {settings['rounds']} rounds of "
    said += f"{settings['seconds']} s a cell, order turned each round; figures are medians (least–most). "
    said += (
        f"Cores busy before a start: {100 * busy.get('median', 0):.0f} % (at most {100 * busy.get('max', 0):.0f} %). "
    )
    said += (
        f"The closed loop reaches {' and '.join(f'{c:,}' for c in closed)} requests/s with 1 and 64 rows on a server "
    )
    nearest = result["ceiling"].get("nearest")
    said += f"that does nothing; nobody comes nearer to that than {100 * nearest:.0f} %; " if nearest else "; "
    return said + f"the open one is at most {late:.3f} ms late (p99) at up to 20,000 a second."


def _goals(result: Result) -> str:
    """Return what was aimed at beside what came out."""
    ratios = {
        (a["contender"], a["kind"]): a["ratio"]
        for a in result["against"]
        if (a["workers"], a["rows"], a["concurrency"]) == (1, 1, 64)
    }
    lines = ["| aimed at | came out |", "|---|---|"]
    for name, label in (("fastapi_naive", "in the event loop"), ("fastapi_thread", "in threads")):
        told = [
            f"{kind} {figure(ratios[name, kind], '.1f')}" for kind in ("boosting", "linear") if (name, kind) in ratios
        ]
        if told:
            lines.append(f"| 10 times FastAPI + scikit-learn {label}, 1 row, 64 connections | {', '.join(told)} |")
    rivals = [one for one in result["against"] if not CONTENDERS[one["contender"]].reference]
    peers = [one for one in rivals if not one["contender"].startswith("cauce")]
    ahead = sum(one["ratio"]["median"] > 1 for one in peers)
    sure = sum(one["ratio"]["min"] > 1 for one in peers)
    lines.append(
        f"| ahead of everybody in every cell | {ahead} of {len(peers)} by requests/s, {sure} in every round; "
        "the others are listed below |"
    )
    for one in result["open"]:
        if one["contender"] == "cauce":
            shown = figure(one["p99_over_median"], ".1f")
            lines.append(f"| p99 at most 3 times the median at 70 % load, {one['kind']} | {shown} |")
    if result["ledger"]:
        added = result["ledger"]["1"]["added_p50_ms"]["cauce"]
        shown = f"{added['mean']:.3f} ms ({added['low']:.3f} to {added['high']:.3f}), 1 connection"
        lines.append(f"| the ledger adds less than 1 ms to the median | {shown} |")
    return "\n".join(lines)


def _grid(result: Result, kind: str, rows: int) -> str:
    cells = {
        (c["contender"], c["concurrency"]): c
        for c in result["cells"]
        if (c["kind"], c["workers"], c["rows"]) == (kind, 1, rows)
    }
    names = [name for name in result["contenders"] if (name, 64) in cells]
    lines = ["| | " + " | ".join(f"{n} conn.: requests/s | p50, p99 ms" for n in (1, 8, 64)) + " | failed |"]
    lines.append("|---|" + "---:|" * 7)
    for name in names:
        row = [result["contenders"][name]["label"]]
        for n in (1, 8, 64):
            cell = cells.get((name, n))
            row += (
                [figure(cell["per_s"]), f"{cell['p50_ms']['median']:.2f}, {cell['p99_ms']['median']:.1f}"]
                if cell
                else ["–", "–"]
            )
        row.append(str(sum(cells[name, n]["errors"] for n in (1, 8, 64) if (name, n) in cells)))
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _cost_table(result: Result) -> str:
    lines = ["| | start, s | PSS, MB | RSS, MB | processes | largest difference |", "|---|---:|---:|---:|---:|---:|"]
    for cost in result["costs"]:
        if (cost["kind"], cost["workers"]) == ("boosting", 1):
            row = [
                result["contenders"][cost["contender"]]["label"],
                figure(cost["start_s"], ".1f"),
                figure(cost["pss_mb"]),
            ]
            row += [
                f"{cost['rss_mb']['median']:.0f}",
                f"{cost['processes']['median']:.0f}",
                f"{cost['difference']:.0e}",
            ]
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _two(result: Result) -> str:
    cells = {(c["contender"], c["rows"], c["concurrency"]): c for c in result["cells"] if c["workers"] == 2}
    costs = {c["contender"]: c for c in result["costs"] if c["workers"] == 2}
    lines = [
        "| | 1 row, 64 conn. | p99, ms | 64 rows, 64 conn. | p99, ms | PSS, MB |",
        "|---|" + "---:|" * 5,
    ]
    for name in [name for name in result["contenders"] if name in costs]:
        one, many = cells[name, 1, 64], cells[name, 64, 64]
        row = [result["contenders"][name]["label"], figure(one["per_s"])]
        row += [f"{one['p99_ms']['median']:.1f}", figure(many["per_s"]), f"{many['p99_ms']['median']:.1f}"]
        lines.append(f"| {' | '.join([*row, figure(costs[name]['pss_mb'])])} |")
    return "\n".join(lines)


def _ratios(result: Result) -> str:
    found = {
        (a["contender"], a["kind"], a["rows"]): a["ratio"]
        for a in result["against"]
        if (a["workers"], a["concurrency"]) == (1, 64)
    }
    columns = [(kind, rows) for kind in ("boosting", "linear") for rows in (1, 64)]
    lines = ["| | LightGBM, 1 row | LightGBM, 64 rows | linear, 1 row | linear, 64 rows |", "|---|---:|---:|---:|---:|"]
    for name in [name for name in result["contenders"] if any((name, *column) in found for column in columns)]:
        row = [figure(found.get((name, *column), {}), ".2f") for column in columns]
        lines.append(f"| {result['contenders'][name]['label']} | {' | '.join(row)} |")
    return "\n".join(lines)


def _loss_list(result: Result) -> str:
    if not result["losses"]:
        return "In no cell."
    lines = [
        "| against | model, rows, connections, workers | requests/s: Cauce, other | p50, ms | p99, ms |",
        "|---|---|---:|---:|---:|",
    ]
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
            lines.append(
                f"| {n} | {label} | {figure(told['per_s'][name])} | {figure(told['p50_ms'][name], '.3f')} | {shown} |"
            )
    return "\n".join(lines)


def _open_table(result: Result) -> str:
    if not result["open"]:
        return ""
    lines = [
        "| | model | asked a second | p50, ms | p99, ms | p99 / p50 | failed |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for one in result["open"]:
        row = [
            CONTENDERS[one["contender"]].label,
            one["kind"],
            f"{one['rate']['median']:,.0f}",
            figure(one["p50_ms"], ".2f"),
        ]
        row += [figure(one["p99_ms"], ".2f"), figure(one["p99_over_median"], ".1f"), str(one["failures"])]
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
