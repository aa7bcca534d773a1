"""A real service for tests: `python server.py FOLDER PAUSE_S [SPEC]`, its URL on the first line.

SPEC is `[serve]` as JSON. FOLDER may hold ``aliases.json``, model → alias → version, which is followed, and
``challengers.json``, model → `[models.NAME.challenger]`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve the fakes of conftest from a folder, on a free port."""
    from cauce.core.specs import ChallengerSpec, ServeSpec
    from cauce.serve import Codes, Shared, create_app, new_metrics, run

    # By its path: other rooms' tests have a conftest of their own.
    found = importlib.util.spec_from_file_location("serve_fakes", Path(__file__).parent / "conftest.py")
    assert found is not None
    assert found.loader is not None
    fakes = sys.modules["serve_fakes"] = importlib.util.module_from_spec(found)
    found.loader.exec_module(fakes)
    folder = Path(sys.argv[1])
    spec = ServeSpec(**json.loads(sys.argv[3])) if len(sys.argv) > 3 else ServeSpec()
    world = fakes.World(folder, durability=spec.durability)
    world.pause_s = float(sys.argv[2])
    aliases = folder / "aliases.json"

    def alias(model: str, name: str) -> int | None:
        held: dict[str, dict[str, int]] = json.loads(aliases.read_text()) if aliases.exists() else {}
        return held.get(model, {}).get(name) or (world.champions[model] if name == "champion" else None)

    challengers: dict[str, Any] = {}
    if (folder / "challengers.json").exists():
        read = json.loads((folder / "challengers.json").read_text())
        challengers = {model: ChallengerSpec(**one) for model, one in read.items()}
    shared = Shared(folder / "serve.sqlite")
    metrics = new_metrics(tuple(world.champions), workers=spec.workers)
    service = world.service(
        spec,
        alias=alias,
        challengers=challengers,
        shared=shared,
        metrics=metrics,
        codes=Codes(store=shared),
        sessions=Codes("session", store=shared),
    )
    shared.begin()
    shared.close()

    def died(number: int, pid: int, again: bool) -> None:
        metrics.ended(number, restarted=again)
        shared.release(pid)
        shared.close()

    run(
        lambda: create_app(service),
        "127.0.0.1",
        0,
        token_file=folder / "token",
        announce=lambda url: print(url, flush=True),
        workers=spec.workers,
        begin=metrics.attach,
        died=died,
    )


if __name__ == "__main__":
    main()
