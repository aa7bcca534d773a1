"""One process that takes a story of promotions from where it stands to its end; `run.py` kills it.

    python drive.py FOLDER SEED

The folder holds the project and its MLflow file; ``tick`` in it says how far the story has come.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))

from cauce.core.files import write_bytes
from loop.crashing import TICKS, Story, open_loop, take


def main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    story, kept = Story.of(np.random.default_rng(seed)), folder / "tick"
    tick = int(kept.read_text()) if kept.exists() else 0
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    for now in range(tick, TICKS):
        take(open_loop(folder, story, now), story, now)
        write_bytes(kept, str(now + 1).encode())
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main()
