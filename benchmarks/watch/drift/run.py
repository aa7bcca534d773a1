"""Drift: speed beside Evidently, power beside three tools at one rate of false alarms, ten years without drift.

python benchmarks/watch/drift/run.py [speed] [power] [alarms] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import alarms  # type: ignore[import-not-found]
import power  # type: ignore[import-not-found]
import speed  # type: ignore[import-not-found]

RESULT = Path(__file__).with_name("result.json")


def main() -> None:
    """Run the parts asked for and put their figures into result.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="speed, power, alarms; all where none is named")
    parser.add_argument("--quick", action="store_true", help="small: to see that it works; writes no result")
    parser.add_argument("--envs", default="envs", help="folder with the environments of evidently, nannyml and alibi")
    parser.add_argument("--seed", type=int, default=20261127, help="of power")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - {"speed", "power", "alarms"}:
        parser.error(f"not a part: {', '.join(sorted(unknown))}")
    pythons = {
        tool: str(Path(asked.envs) / folder / "bin" / "python")
        for tool, folder in (("evidently", "evidently"), ("nannyml", "nannyml"), ("alibi-detect", "alibi"))
    }
    kept = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    for part in asked.parts or ("power", "alarms", "speed"):
        if part == "speed":
            found: object = speed.run(pythons["evidently"], 20_000 if asked.quick else 1_000_000)
        elif part == "power":
            size = (100, 40) if asked.quick else (1_500, 400)
            found = power.run(pythons, n_calm=size[0], n_columns=size[1], seed=asked.seed)
            print(power.table(found))
        else:
            found = alarm_runs(quick=asked.quick)
        kept[part] = {"python": platform.python_version(), "cores": os.cpu_count(), "figures": found}
        print(json.dumps(kept[part], indent=1))
        if not asked.quick:
            RESULT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def alarm_runs(*, quick: bool) -> list[dict[str, object]]:
    """Daily for five seeds and two sizes of the training set; hourly for one of each."""
    if quick:
        return [alarms.simulate(0, n_reference=1_000, n_columns=20, looks=24, days=100)]
    daily = [alarms.simulate(seed, n_reference=n) for n in (10_000, 1_000) for seed in range(3)]
    hourly = [alarms.simulate(seed, n_reference=n, looks=24) for seed, n in ((10, 10_000), (11, 1_000))]
    return [*daily, *hourly]


if __name__ == "__main__":
    main()
