"""The final fit: on kept rows only where the chosen rung itself is proven not worse from them."""

from __future__ import annotations

import numpy as np
import pytest

from cauce.core.artefacts import Losses
from cauce.core.reduction import Reduction
from cauce.reduce.final import decide

RECORD = Reduction(0.01, 0.95, None, "not_worse", 10_000, 1_000, 5_000, {"en": "Before.", "es": "Antes."})


def losses(values: np.ndarray) -> Losses:
    return Losses(values, np.arange(len(values)).astype(np.str_))


@pytest.mark.parametrize(("cost", "on", "n_rows"), [(-0.01, "kept", 1_250), (0.05, "all", 12_500)])
def test_kept_rows_ship_where_they_are_proven_not_worse(cost: float, on: str, n_rows: int) -> None:
    rng = np.random.default_rng(0)
    every = rng.exponential(size=5_000)
    kept = every * (1 + cost) + 0.02 * rng.normal(size=5_000)
    told = decide(RECORD, losses(kept), losses(every), n_kept=1_250, n_rows=12_500)
    assert told.final is not None
    assert (told.final.on, told.final.n_rows) == (on, n_rows)
    assert told.reason["en"].startswith("Before. ")
    assert f"{n_rows:,}" in told.reason["en"]
    assert told.reason["es"].startswith("Antes. ")


def test_what_cannot_be_told_ships_all_rows() -> None:
    rng = np.random.default_rng(0)
    every = rng.exponential(size=50)
    told = decide(RECORD, losses(every + rng.normal(size=50)), losses(every), n_kept=10, n_rows=100)
    assert told.final is not None
    assert told.final.on == "all"
