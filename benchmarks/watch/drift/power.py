"""Power at one and the same rate of false alarms: each tool's own default score of one window, calibrated on windows
without drift. Columns are replicates: one call of a tool scores them all.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

RATE = 0.05
N_REFERENCE, N_WINDOW = 5_000, 1_000
HERE = Path(__file__).parent
NAMES = np.array(["a", "b", "c", "d", "e", "f"])
SHARES = np.array([0.4, 0.25, 0.15, 0.1, 0.07, 0.03])
SHIFTS: Mapping[str, tuple[str, Sequence[float]]] = {
    "mean": ("deviations that the mean moved", (0.05, 0.1, 0.15, 0.2)),
    "variance": ("factor of the deviation", (1.05, 1.1, 1.2)),
    "sudden": ("deviations, from half of the window on", (0.1, 0.2, 0.3)),
    "gradual": ("deviations at the end, linear from 0", (0.1, 0.2, 0.3)),
    "category": ("points of the share that go from the commonest to the rarest", (0.01, 0.02, 0.03)),
    "spread": ("points of the share that go from the commonest to the next", (0.02, 0.04, 0.06)),
}


def numbers(rng: np.random.Generator, n: int, columns: int) -> npt.NDArray[np.float64]:
    return rng.normal(size=(n, columns))


def categories(rng: np.random.Generator, n: int, columns: int, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.str_]:
    return NAMES[rng.choice(len(NAMES), size=(n, columns), p=shares)]


def current(kind: str, size: float, rng: np.random.Generator, columns: int) -> npt.NDArray[Any]:
    """Return windows with a shift of a kind and size."""
    time = np.arange(N_WINDOW)[:, None]
    if kind in {"category", "spread"}:
        shares = SHARES.copy()
        shares[0] -= size
        shares[-1 if kind == "category" else 1] += size
        return categories(rng, N_WINDOW, columns, shares)
    values = numbers(rng, N_WINDOW, columns)
    moved: dict[str, Callable[[], npt.NDArray[np.float64]]] = {
        "mean": lambda: values + size,
        "variance": lambda: values * size,
        "sudden": lambda: values + size * (time >= N_WINDOW // 2),
        "gradual": lambda: values + size * time / N_WINDOW,
        "calm": lambda: values,
    }
    return np.asarray(moved[kind]())


def make(folder: Path, n_calm: int, n_columns: int, seed: int) -> None:
    """Write reference and window of every scenario."""
    rng = np.random.default_rng(seed)
    wanted = [("calm_number", "calm", 0.0, n_calm), ("calm_category", "category", 0.0, n_calm)]
    wanted += [(f"{kind}_{size}", kind, size, n_columns) for kind, (_, sizes) in SHIFTS.items() for size in sizes]
    for name, kind, size, columns in wanted:
        is_number = kind not in {"category", "spread"}
        reference = numbers(rng, N_REFERENCE, columns) if is_number else categories(rng, N_REFERENCE, columns, SHARES)
        np.savez(folder / f"{name}.npz", reference=reference, current=current(kind, size, rng, columns))


def ours(path: Path) -> dict[str, list[float]]:
    """Return the scores of our report and of the running evidence after this one window."""
    import pyarrow as pa

    from cauce.watch import drift_report
    from cauce.watch.alarms import Bets, Stakes
    from cauce.watch.drift import bin_positions
    from cauce.watch.events import of_column
    from cauce.watch.quick import quick_bins

    arrays = np.load(path)
    names = [f"c{i}" for i in range(arrays["reference"].shape[1])]
    tables = [
        pa.table({name: pa.array(arrays[side][:, i].copy()) for i, name in enumerate(names)})
        for side in ("reference", "current")
    ]
    found = drift_report(*tables)
    bins = quick_bins(tables[0])
    before, now, running = bins.count(tables[0]), bins.count(tables[1]), []
    for name in names:
        ordered = bin_positions(bins.columns[name]) is not None
        bets = Bets(of_column(before[name][:-1], ordered=ordered, risk=0.005 / 30))
        running.append(Stakes.begin(bets).seen(now[name][:-1]).evidence(bets))
    return {
        "cauce, report": [-found[name].p_value for name in names],
        "cauce, running evidence": running,
        "cauce, PSI alone": [found[name].psi for name in names],
    }


def run(pythons: Mapping[str, str], *, n_calm: int, n_columns: int, seed: int) -> dict[str, Any]:
    """Return the power of every tool under every shift, with its calibrated rate and 95 % intervals."""
    scores: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), n_calm, n_columns, seed)
        for path in sorted(Path(folder).glob("*.npz")):
            for tool, values in ours(path).items():
                scores.setdefault(tool, {})[path.stem] = values
        for tool, python in pythons.items():
            script = HERE / "peers" / f"{tool.partition('-')[0]}_scores.py"
            mode = ["scores"] if "evidently" in tool else []
            done = subprocess.run([python, str(script), *mode, folder], capture_output=True, text=True, check=False)
            if done.returncode:
                print(tool, "failed:", done.stderr[-800:])
                continue
            scores[tool] = json.loads(done.stdout.strip().splitlines()[-1])
    return {tool: _power(found) for tool, found in scores.items()}


def _power(found: Mapping[str, list[float]]) -> dict[str, Any]:
    limits = {
        kind: float(np.quantile(found[f"calm_{kind}"], 1 - RATE, method="higher")) for kind in ("number", "category")
    }
    result: dict[str, Any] = {
        "rate": {kind: float(np.mean(np.array(found[f"calm_{kind}"]) > limit)) for kind, limit in limits.items()}
    }
    for kind, (_, sizes) in SHIFTS.items():
        limit = limits["category" if kind in {"category", "spread"} else "number"]
        result[kind] = {}
        for size in sizes:
            alarmed = np.array(found[f"{kind}_{size}"]) > limit
            share, n = float(alarmed.mean()), len(alarmed)
            half = 1.96 * float(np.sqrt(max(share * (1 - share), 0.25 / n) / n))
            result[kind][str(size)] = {"power": round(share, 3), "half_width": round(half, 3), "n": n}
    return result
