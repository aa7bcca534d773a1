"""From what is kept of the runs to `result.json` and to the tables of the README.

Regret is Cauce's test loss over the peer's, minus 1: log loss, or mean squared error (whose square root would halve
it). A set is won or lost when the paired interval of the losses per test row lies on one side of zero and not within
1 % of the peer's loss on both; else it is a tie.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.evidence import paired

MARGIN = 0.01
RESAMPLES = 10_000
OURS = "cauce"
FIFTH = "cauce_fifth"
LIGHTGBM = "lightgbm"
PEERS = ("autogluon", "flaml", LIGHTGBM, "catboost")
BEGIN, END = "<!-- result.json, written by run.py -->\n", "<!-- end -->\n"
HEAD = (
    "comparison", "sets", "median regret", "wins", "ties", "losses", "within 1 % or better", "seconds, ratio",
    "cheaper a row, batch", "cheaper, one row", "smaller",
)  # fmt: skip
Array = npt.NDArray[np.float64]
Records = Mapping[tuple[str, str, int], dict[str, Any]]


def summarise(runs: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return every run of seed 0, each comparison, the re-seeded choices, and the versions seen."""
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(runs.glob("*.json"))]
    first: Records = {(one["set"], one["contestant"], one["seconds"]): one for one in kept if one["seed"] == 0}
    versions = {name: version for one in kept for name, version in one.get("versions", {}).items()}
    sets: dict[str, Any] = {}
    for name in names:
        mine = {(who, seconds): one for (found, who, seconds), one in first.items() if found == name}
        for (who, seconds), one in sorted(mine.items()):
            about = sets.setdefault(name, {"task": one["task"], "contestants": {}})
            about["contestants"][f"{who}@{seconds}"] = _short(one)
    return {
        "question": "Cauce's single chosen model beside AutoGluon, FLAML and a tuned LightGBM",
        "versions": dict(sorted(versions.items())),
        "comparisons": dict(_comparisons(first, runs)),
        "reseeded": _reseeded(kept),
        "sets": sets,
    }


def _short(one: Mapping[str, Any]) -> dict[str, Any]:
    dropped = {"set", "task", "contestant", "seconds", "seed", "versions", "rungs"}
    return {
        key: float(f"{value:.5g}") if isinstance(value, float) else value
        for key, value in one.items()
        if key not in dropped
    }


def _comparisons(first: Records, runs: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for seconds in sorted({seconds for _, _, seconds in first}):
        for ours, peer in (*((OURS, peer) for peer in PEERS), (FIFTH, LIGHTGBM)):
            names = [
                name
                for name, who, given in first
                if (who, given) == (peer, seconds) and "loss" in first[name, who, given]
                and "loss" in first.get((name, ours, seconds), {})
            ]  # fmt: skip
            if names:
                pairs = {name: (first[name, ours, seconds], first[name, peer, seconds]) for name in names}
                yield f"{ours}@{seconds} against {peer}@{seconds}", _compared(pairs, runs)


def _compared(pairs: Mapping[str, tuple[dict[str, Any], dict[str, Any]]], runs: Path) -> dict[str, Any]:
    sets = {}
    for name, (ours, peer) in pairs.items():
        found = paired(_losses(ours, runs), _losses(peer, runs), margin=MARGIN)
        sets[name] = {
            "regret": ours["loss"] / peer["loss"] - 1,
            "lower": found.lower / peer["loss"],
            "upper": found.upper / peer["loss"],
            "verdict": found.verdict,
            "seconds_ratio": ours["fit_seconds"] / peer["fit_seconds"],
            "cheaper_per_row": peer["predict_us_per_row"] / ours["predict_us_per_row"],
            "cheaper_one_row": peer["one_row_ms"] / ours["one_row_ms"],
            "smaller": peer["size_mb"] / ours["size_mb"],
        }
    verdicts = [one["verdict"] for one in sets.values()]
    medians = {
        key: _median(sets, key) for key in ("regret", "seconds_ratio", "cheaper_per_row", "cheaper_one_row", "smaller")
    }
    return {
        "n_sets": len(sets),
        **medians,
        "wins": verdicts.count("better"),
        "losses": verdicts.count("worse"),
        "ties": len(verdicts) - verdicts.count("better") - verdicts.count("worse"),
        "within_margin_or_better": sum(one["regret"] <= MARGIN for one in sets.values()),
        "sets": {
            name: {k: v if isinstance(v, str) else round(v, 4) for k, v in one.items()} for name, one in sets.items()
        },
    }


def _losses(one: Mapping[str, Any], runs: Path) -> Array:
    stem = f"{one['set']}-{one['contestant']}-{one['seconds']}-{one['seed']}"
    losses: Array = np.load(runs / f"{stem}.npz")["losses"]
    return losses


def _median(sets: Mapping[str, Mapping[str, Any]], key: str) -> list[float]:
    """Return the median over sets and its 95 % interval from sets drawn again."""
    values = np.array([one[key] for one in sets.values()])
    draws = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(np.median(values[draws], axis=1), (0.025, 0.975))
    return [round(float(figure), 4) for figure in (np.median(values), low, high)]


def _reseeded(kept: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how often, over sets and seeds, Cauce's rung was within one standard error of the best one."""
    told = [one for one in kept if one["contestant"] == OURS and "within_one_se" in one.get("notes", {})]
    if not told:
        return {}
    hits = [one["notes"]["within_one_se"] for one in told]
    return {
        "runs": len(hits),
        "seeds": len({one["seed"] for one in told}),
        "within_one_se": round(sum(hits) / len(hits), 4),
        "missed": sorted(f"{one['set']}, seed {one['seed']}" for one, hit in zip(told, hits, strict=True) if not hit),
    }


def fill(page: Path, result: Mapping[str, Any]) -> None:
    """Write the tables between the marks of the page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    text = "\n".join([*_overview(result), "", *_by_set(result)])
    page.write_text(f"{before}{BEGIN}\n{text}\n\n{END}{after}", encoding="utf-8")


def _overview(result: Mapping[str, Any]) -> Iterator[str]:
    yield f"| {' | '.join(HEAD)} |"
    yield f"|---{'|---:' * (len(HEAD) - 1)}|"
    for title, found in result["comparisons"].items():
        regret, low, high = (f"{100 * figure:+.1f}" for figure in found["regret"])
        ratios = (f"{found[key][0]:.3g}" for key in ("seconds_ratio", "cheaper_per_row", "cheaper_one_row", "smaller"))
        yield (
            f"| {title} | {found['n_sets']} | {regret} % ({low} to {high}) | {found['wins']} | {found['ties']} | "
            f"{found['losses']} | {found['within_margin_or_better']} | {' | '.join(ratios)} |"
        )


def _by_set(result: Mapping[str, Any]) -> Iterator[str]:
    columns = sorted({name for one in result["sets"].values() for name in one["contestants"]})
    yield f"| set | {' | '.join(columns)} |"
    yield f"|---|{'---:|' * len(columns)}"
    for name, one in result["sets"].items():
        yield f"| {name} | {' | '.join(_cell(one['contestants'].get(column)) for column in columns)} |"


def _cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    if "loss" not in found:
        return "failed"
    return f"{found['loss']:.4g} · {found['fit_seconds']:.3g} s · {found['predict_us_per_row']:.3g} µs"
