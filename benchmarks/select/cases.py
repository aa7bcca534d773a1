"""What the benchmarks of single parts share: cases kept one by one, and figures over splits and over sets."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.core.files import write_bytes
from cauce.evidence.shares import wilson

Floats = npt.NDArray[np.float64]


def asked(about: str | None, here: Path) -> argparse.Namespace:
    """Read the command line: `splits`, `work` and `data`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--work", type=Path, default=here / "work")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    return given


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a case, made where it was not yet: a killed run goes on where it was."""
    begun = time.monotonic()
    if not path.exists():
        write_bytes(path, json.dumps(make()).encode())
        print(f"{path.stem}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def write(here: Path, **found: Any) -> None:
    """Write `result.json`, with when and by which versions."""
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("cauce", "numpy", "scikit-learn", "lightgbm")},
    }
    write_bytes(here / "result.json", json.dumps(about | found, indent=1).encode())


def share(hits: Sequence[float]) -> dict[str, float]:
    """Return the share of hits, each 0 or 1, with Wilson's 95 % interval."""
    found = wilson(sum(hits), len(hits))
    return {"share": found.value, "lower": found.lower, "upper": found.upper, "n": len(hits)}


def spread(values: Floats, share: float) -> dict[str, float]:
    """Return the mean over splits and its 95 % interval by Nadeau and Bengio's corrected t; `share` of rows tested."""
    from scipy.special import stdtrit

    n = len(values)
    half = -float(stdtrit(n - 1, 0.025)) * float(np.sqrt(values.var(ddof=1) * (1 / n + share / (1 - share))))
    return {"mean": float(values.mean()), "lower": float(values.mean() - half), "upper": float(values.mean() + half)}


def over_sets(values: dict[str, Floats]) -> dict[str, float]:
    """Return the mean over sets with a 95 % t interval, the set being the unit."""
    from scipy.special import stdtrit

    means = np.array([value.mean() for value in values.values()])
    half = -float(stdtrit(len(means) - 1, 0.025)) * float(means.std(ddof=1) / np.sqrt(len(means)))
    return {
        "mean": float(means.mean()), "lower": float(means.mean() - half), "upper": float(means.mean() + half),
        "n_better": int((means > 0).sum()), "n": len(means),
    }  # fmt: skip
