"""A tiny seeded table with mixed columns: for the conformance suite, the docs and `cauce init --task`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import Column, Schema, TaskSpec
from cauce.core.protocols import Example

if TYPE_CHECKING:
    import pyarrow as pa

N_ROWS = 240
CITIES = ("Bilbao", "Cádiz", "Lugo", "Málaga", "Soria")
SCHEMA = Schema(
    (
        Column("age", "integer"),
        Column("score", "number"),
        Column("city", "category", categories=CITIES),
        Column("teacher", "category"),
        Column("works", "boolean"),
        Column("enrolled", "datetime"),
    )
)


def classify() -> Example:
    """Give students who pass, fail or drop out."""
    table, merit = _students(np.random.default_rng(0))
    outcome = np.where(merit > 0.5, "pass", np.where(merit > -0.9, "fail", "drop out"))
    return Example(_with(table, "outcome", outcome.tolist()), _spec("classify", "outcome", "log"))


def regress() -> Example:
    """Give students' hours until they finish."""
    table, merit = _students(np.random.default_rng(1))
    hours = np.round(40 - 8 * merit, 2)
    return Example(_with(table, "hours", hours.tolist()), _spec("regress", "hours", "squared"))


def _spec(task: str, target: str, loss: str) -> TaskSpec:
    return TaskSpec("students", task, target, SCHEMA, loss, key="student", group="school")


def _students(rng: np.random.Generator) -> tuple[pa.Table, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    import pyarrow as pa

    age, score = rng.integers(18, 70, N_ROWS), rng.normal(6, 2, N_ROWS).round(1)
    city, teacher = rng.integers(0, len(CITIES), N_ROWS), rng.integers(0, 12, N_ROWS)
    works, day = rng.random(N_ROWS) < 0.4, rng.integers(0, 700, N_ROWS)
    merit = 0.5 * (score - 6) - 0.4 * works + 0.2 * (city - 2) + 0.1 * (teacher - 6) + rng.normal(0, 0.3, N_ROWS)
    start = int(datetime(2023, 1, 1, tzinfo=UTC).timestamp())
    missing = rng.random((6, N_ROWS)) < 0.06
    columns = {
        "student": pa.array([f"s{i:03d}" for i in range(N_ROWS)]),
        "school": pa.array([f"school {i % 16}" for i in range(N_ROWS)]),
        "age": pa.array(age, mask=missing[0]),
        "score": pa.array(score, mask=missing[1]),
        "city": pa.array([CITIES[i] for i in city], mask=missing[2]),
        "teacher": pa.array([f"teacher {i}" for i in teacher], mask=missing[3]),
        "works": pa.array(works, mask=missing[4]),
        "enrolled": pa.array((start + day * 86_400) * 1_000_000, pa.timestamp("us", tz="UTC"), mask=missing[5]),
    }
    return pa.table(columns), merit


def _with(table: pa.Table, name: str, values: list[str] | list[float]) -> pa.Table:
    import pyarrow as pa

    return table.append_column(name, pa.array(values))
