"""A real server process for tests: `python server.py FOLDER PAUSE_S`, its URL on the first line."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Serve the fakes of conftest from a folder, on a free port."""
    import conftest

    from cauce.serve import create_app, run

    folder = Path(sys.argv[1])
    world = conftest.World(folder)
    world.pause_s = float(sys.argv[2])
    run(
        create_app(world.service()),
        "127.0.0.1",
        0,
        token_file=folder / "token",
        announce=lambda url: print(url, flush=True),
    )


if __name__ == "__main__":
    main()
