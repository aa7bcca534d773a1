"""Does `kill -9` of a process that promotes leave a legal state, from which the same process goes on? See README.md.

python benchmarks/renew/crashes/run.py [--quick] [--kills 30] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))

from cauce import __version__
from cauce.loop.carry import reconcile
from cauce.track.client import open_client
from loop.crashing import MODEL, TICKS, Aliases, Story, illegal, open_loop, outcome, take

DRIVE = Path(__file__).with_name("drive.py")


def registry(folder: Path, story: Story) -> None:
    """Make MLflow's own file, with a model of four versions."""
    loop = open_loop(folder, story, 0)
    client = open_client(loop.state)
    client.create_registered_model(MODEL)
    for number in range(4):
        client.create_model_version(MODEL, (folder / f"v{number}").as_uri())


def told(folder: Path, story: Story) -> list[object]:
    """The story without a kill, in this process, with aliases in memory."""
    folder.mkdir(parents=True)
    aliases = Aliases()
    for tick in range(TICKS):
        take(open_loop(folder, story, tick, aliases), story, tick)
    return outcome(open_loop(folder, story, TICKS, aliases))


def one_life(folder: Path, seed: int, after_s: float | None) -> bool:
    """Let the process run, killed `after_s` seconds after it begins; whether it came to its end."""
    command = [sys.executable, str(DRIVE), str(folder), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n", "it did not start"
        if after_s is None:
            return process.stdout.read() == "done\n"
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        return process.stdout.read() == "done\n"


def kill_all(folder: Path, n_kills: int, *, longest_s: float) -> dict[str, object]:
    """Kill a process `n_kills` times, over as many stories as that takes; count what is not as it must be."""
    kills, seed, bad, lagged, stories, different = 0, 0, [], 0, 0, 0
    rng = np.random.default_rng(2026)
    while kills < n_kills:
        story = Story.of(np.random.default_rng(seed))
        without = told(folder / f"{seed}-told", story)
        home = folder / f"{seed}"
        home.mkdir()
        shutil.copy(folder / f"{seed}-told" / "cauce.toml", home)
        registry(home, story)
        done = False
        while not done:
            killing = kills < n_kills
            done = one_life(home, seed, float(rng.uniform(0.0, longest_s)) if killing else None)
            if killing and not done:
                kills += 1
                tick = int((home / "tick").read_text()) if (home / "tick").exists() else 0
                loop = open_loop(home, story, tick)
                lagged += bool(illegal(loop))
                reconcile(loop, MODEL)
                bad += illegal(loop)
        loop = open_loop(home, story, TICKS)
        reconcile(loop, MODEL)
        bad += illegal(loop)
        different += outcome(loop) != without
        stories, seed = stories + 1, seed + 1
        sys.stderr.write(f"{kills} kills in {stories} stories\n")
    return {
        "kills": kills,
        "stories": stories,
        "illegal_after_reconcile": bad,
        "kills_between_record_and_alias": lagged,
        "stories_that_ended_otherwise": different,
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true", help="3 kills")
    asked.add_argument("--kills", type=int, default=30)
    asked.add_argument(
        "--longest", type=float, default=0.15, help="latest kill, seconds from the begin: a story's time"
    )
    asked.add_argument("--folder", type=Path, help="where to work; a temporary folder when absent")
    options = asked.parse_args()
    n_kills = 3 if options.quick else options.kills
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = kill_all(Path(folder), n_kills, longest_s=options.longest)
    found |= {"python": platform.python_version(), "cauce": __version__, "seed": 2026}
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    if not options.quick:
        Path(__file__).with_name("result.json").write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(1 if found["illegal_after_reconcile"] or found["stories_that_ended_otherwise"] else 0)


if __name__ == "__main__":
    main()
