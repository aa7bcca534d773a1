"""kill -9 at random moments of load, cluster, compact, restore, vacuum: the next run goes on, nothing is lost."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cauce import data
from cauce.data.columns import ROW
from cauce.data.lake import read_table
from cauce.data.log import last_version
from cauce.data.versions import forgotten

WORKER = """
import json, random, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
import pyarrow as pa
from cauce import data
from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
from cauce.data import compaction
compaction.FEWEST = 4

folder, lake, seed = Path(sys.argv[1]), Path(sys.argv[1]) / "lake", int(sys.argv[2])
rng, now = random.Random(seed), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=seed)

def tell(**what):
    sys.stdout.write(json.dumps(what) + "\\n")
    sys.stdout.flush()

(folder / "warm.csv").write_text("n\\n1\\n")  # imports take seconds: the clock starts after them
data.load("warm", DataSpec(source="warm.csv", cluster_by=("n",)), folder, lake, now=now, where=lambda *_: "")
tell(ready=True)
for turn in range(1000):
    now += timedelta(minutes=1)
    act = rng.choice(["load", "load", "load", "label", "restore", "vacuum"])
    if act == "load":
        first = rng.randrange(10**6)
        (folder / "rows.csv").write_text("n,p\\n" + "".join(f"{first + i},{i % 2}\\n" for i in range(300)))
        spec = DataSpec(source="rows.csv", partition_by=rng.choice([(), ("p",)]), cluster_by=rng.choice([(), ("n",)]))
        done = data.load("rows", spec, folder, lake, now=now, where=lambda *_: "")
        tell(version=done.version, first=first)
    elif act == "label":
        rows = pa.table({"unit": [f"{seed}-{turn}"], "at": pa.array([now]), "x": [turn]})
        data.append_labelled(lake, "rows", "model", rows)
        tell(unit=f"{seed}-{turn}")
    elif act == "restore" and (newest := data.latest(lake, "rows")) is not None:
        wanted = rng.randrange(newest.version + 1)
        try:
            done = data.restore(lake, "rows", wanted, now=now)
        except UserError:
            continue
        back = data.read(lake, "rows")["n"][0].as_py()
        tell(version=done.snapshot.version, first=back)
    elif act == "vacuum":
        done = data.vacuum(lake, "rows", keep="5m", now=now, pinned={2})
        tell(forgotten=done.forgotten)
"""


@pytest.mark.slow
def test_nothing_that_was_told_is_lost_however_often_the_worker_is_killed(tmp_path: Path) -> None:
    rng = random.Random(20_26)
    versions, units, gone = dict[int, int](), set[str](), set[int]()
    for life in range(14):
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WORKER, str(tmp_path), str(life)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as worker:  # fmt: skip
            assert worker.stdout is not None
            assert worker.stderr is not None
            assert json.loads(worker.stdout.readline()) == {"ready": True}
            time.sleep(rng.uniform(0.2, 2.5))  # how far it gets is chance: that is the test
            worker.send_signal(signal.SIGKILL)
            told, complaint = worker.stdout.read(), worker.stderr.read()
        assert complaint == b"", complaint.decode()
        for line in told.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                continue
            said = json.loads(line)
            if "version" in said:
                versions[said["version"]] = said["first"]
            elif "unit" in said:
                units.add(said["unit"])
        check(tmp_path / "lake", versions, units, gone)
    assert len(versions) > 20
    assert units
    assert gone


def check(lake: Path, versions: dict[int, int], units: set[str], gone: set[int]) -> None:
    """Every version told of is there with its rows, but for those that retention removed."""
    table = lake / "rows"
    if not versions:
        return
    first_kept = min(int(path.stem) for path in (table / "_delta_log").glob("*.json"))
    gone |= forgotten(table) | {version for version in versions if version < first_kept}
    newest = data.latest(lake, "rows")
    assert newest is not None
    assert newest.version >= max(versions)
    assert newest.version not in gone
    for version in sorted(set(versions) - gone):
        rows = data.read(lake, "rows", version=version)["n"].to_pylist()
        assert rows == list(range(versions[version], versions[version] + 300)), version
    labelled = lake / "rows.model"
    if units:
        table_rows = read_table(labelled, last_version(labelled), ["unit"], order=ROW)
        assert units <= set(table_rows["unit"].to_pylist())


def test_versions_of_a_killed_run_are_numbered_on(tmp_path: Path) -> None:
    """The worker itself, without a kill: a few acts of it, so that the slow test's script cannot rot unseen."""
    script = WORKER.replace("range(1000)", "range(12)")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(tmp_path), "3"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    versions = [one["version"] for one in told if "version" in one]
    assert versions == sorted(versions)
