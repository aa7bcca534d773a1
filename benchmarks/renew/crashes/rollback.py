"""How long does a breach last: from the acknowledged truths to the old champion's answers? See README.md.

python benchmarks/renew/crashes/rollback.py [--quick] [--times 10] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))

from cauce import Loop, __version__, load_project
from cauce.client import Client, Truth
from cauce.loop import by_hand
from cauce.loop.carry import carry_out, experiment_of, plan_of
from cauce.loop.stages import run_stages
from cauce.renew import Evidence, enter, first
from e2e.running import Running
from e2e.school import students
from loop.crashing import comparison

MODEL = "passed"
TOML = """\
[project]
name = "school"

[data.students]
source = "students.csv"
key = "id"

[models.passed]
task = "classify"
data = "students"
target = "passed"
trials = 0
never_use = ["additive", "boosting", "forest", "mlp"]
"""
N_ROWS = 400
PATIENCE_S = 120.0


def opened(folder: Path) -> Loop:
    return Loop(load_project(folder / "cauce.toml", {}))


def two_versions(folder: Path) -> None:
    """Train a version on the truth and one on its opposite; the first one holds the alias."""
    (folder / "cauce.toml").write_text(TOML)
    table = students(800)
    pyarrow.csv.write_csv(table, folder / "students.csv")
    run_stages(opened(folder))
    pyarrow.csv.write_csv(turned(table), folder / "students.csv")
    run_stages(opened(folder))
    loop = opened(folder)
    assert loop.tracker.versions(MODEL) == (1, 2)
    if loop.tracker.alias(MODEL, "champion") == 2:  # the gate judged by rows that were turned round too
        by_hand.rollback(loop, MODEL, version=1, reason="The rows are turned round on purpose.")


def turned(table: pa.Table) -> pa.Table:
    values = ["no" if one == "yes" else "yes" for one in table["passed"].to_pylist()]
    return table.set_column(table.column_names.index("passed"), "passed", pa.array(values))


def promote(folder: Path) -> None:
    """Let version 2 take over as a gate does that was wrong about it."""
    loop = opened(folder)
    judged = first(MODEL, 2, now=loop.now())
    judged = replace(judged, champion=1, comparison=comparison("better"))
    decision = carry_out(loop, enter(judged, Evidence(judged.comparison), plan_of(loop, MODEL)))
    assert decision.experiment is not None
    assert decision.experiment.stage == "probation"


@contextmanager
def living(folder: Path) -> Iterator[Client]:
    """Run the service and the watcher, as `cauce up` does."""
    running = [Running(folder, "serve", "--port", "0"), Running(folder, "watch", "--every", "1h", "--quiet")]
    try:
        token = (folder / ".cauce" / "secrets" / "token").read_text().strip() if running[0].url else ""
        with Client(running[0].url, token) as client:
            yield client
    finally:
        for one in running:
            one.close()


def breach(client: Client, folder: Path, seed: int) -> dict[str, float]:
    """Promote the bad version, let truths prove it bad, and wait for the good one's answers."""
    promote(folder)
    table = students(N_ROWS, seed=seed)
    rows = table.drop_columns(["id", "passed"]).to_pylist()
    wait_for(lambda: client.predict(MODEL, rows[:1]).version == 2)
    said = client.predict(MODEL, rows)
    truths = [Truth(one.id, value) for one, value in zip(said.predictions, table["passed"].to_pylist(), strict=True)]
    client.truth(MODEL, truths)
    landed = time.monotonic()
    loop = opened(folder)
    moved = wait_for(lambda: loop.tracker.alias(MODEL, "champion") == 1)
    back = wait_for(lambda: client.predict(MODEL, rows[:1]).version == 1)
    found = experiment_of(loop, MODEL)
    assert found is not None
    assert found.stage == "ended"
    return {"alias_s": round(moved - landed, 3), "answers_s": round(back - landed, 3)}


def wait_for(true: Any) -> float:
    """Return when something has become true."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)
    return time.monotonic()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true", help="one roll-back")
    asked.add_argument("--times", type=int, default=10)
    asked.add_argument("--folder", type=Path, help="where to work; a temporary folder when absent")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        two_versions(folder)
        with living(folder) as client:
            taken = [breach(client, folder, 100 + i) for i in range(1 if options.quick else options.times)]
    answers = [one["answers_s"] for one in taken]
    found = {
        "n": len(taken),
        "truths_each": N_ROWS,
        "answers_s": {"median": statistics.median(answers), "longest": max(answers)},
        "each": taken,
        "load_average": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "cauce": __version__,
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    if not options.quick:
        Path(__file__).with_name("rollback.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
