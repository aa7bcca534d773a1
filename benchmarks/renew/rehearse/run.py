"""ELEC2 and bike sharing rehearsed: does the loop beat a model that is never retrained, and at what cost?

`python benchmarks/renew/rehearse/run.py [--quick] [--only elec2]` writes result.json beside this file. Needs the two
sets of shared/data: searched for upwards from here, or where CAUCE_SHARED_DATA says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cauce import project
from cauce.core.files import from_json, to_json
from cauce.core.rehearsing import Replayed, Scenario
from cauce.loop.context import Loop
from cauce.loop.rehearse import Asked, rehearse
from cauce.rehearse import outcome

HERE = Path(__file__).parent
TOML = """[project]
name = "rehearsed"

[data.rows]
source = "rows.parquet"
time = "at"

[models.{name}]
task = "{task}"
data = "rows"
target = "{target}"
ignore = [{ignore}]
never_use = [{rungs}]

[watch]
window = 1000

[renew]
min_truths = 300
cool_down = "{cool_down}"
"""
MARGIN = 0.01
LINEAR = "--linear" in sys.argv
COOL_DOWN = "28d"
"""Set before anything was measured: a month between retrainings at least, as a team would."""


def shared() -> Path:
    """Return the folder of the shared data sets."""
    told = os.environ.get("CAUCE_SHARED_DATA")
    places = [Path(told)] if told else [up / "shared" / "data" for up in HERE.resolve().parents]
    found = next((place for place in places if (place / "elec2").is_dir()), None)
    if found is None:
        sys.exit("shared/data is not here: set CAUCE_SHARED_DATA")
    return found


def elec2(folder: Path) -> None:
    """Half-hours from 7 May 1996 on, in the order of the file, which has no time of its own."""
    table = pq.read_table(shared() / "elec2" / "elec2.parquet")
    start = datetime(1996, 5, 7, tzinfo=UTC)
    at = pa.array([start + timedelta(minutes=30 * row) for row in range(table.num_rows)], pa.timestamp("us", tz="UTC"))
    write(folder, table.append_column("at", at), "elec2", "classify", "class", [])


def bike(folder: Path) -> None:
    """Hours of two years; what adds up to the target, and what only counts rows, is left out."""
    table = pq.read_table(shared() / "bike_sharing" / "hour.parquet")
    days, hours = table["dteday"].to_pylist(), table["hr"].to_pylist()
    at = []
    for day, hour in zip(days, hours, strict=True):
        text = day if isinstance(day, str) else day.isoformat()
        at.append(datetime.fromisoformat(text[:10]).replace(tzinfo=UTC) + timedelta(hours=int(hour)))
    table = table.append_column("at", pa.array(at, pa.timestamp("us", tz="UTC")))
    write(folder, table, "bike", "regress", "cnt", ["instant", "dteday", "casual", "registered"])


def write(folder: Path, table: pa.Table, name: str, task: str, target: str, ignore: list[str]) -> None:
    """Lay out a project."""
    left_out = ["additive", "forest", "boosting", "tuned", "mlp"] if LINEAR else ["mlp"]
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "rows.parquet")
    names = ", ".join(f'"{column}"' for column in ignore)
    rungs = ", ".join(f'"{rung}"' for rung in left_out)
    text = TOML.format(name=name, task=task, target=target, ignore=names, cool_down=COOL_DOWN, rungs=rungs)
    (folder / "cauce.toml").write_text(text, encoding="utf-8")


SETS = {"elec2": elec2, "bike": bike}


def tell(stage: str, done: int, total: int, note: str = "") -> None:
    """Print how far it has come."""
    if "rehears" in stage:
        print(f"{time.strftime('%H:%M:%S')} {stage} {done}/{total} {note}", flush=True)


def finished(folder: Path, name: str) -> dict[str, object]:
    """Sum up the replays that a run has finished so far, also of one that was cut off."""
    places = sorted(folder.glob(f".cauce/runs/rehearse/{name}-*/replays/*.json"))
    replays = [from_json(place.read_bytes(), Replayed) for place in places]
    by_scenario: dict[Scenario, list[Replayed]] = {}
    for each in replays:
        by_scenario.setdefault(each.job.scenario, []).append(each)
    found = [outcome(each, margin=MARGIN) for each in by_scenario.values()]
    for one in found:
        print(f"{name} {one.scenario.name:18} {one.reason['en']}", flush=True)
    past = [each for each in replays if each.job.scenario.kind == "history"]
    looks = [[look.n_served, look.action, look.promoted, list(look.alarms)] for look in past[0].looks] if past else []
    losses = {course.strategy: [course.mean_loss, list(course.block_losses)] for course in past[0].courses}
    return {"outcomes": json.loads(to_json(found)), "looks": looks, "block_losses": losses}


def main() -> None:
    """Rehearse both and write result.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=tuple(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--thorough", action="store_true")
    parser.add_argument("--always-every", type=int, default=1, help="looks between two fits of always-retrain")
    parser.add_argument("--linear", action="store_true", help="the linear rung alone, instead of what the ladder finds")
    parser.add_argument("--scenarios", default="", help="names, with commas; all that --thorough asks for when absent")
    parser.add_argument("--folder", type=Path, help="keep the projects, and finished replays, here")
    parser.add_argument("--out", type=Path, default=HERE / "result.json")
    parser.add_argument("--report", action="store_true", help="sum up what lies in --folder, run nothing")
    asked = parser.parse_args()
    if asked.report:
        told = {name: finished(asked.folder / name, name) for name in SETS if (asked.folder / name).exists()}
        about = {"partial": True}
        text = json.dumps({**told, "about": about}, indent=1, ensure_ascii=False)
        asked.out.write_text(text + "\n", encoding="utf-8")
        return
    kept = asked.out is not None and asked.out.exists() and asked.only
    result = json.loads(asked.out.read_text()) if kept else {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, make in SETS.items():
            if asked.only not in {None, name}:
                continue
            folder = (asked.folder or Path(scratch)) / name
            if not (folder / "cauce.toml").exists():
                make(folder)
            loop = Loop(project.load(folder / "cauce.toml"), tell)
            begun = time.monotonic()
            played = Asked(
                seeds=asked.seeds,
                every="7d",
                rows=50_000,
                quick=asked.quick,
                workers=asked.workers,
                thorough=asked.thorough,
                always_every=asked.always_every,
                only=tuple(asked.scenarios.split(",")) if asked.scenarios else (),
            )
            found = rehearse(loop, name, played)
            result[name] = {"wall_s": round(time.monotonic() - begun, 1), **json.loads(to_json(found))}
            for one in found.outcomes:
                print(f"{one.scenario.name:18} {one.reason['en']}", flush=True)
            if found.recommendation:
                print(found.recommendation.reason["en"])
    result["about"] = {
        "python": platform.python_version(),
        "cauce": version("cauce"),
        "lightgbm": version("lightgbm"),
        "cores": len(os.sched_getaffinity(0)),
        "quick": asked.quick,
        "seeds": asked.seeds,
        "always_every": asked.always_every,
    }
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
