"""Power at one and the same rate of false alarms: each tool's own default score of one window, calibrated on windows
without drift of the same family. Columns are replicates: one call of a tool scores them all, every tool the same ones.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

RATE = 0.05
N_REFERENCE, N_WINDOW = 5_000, 1_000
N_RESAMPLES = 1_000
OURS = "cauce, report"
HERE = Path(__file__).parent
NAMES = np.array(["a", "b", "c", "d", "e", "f"])
SHARES = np.array([0.4, 0.25, 0.15, 0.1, 0.07, 0.03])
Values = npt.NDArray[Any]


class Cell(NamedTuple):
    """A family of columns, and how the window's were moved."""

    family: str
    shift: str
    size: float

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.family}_{self.shift}_{self.size}"


SHIFTS: Mapping[str, tuple[str, Mapping[str, tuple[float, ...]]]] = {
    "mean": ("deviations that it moved", {"normal": (0.05, 0.1, 0.2), "skewed": (0.05, 0.1), "whole": (0.05, 0.1)}),
    "variance": ("factor of the deviation", {"normal": (1.1, 1.2), "skewed": (1.1,)}),
    "sudden": ("deviations, from half of the window on", {"normal": (0.2,)}),
    "gradual": ("deviations at the end, linear from 0", {"normal": (0.2,)}),
    "tail": ("share of rows that lie five deviations higher", {"normal": (0.01, 0.02), "skewed": (0.02,)}),
    "one value": ("share of rows that became the median", {"normal": (0.04, 0.08), "whole": (0.04,)}),
    "rare": ("points of the share that go from the commonest to the rarest", {"category": (0.01, 0.02, 0.05)}),
    "common": ("points of the share that go from the commonest to the next", {"category": (0.03, 0.05, 0.1)}),
}  # fmt: skip
FAMILIES: Mapping[str, Callable[[np.random.Generator, tuple[int, int]], Values]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "skewed": lambda rng, shape: rng.lognormal(size=shape),
    "whole": lambda rng, shape: rng.poisson(4, size=shape).astype(float),
    "category": lambda rng, shape: NAMES[rng.choice(len(NAMES), size=shape, p=SHARES)],
}
"""Family → draws; whole numbers have a deviation of 2 and a median of 4, skewed ones of 2.16 and of 1."""
DEVIATION = {"normal": 1.0, "skewed": float(np.sqrt((np.e - 1) * np.e)), "whole": 2.0}
CELLS = [Cell(family, shift, size) for shift, (_, all_) in SHIFTS.items() for family, s in all_.items() for size in s]
CALM = [Cell(family, "calm", 0.0) for family in FAMILIES]


def window(cell: Cell, rng: np.random.Generator, columns: int) -> Values:
    """Return windows of a cell, shape (N_WINDOW, columns)."""
    shape = (N_WINDOW, columns)
    if cell.shift in {"rare", "common"}:
        shares = SHARES.copy()
        shares[0] -= cell.size
        shares[-1 if cell.shift == "rare" else 1] += cell.size
        return NAMES[rng.choice(len(NAMES), size=shape, p=shares)]
    values = FAMILIES[cell.family](rng, shape)
    if cell.shift == "calm":
        return values
    deviation, time = DEVIATION[cell.family], np.arange(N_WINDOW)[:, None] / N_WINDOW
    if cell.family == "whole" and cell.shift == "mean":
        return values + rng.poisson(cell.size * deviation, shape)
    chosen = rng.random(shape) < cell.size
    moved: dict[str, Callable[[], Values]] = {
        "mean": lambda: values + cell.size * deviation,
        "variance": lambda: values * cell.size if cell.family == "normal" else values**cell.size,
        "sudden": lambda: values + cell.size * (time >= 0.5),
        "gradual": lambda: values + cell.size * time,
        "tail": lambda: values + 5 * deviation * chosen,
        "one value": lambda: np.where(chosen, {"normal": 0.0, "whole": 4.0}[cell.family], values),
    }
    return np.asarray(moved[cell.shift]())


def make(folder: Path, n_calm: int, n_columns: int, seed: int) -> None:
    """Write reference and window of every cell, and of every family without drift."""
    rng = np.random.default_rng(seed)
    for cell in [*CALM, *CELLS]:
        columns = n_calm if cell.shift == "calm" else n_columns
        reference = FAMILIES[cell.family](rng, (N_REFERENCE, columns))
        np.savez(folder / f"{cell.name}.npz", reference=reference, current=window(cell, rng, columns))


def ours(path: Path) -> dict[str, list[float]]:
    """Return the scores of our report and of the running evidence after this one window."""
    import pyarrow as pa

    from cauce.watch import drift_report
    from cauce.watch.drift.alarms import Bets, Stakes
    from cauce.watch.drift.events import of_column
    from cauce.watch.drift.quick import quick_bins
    from cauce.watch.drift.report import bin_positions

    arrays = dict(np.load(path))
    names = [f"c{i}" for i in range(arrays["reference"].shape[1])]
    tables = [
        pa.table({name: pa.array(arrays[side][:, i].copy()) for i, name in enumerate(names)})
        for side in ("reference", "current")
    ]
    if path.name.startswith("whole"):
        tables = [pa.table({name: table[name].cast(pa.int64()) for name in names}) for table in tables]
    found = drift_report(*tables)
    bins = quick_bins(tables[0])
    before, now, running = bins.count(tables[0]), bins.count(tables[1]), []
    for name in names:
        ordered = bin_positions(bins.columns[name]) is not None
        bets = Bets(of_column(before[name][:-1], ordered=ordered, risk=0.005 / 30))
        running.append(Stakes.begin(bets).seen(now[name][:-1]).evidence(bets))
    return {
        OURS: [-found[name].p_value for name in names],
        "cauce, running evidence": running,
        "cauce, PSI alone": [found[name].psi for name in names],
    }


def theirs(pythons: Mapping[str, str], folder: Path) -> dict[str, dict[str, list[float]]]:
    """Return every peer's scores. RuntimeError where one fails."""
    scores = {}
    for tool, python in pythons.items():
        script = HERE / "peers" / f"{tool.partition('-')[0]}_scores.py"
        mode = ["scores"] if "evidently" in tool else []
        done = subprocess.run([python, str(script), *mode, str(folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{tool} failed: {done.stderr[-800:]}")
        scores[tool] = json.loads(done.stdout.strip().splitlines()[-1])
    return scores


def run(pythons: Mapping[str, str], *, n_calm: int, n_columns: int, seed: int) -> dict[str, Any]:
    """Return the power of every tool in every cell, and ours less each peer's, with 95 % intervals.

    RuntimeError where a peer fails, or leaves a cell out.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make(folder, n_calm, n_columns, seed)
        scores = theirs(pythons, folder)
        for path in sorted(folder.glob("*.npz")):
            for tool, values in ours(path).items():
                scores.setdefault(tool, {})[path.stem] = values
    return figures(scores, tuple(pythons), n_calm=n_calm, n_columns=n_columns, seed=seed)


def figures(
    scores: Mapping[str, Mapping[str, list[float]]], peers: tuple[str, ...], *, n_calm: int, n_columns: int, seed: int
) -> dict[str, Any]:
    """Return what `run` does, of scores."""
    for tool, found in scores.items():
        for cell in [*CALM, *CELLS]:
            given = np.array(found.get(cell.name, []))
            if len(given) != (n_calm if cell.shift == "calm" else n_columns) or np.isnan(given).any():
                raise RuntimeError(f"{tool}: no score for each column of {cell.name}")
    rng = np.random.default_rng(seed + 1)
    return {
        "seed": seed, "calm columns a family": n_calm, "columns a cell": n_columns, "rate": RATE,
        "rows": {"reference": N_REFERENCE, "window": N_WINDOW},
        "cells": [_cell(cell, scores, peers, rng) for cell in CELLS],
    }  # fmt: skip


def _limits(calm: Values) -> Values:
    """Return the score that `RATE` of calm ones exceed; of each row where there are rows."""
    return np.asarray(np.quantile(calm, 1 - RATE, axis=-1, method="higher"))


def _cell(
    cell: Cell, scores: Mapping[str, Mapping[str, list[float]]], peers: tuple[str, ...], rng: np.random.Generator
) -> dict[str, Any]:
    """Return one cell's figures: columns and calm columns are resampled, the same ones for every tool."""
    calm_name = Cell(cell.family, "calm", 0.0).name
    calm = {tool: np.array(found[calm_name]) for tool, found in scores.items()}
    moved = {tool: np.array(found[cell.name]) for tool, found in scores.items()}
    n_calm, n = len(calm[OURS]), len(moved[OURS])
    power = {tool: float((moved[tool] > _limits(calm[tool])).mean()) for tool in scores}
    at_calm, at = rng.integers(0, n_calm, (N_RESAMPLES, n_calm)), rng.integers(0, n, (N_RESAMPLES, n))
    drawn = {
        tool: (moved[tool][at] > _limits(calm[tool][at_calm])[:, None]).mean(axis=1).astype(np.float64)
        for tool in scores
    }
    best = max(peers, key=lambda tool: power[tool])

    def bounds(values: Values) -> list[float]:
        return [round(float(v), 3) for v in np.quantile(values, [0.025, 0.975])]

    apart = {peer: drawn[OURS] - drawn[peer] for peer in peers}
    return {
        "family": cell.family, "shift": cell.shift, "size": cell.size, "unit": SHIFTS[cell.shift][0],
        "power": {tool: [round(power[tool], 3), *bounds(drawn[tool])] for tool in scores},
        "best peer": best,
        "ours less": {peer: [round(power[OURS] - power[peer], 3), *bounds(apart[peer])] for peer in peers},
    }  # fmt: skip


def table(found: Mapping[str, Any]) -> str:
    """Return the cells as lines of text."""
    lines = []
    for cell in found["cells"]:
        powers = "  ".join(f"{tool.replace('cauce, ', '')} {value[0]:.2f}" for tool, value in cell["power"].items())
        less = cell["ours less"][cell["best peer"]]
        where = f"{cell['family']} {cell['shift']} {cell['size']}"
        lines.append(f"{where:24} {powers}  | {less[0]:+.2f} [{less[1]:+.2f}, {less[2]:+.2f}] {cell['best peer']}")
    return "\n".join(lines)
