"""A real server process for tests: `python server.py FOLDER PAUSE_S`, its URL on the first line."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def main() -> None:
    """Serve the fakes of conftest from a folder, on a free port."""

    from cauce.serve import create_app, run

    # By its path: other rooms' tests have a conftest of their own.
    found = importlib.util.spec_from_file_location("serve_fakes", Path(__file__).parent / "conftest.py")
    assert found is not None
    assert found.loader is not None
    fakes = sys.modules["serve_fakes"] = importlib.util.module_from_spec(found)
    found.loader.exec_module(fakes)
    folder = Path(sys.argv[1])
    world = fakes.World(folder)
    world.pause_s = float(sys.argv[2])
    run(
        lambda: create_app(world.service()),
        "127.0.0.1",
        0,
        token_file=folder / "token",
        announce=lambda url: print(url, flush=True),
    )


if __name__ == "__main__":
    main()
