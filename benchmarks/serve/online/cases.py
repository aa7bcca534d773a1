"""The models that are measured: 30 numbers, 4 categories, two classes, and as many trees as are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from cauce.core.artefacts import Candidate, Column, Schema, TaskSpec
from cauce.core.plain import to_rows
from cauce.tasks.tabular import Classify
from cauce.tasks.tabular.boosting import Boosting
from cauce.tasks.tabular.fitted import Classifier

SEED = 20_264
N_ROWS, N_NUMBERS = 8_000, 30
LEVELS = (3, 8, 20, 50)


def make_rows() -> tuple[pa.Table, TaskSpec]:
    """Return 8,000 rows by a seed, and the task."""
    rng = np.random.default_rng(SEED)
    numbers, codes = rng.normal(size=(N_ROWS, N_NUMBERS)), [rng.integers(0, k, N_ROWS) for k in LEVELS]
    effect = rng.normal(size=max(LEVELS))
    score = numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + effect[codes[3]] + rng.logistic(size=N_ROWS)
    table: dict[str, Any] = {f"number_{j}": numbers[:, j] for j in range(N_NUMBERS)}
    table |= {f"category_{j}": np.char.add("c", code.astype(str)) for j, code in enumerate(codes)}
    columns = tuple(Column(name, "number" if name.startswith("number") else "category") for name in table)
    table["y"] = np.where(score > 0, "yes", "no")
    return pa.table(table), TaskSpec("bench", "classify", "y", Schema(columns), "log")


def fit(rung: str) -> tuple[Classifier, list[list[Any]]]:
    """Return a rung and 64 rows; trees as ``boosting-100``, all of them with 31 leaves."""
    table, spec = make_rows()
    name, _, rounds = rung.partition("-")
    params: dict[str, Any] = {"rounds": 5} if rounds else {}
    fitted = Classify().fit(Candidate(name, {"en": name, "es": name}), params, table, spec=spec)
    assert isinstance(fitted, Classifier)
    if rounds:
        fitted = replace(fitted, model=_grown(fitted, table, int(rounds)))
    return fitted, to_rows(table.slice(0, 64), spec.schema)


def _grown(fitted: Classifier, table: pa.Table, rounds: int) -> Boosting:
    import lightgbm

    model = fitted.model
    assert isinstance(model, Boosting)
    label = np.array([value == "yes" for value in table["y"].to_pylist()], np.float64)
    native = list(range(N_NUMBERS, N_NUMBERS + len(LEVELS)))
    data = lightgbm.Dataset(model.matrix(fitted.encoder.transform(table)), label, categorical_feature=native)
    settings = {
        "objective": "binary",
        "num_leaves": 31,
        "learning_rate": 0.05,
        "verbose": -1,
        "seed": SEED,
        "num_threads": 1,
    }
    return replace(model, text=lightgbm.train(settings, data, rounds).model_to_string())
