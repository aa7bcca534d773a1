"""Write the result tables of README.md from result.json.

python -m benchmarks.audit.corruption.table
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
MARK = "<!-- result.json, written by table.py -->\n"
LOW = 0.9
WHY: Mapping[str, str] = {
    "clock_one_hour_off": "an hour later is an hour that occurs: nothing in the table says otherwise",
    "labels_confused": "a model hardly better than guessing contradicts nothing",
    "one_class_taken_for_another": "a model hardly better than guessing contradicts nothing",
    "sorted_by_target": "a fifth or a tenth of the rows out of place, few target values; `id_like` names the number",
    "targets_typed_wrong": "a small target times ten is a usual one",
    "decimal_points_lost": "a small value of a heavy tail times a thousand is a usual one",
    "decimal_comma_lost": "a price of 0.85 that becomes 85 is a usual one",
    "texts_cut": "5 % cut just below the longest; texts that were short enough anyway",
    "unit_changed": "inches, or a factor of ten, within the swing of the seasons; few quarters",
    "category_appears": "5 to 10 % of a fifth of the rows; the newest quarter of the year has a handful",
    "mixture_changes": "a third of a fifth of the rows, in a category that changes by itself",
    "day_half_loaded": "a third of the rows left in one or two slices, on a shop whose days vary as much",
    "block_loaded_again": "invoice lines repeat by themselves: 2 % more do not stand out",
    "join_gave_one_value": "less than a whole slice stands still",
    "spread_widens": "less than the swing of the seasons",
    "level_shifts": "less than the swing of the seasons",
    "rows_of_another_world": "the index counts bins: values beyond all others fall into the top one",
    "column_stuck": "the value is one that the season makes frequent",
    "target_blurred": "with 3 % of wrong rows the column explains less than the check asks for",
}
"""Kind → why its weak faults are missed, found by looking at each."""


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Give the Markdown of the result."""
    libraries = ", ".join(f"{name} {version}" for name, version in result["libraries"].items())
    yield f"Seed {result['seed']}, commit {result['commit']}, {libraries}.\n"
    if result.get("n_not_run"):
        n_run = result["all"]["n"]
        n_left = result["n_not_run"]
        yield f"\n**Not the whole suite:** {n_left} of its jobs are still to run, the stronger faults of the later "
        yield f"kinds (the weakest run first); {n_run} faults were planted so far. `run` goes on from here. "
        yield "Kinds whose checks did not change ran on commits from 4710b3b on.\n"
    yield "\n| | recall | 95 % interval | faults |\n|---|---|---|---|\n"
    for title, key in (("exact kinds", "exact"), ("all", "all")):
        one = result[key]
        yield f"| {title} | {one['recall']:.3f} | {one['lower']:.3f} to {one['upper']:.3f} (Wilson) | {one['n']} |\n"
    recalls = np.array([one["recall"] for one in result["kinds"].values()])
    half = 1.96 * recalls.std(ddof=1) / np.sqrt(len(recalls))
    spread = f"{recalls.mean() - half:.3f} to {min(recalls.mean() + half, 1):.3f} (between kinds)"
    yield f"| mean of {len(recalls)} kinds | {recalls.mean():.3f} | {spread} | |\n"
    control = result["control"]
    share = 100 * control["share_of_kinds_alarmed"]
    worst = ", ".join(f"`{name}` {n}" for name, n in control["worst"].items() if n) or "none"
    yield f"\nFalse alarms: over {control['n_samples']} further clean samples {share:.1f} % of the kinds would have "
    yield f"counted as seen (most often: {worst}). Blocks on clean samples: {len(control['blocks'])}.\n"
    blocks = HERE / "clean.json"
    if blocks.exists():
        clean = json.loads(blocks.read_text(encoding="utf-8"))
        yield f"Whole clean sets that the audit blocks (`clean.json`): {len(clean['blocked'])} of {clean['n_sets']}.\n"
    yield "\nRuns of one kind on one set are not independent: Wilson's intervals are too narrow for other sets.\n"
    yield f"\nKinds with a recall under {LOW}:\n\n| kind | recall | faults | missed because |\n|---|---|---|---|\n"
    for name, one in sorted(result["kinds"].items(), key=lambda pair: pair[1]["recall"]):
        if one["recall"] < LOW:
            why = WHY.get(name, "missed: " + ", ".join(one["missed"][:4]))
            yield f"| `{name}`{' (exact)' if one['exact'] else ''} | {one['recall']:.2f} | {one['n']} | {why} |\n"


def main() -> None:
    """Replace what follows the mark in README.md."""
    readme = HERE / "README.md"
    head = readme.read_text(encoding="utf-8").partition(MARK)[0]
    result = json.loads((HERE / "result.json").read_text(encoding="utf-8"))
    readme.write_text(head + MARK + "\n" + "".join(lines(result)), encoding="utf-8")


if __name__ == "__main__":
    main()
