"""Two months of a made-up model whose loss changes for a known reason."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from cauce.core.artefacts import Column, Schema

CITIES, PLANS = ("Bilbao", "Cádiz", "Lugo", "Málaga", "Soria"), tuple(f"plan {i}" for i in range(8))
SCHEMA = Schema(
    (
        Column("city", "category"),
        Column("plan", "category"),
        Column("works", "boolean"),
        Column("age", "number"),
        Column("income", "number"),
        Column("visits", "integer"),
        *(Column(f"noise {i}", "number") for i in range(4)),
        Column("channel", "category"),
        Column("since", "datetime"),
    )
)
SCENARIOS = ("control", "mix", "relation", "number", "pair", "both", "everywhere", "offset")


class Month(NamedTuple):
    """Rows and the model's loss on each."""

    rows: pa.Table
    losses: np.ndarray


def month(scenario: str, *, later: bool, n_rows: int, rng: np.random.Generator) -> Month:
    """Draw a month. In the later one something has happened, as the scenario says.

    Losses are exponential, as log losses nearly are, around what the row's kind costs: Lugo is always twice as hard.
    """
    lugo = 0.24 if later and scenario in {"mix", "both", "offset"} else 0.12
    others = (1 - lugo) / 4
    city = rng.choice(5, n_rows, p=[others, others, lugo, others, others])
    plan, works = rng.integers(0, 8, n_rows), rng.random(n_rows) < 0.4
    age = rng.normal(40, 12, n_rows)
    income = 20 + 0.3 * age + rng.normal(0, 6, n_rows)  # goes with age
    channel = rng.choice(4, n_rows)
    cost = np.where(city == 2, 0.8, 0.4) * np.where(works, 1.2, 1.0)
    if later:
        if scenario in {"relation", "both"}:
            cost = cost * np.where(plan == 3, 2.0, 1.0)
        elif scenario == "number":
            cost = cost * np.where(age > 52, 1.8, 1.0)
        elif scenario == "pair":
            cost = cost * np.where((channel == 1) & works, 2.2, 1.0)
        elif scenario == "everywhere":
            cost = cost * 1.15
        elif scenario == "offset":
            cost = cost * 0.90
    columns = {
        "city": np.array(CITIES)[city],
        "plan": np.array(PLANS)[plan],
        "works": works,
        "age": pa.array(age, mask=rng.random(n_rows) < 0.05),
        "income": income,
        "visits": rng.poisson(3, n_rows),
        **{f"noise {i}": rng.normal(size=n_rows) for i in range(4)},
        "channel": np.array(list("abcd"))[channel],
        "since": pa.array(rng.integers(0, 10**9, n_rows) * 10**6, pa.timestamp("us", "UTC")),
    }
    return Month(pa.table(columns), cost * rng.exponential(size=n_rows))
