"""What the soak comes to: each acknowledged row looked up in the ledger, memory's slope, the README's part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
from benchmarks.serve.page import figure
from benchmarks.serve.project import COLUMNS
from benchmarks.serve.table import spread

if TYPE_CHECKING:
    from benchmarks.serve.soak import Site
    from benchmarks.serve.soak_load import Load, Pool

WARM_SHARE, WARM_MOST_MIN = 0.2, 5.0
Site_ = dict[str, Any]


def reckon(site: Site, load: Load, pool: Pool) -> dict[str, Any]:
    """Return everything about one service."""
    latency = np.array(load.latency) * 1e3
    return {
        "asked": dict(load.asked),
        "refused_rightly": dict(load.expected_refusals),
        "wrong": dict(load.wrong),
        "during_kills": dict(load.disturbed),
        "starts_s": spread(site.starts_s),
        "lives": site.life,
        "p50_ms": float(np.median(latency)) if len(latency) else None,
        "p99_ms": float(np.percentile(latency, 99)) if len(latency) else None,
        "ledger": lookup(site, load, pool),
        "memory": slope(site.memory),
    }


def lookup(site: Site, load: Load, pool: Pool) -> dict[str, Any]:
    """Compare what was acknowledged with what the ledger holds."""
    from cauce.ledger.ledger import Ledger

    folder = site.folder / ".cauce" / "ledger" / "model"
    held = Ledger(folder, "model").window(10**9)
    ids = np.array(held["id"].to_pylist(), "S36")
    noted = load.noted
    asked = np.array([id_.encode() for id_ in noted.ids], "S36")
    own, first = np.unique(asked, return_index=True)
    order = np.argsort(ids, kind="stable")
    place = np.minimum(np.searchsorted(ids, own, sorter=order), max(0, len(ids) - 1))
    there = ids[order[place]] == own if len(ids) else np.zeros(len(own), bool)
    at = order[place[there]]
    row, version, chance = (np.array(each)[first][there] for each in (noted.row, noted.version, noted.chance))
    other_version = int((held["version"].to_numpy()[at] != version).sum())
    other_output = int((held["prob_yes"].to_numpy()[at] != chance).sum())
    inputs = (
        np.column_stack([held[name].to_numpy()[at] for name in COLUMNS]) if len(at) else np.empty((0, len(COLUMNS)))
    )
    other_input = int((inputs != pool.rows[row]).any(axis=1).sum())
    told = dict(zip(held["id"].to_pylist(), held["truth"].to_pylist(), strict=True))
    return {
        "acknowledged": len(own),
        "lost": int((~there).sum()),
        "other_version": other_version,
        "other_output": other_output,
        "other_input": other_input,
        "held": held.num_rows,
        "held_twice": held.num_rows - int(pc.count_distinct(held["id"]).as_py()),
        "not_acknowledged": held.num_rows - int(there.sum()),
        "damaged_lines": len(list((folder / "aside").glob("*"))),
        "truths_acknowledged": len(noted.truths),
        "truths_lost": sum(told.get(id_) != value for id_, value in noted.truths.items()),
    }


def slope(samples: list[tuple[float, float, float]]) -> dict[str, Any]:
    """Return memory per minute by least squares on the means of minutes, after a warm-up, with a 95 % t interval."""
    if len(samples) < 4:
        return {}
    found = np.array(samples)
    span = found[-1, 0]
    warm = min(WARM_MOST_MIN, WARM_SHARE * span)
    kept = found[found[:, 0] >= warm]
    width = 1.0 if span >= 8 else span / 12
    bins = np.floor(kept[:, 0] / width)
    means = np.array([kept[bins == one].mean(axis=0) for one in np.unique(bins)])
    told: dict[str, Any] = {
        "warm_up_min": round(warm, 2),
        "samples": len(kept),
        "points": len(means),
        "first_mb": round(float(means[0, 1]), 1),
        "last_mb": round(float(means[-1, 1]), 1),
    }
    for name, column in (("pss", 1), ("rss", 2)):
        told[f"{name}_mb_per_min"] = _line(means[:, 0], means[:, column])
    return told


def _line(x: Any, y: Any) -> dict[str, float]:
    from scipy.stats import linregress, t

    if len(x) < 3:
        return {}
    fit = linregress(x, y)
    reach = float(t.ppf(0.975, len(x) - 2)) * float(fit.stderr)
    return {
        "slope": round(float(fit.slope), 4),
        "low": round(float(fit.slope) - reach, 4),
        "high": round(float(fit.slope) + reach, 4),
    }


def page(result: dict[str, Any]) -> str:
    """Return the README's part."""
    quick = "**Quick run: it shows that everything runs.** " if result["quick"] else ""
    acts = ", ".join(f"{name} {n}" for name, n in sorted(result["acts"]["counts"].items()))
    about = (
        f"{result['at'][:10]}, commit {result['commit']}, {result['minutes']:g} minutes, {result['workers']} workers, "
    )
    about += f"{result['rate']:g} requests/s and service. Acts: {acts}."
    lines = [quick + about, "", "| | killed | steady |", "|---|---:|---:|"]
    sites = [result["sites"][name] for name in ("killed", "steady")]
    for name, form in ROWS.items():
        shown = [form(site) for site in sites]
        lines.append(f"| {name} | {' | '.join(f'{v:,}' if isinstance(v, int) else str(v) for v in shown)} |")
    for name in ("killed", "steady"):
        for key, label in (("wrong", "wrong"), ("during_kills", "broken meanwhile")):
            found = _by_kind(result["sites"][name][key]) if key == "during_kills" else result["sites"][name][key]
            if found:
                lines += [
                    "",
                    f"{name}, {label}: " + ", ".join(f"{what} × {n}" for what, n in sorted(found.items())) + ".",
                ]
    return "\n".join(lines)


def _slope(found: dict[str, float]) -> str:
    return f"{found['slope']:+.2f} ({found['low']:+.2f} to {found['high']:+.2f})" if found else "–"


def _by_kind(found: dict[str, int]) -> dict[str, int]:
    """Add up over what was asked: how a connection broke, by what was done to the service."""
    told: Counter[str] = Counter()
    for what, n in found.items():
        act, _, rest = what.partition("; ")
        told[f"{act}: {rest.split(': ', 1)[-1]}"] += n
    return dict(told)


def _wrong(site: Site_, *, release: bool) -> int:
    return sum(n for what, n in site["wrong"].items() if ("release" in what) == release)


def _ends(site: Site_) -> str:
    found = site["memory"]
    return f"{found['first_mb']}, {found['last_mb']}" if site["lives"] == 1 and found else "–"


def _slopes(site: Site_) -> str:
    return _slope(site["memory"].get("pss_mb_per_min", {})) if site["lives"] == 1 else "–"


ROWS: dict[str, Callable[[Site_], Any]] = {
    "requests": lambda site: sum(site["asked"].values()),
    "predictions acknowledged": lambda site: site["ledger"]["acknowledged"],
    "**of these lost**": lambda site: site["ledger"]["lost"],
    "in the ledger with another version": lambda site: site["ledger"]["other_version"],
    "with other inputs": lambda site: site["ledger"]["other_input"],
    "with another output": lambda site: site["ledger"]["other_output"],
    "in the ledger twice": lambda site: site["ledger"]["held_twice"],
    "in the ledger, not acknowledged": lambda site: site["ledger"]["not_acknowledged"],
    "truths acknowledged": lambda site: site["ledger"]["truths_acknowledged"],
    "**of these truths lost**": lambda site: site["ledger"]["truths_lost"],
    "**rows answered by a wrong release**": lambda site: _wrong(site, release=True),
    "other wrong answers": lambda site: _wrong(site, release=False),
    "broken while killed or started": lambda site: sum(site["during_kills"].values()),
    "bad requests refused rightly": lambda site: sum(site["refused_rightly"].values()),
    "starts, s": lambda site: figure(site["starts_s"], ".1f"),
    "p50, p99 of predictions, ms": lambda site: f"{site['p50_ms'] or 0:.1f}, {site['p99_ms'] or 0:.0f}",
    "PSS at first and last, MB": _ends,
    "PSS, MB a minute (95 %)": _slopes,
}
