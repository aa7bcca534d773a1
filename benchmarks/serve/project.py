"""Cauce's project, trained by its own command, and what the peers get of it: booster, coefficients, rows.

Thirty numbers, two classes, made with a seed; one project per model, so that a service holds one model as the peers do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

ROOT = Path(__file__).resolve().parents[2]
SEED, N_ROWS, N_BODIES = 6, 20_000, 256
COLUMNS = [f"x{i:02d}" for i in range(30)]
KINDS = ("boosting", "linear")
SIZES = (1, 64)
CAUCE = (sys.executable, "-m", "cauce")
Rows = npt.NDArray[np.float64]

TOML = """\
[project]
name = "serve-{kind}"

[data.rows]
source = "rows.csv"
key = "id"

[models.model]
task = "classify"
data = "rows"
target = "y"
must_use = "{kind}"
trials = 0

[serve]
workers = 1
"""


@dataclass(frozen=True, eq=False)
class Trained:
    """A project with one release."""

    kind: str
    folder: Path
    rows: Rows
    """Rows that are asked, shape (n, 30), rounded as they stand in JSON."""
    expected: npt.NDArray[np.float64]
    """Probability of the second class by Cauce's own package, without a service, shape (n,)."""


def environment() -> dict[str, str]:
    """Return the environment of Cauce's commands."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **one, "PYTHONPATH": str(ROOT / "src"), "CI": "1"}


def draw(n_rows: int, rng: np.random.Generator) -> Rows:
    """Return rows as they are asked: six digits behind the point."""
    return np.round(rng.normal(size=(n_rows, len(COLUMNS))), 6)


def labels(rows: Rows, rng: np.random.Generator, *, turned: bool = False) -> list[str]:
    """Return labels: partly a line, partly not; `turned` has other columns count: another release."""
    x = rows[:, ::-1] if turned else rows
    score = (
        x[:, 0]
        + 0.8 * x[:, 1]
        - 0.6 * x[:, 2]
        + x[:, 3] * x[:, 4]
        + 0.7 * np.abs(x[:, 5])
        + 0.3 * x[:, 6:12].sum(axis=1)
    )
    noisy = score + rng.logistic(size=len(rows))
    return ["yes" if value else "no" for value in noisy > np.median(score)]


def write_rows(folder: Path, *, seed: int = SEED, turned: bool = False, n_rows: int = N_ROWS) -> None:
    """Write the training rows beside cauce.toml."""
    rng = np.random.default_rng(seed)
    rows = draw(n_rows, rng)
    columns: dict[str, Any] = {"id": np.arange(n_rows)} | dict(zip(COLUMNS, rows.T, strict=True))
    pa.csv.write_csv(pa.table(columns | {"y": labels(rows, rng, turned=turned)}), folder / "rows.csv")


def make(folder: Path, kind: str, *, n_rows: int = N_ROWS) -> Trained:
    """Return the project, trained where it is not yet."""
    done = folder / "trained"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_rows(folder, n_rows=n_rows)
        (folder / "cauce.toml").write_text(TOML.format(kind=kind), encoding="utf-8")
        command("train", "--quiet", folder=folder)
        done.touch()
    rows = draw(N_BODIES * max(SIZES), np.random.default_rng(SEED + 1))
    return Trained(kind, folder, rows, answers(folder, rows, version=1))


def command(*words: str, folder: Path, allowed: Sequence[int] = (0,), env: Mapping[str, str] = {}) -> str:
    """Run one of Cauce's commands in a project and return what it printed."""
    done = subprocess.run(
        [*CAUCE, *words], cwd=folder, env={**environment(), **env}, capture_output=True, text=True, check=False
    )
    if done.returncode not in allowed:
        raise RuntimeError(
            f"cauce {' '.join(words)} ended with {done.returncode}: {(done.stdout + done.stderr)[-1200:]}"
        )
    return done.stdout


def answers(folder: Path, rows: Rows, *, version: int) -> npt.NDArray[np.float64]:
    """Return the probability of `yes` that a version gives, by its package and without a service."""
    from cauce import project
    from cauce.loop.context import Loop

    loop = Loop(project.load(folder / "cauce.toml"))
    _, package = loop.tracker.open("model", version)
    table = pa.table(dict(zip(COLUMNS, rows.T, strict=True)))
    found: npt.NDArray[np.float64] = package.fitted.predict(table)["prob_yes"].to_numpy()
    return found


def take(trained: Trained, folder: Path) -> None:
    """Write what the peers answer with: `boosting.txt` or `linear.json`, read from the package's own files."""
    folder.mkdir(parents=True, exist_ok=True)
    package = next((trained.folder / ".cauce" / "models").glob("model/*/artifacts/model/package"))
    if trained.kind == "boosting":
        shutil.copy(next(package.rglob("booster.txt")), folder / "boosting.txt")
        return
    table = pa.ipc.open_file(next(package.rglob("arrays.arrow"))).read_all().to_pydict()
    values = dict(zip(table["name"], table["values"], strict=True))
    given = {name: values[name] for name in ("mean", "scale", "coefficients")} | {"intercept": values["intercept"][0]}
    (folder / "linear.json").write_text(json.dumps(given), encoding="utf-8")


def write_bodies(path: Path, rows: Rows, size: int, form: Any, n_bodies: int = N_BODIES) -> None:
    """Write request bodies of `size` rows, one a line."""
    if not path.exists():
        parts = [rows[i * size : (i + 1) * size] for i in range(n_bodies)]
        draft = path.with_suffix(".part")
        draft.write_text(
            "\n".join(json.dumps(form(part), separators=(",", ":")) for part in parts) + "\n", encoding="utf-8"
        )
        draft.replace(path)


def named(rows: Rows) -> dict[str, Any]:
    """Return a body with rows as objects."""
    return {"rows": [dict(zip(COLUMNS, row, strict=True)) for row in rows.tolist()]}
