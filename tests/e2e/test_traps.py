"""What gives the answer away does not flatter the score that a user reads: it is blocked, or it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from e2e.school import Cauce, students

pytestmark = pytest.mark.slow
N = 1_200
Trap = Callable[[pa.Table, np.random.Generator], pa.Table]


def told(table: pa.Table) -> Any:
    return np.array(table["passed"].to_pylist()) == "yes"


def after_the_fact(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """A certificate's number, given to those who passed."""
    number = np.where(told(table), rng.integers(1, 10**6, table.num_rows).astype(float), np.nan)
    return table.append_column("certificate", pa.array(number, from_pandas=True))


def from_the_target(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """A column computed from the target, with some noise."""
    return table.append_column("points", pa.array(told(table) * 10.0 + rng.normal(size=table.num_rows)))


def copies(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Every third row copied under a key of its own."""
    table = idle(table, rng)
    again = table.take(np.sort(rng.permutation(table.num_rows)[: table.num_rows // 3]))
    keys = pa.array(np.arange(table.num_rows, table.num_rows + again.num_rows))
    return pa.concat_tables([table, again.set_column(0, "id", keys)])


def idle(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """A column of noise, which is no trap: a forest fares better with one column more to choose from."""
    return table.append_column("noise", pa.array(rng.normal(size=table.num_rows)))


def code_of_its_own(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """A code of some four rows each, drawn by lot: its target mean would tell what the rows themselves say."""
    code = rng.integers(0, table.num_rows // 4, table.num_rows)
    return table.append_column("code", pa.array([f"c{i:04}" for i in code]))


def in_order_of_the_target(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """A counter, given after the rows were sorted by the target."""
    place = np.empty(table.num_rows)
    place[np.lexsort([rng.random(table.num_rows), told(table)])] = np.arange(table.num_rows)
    return table.append_column("row", pa.array(place))


def trained(trap: Trap, project: Path, cauce: Cauce) -> Any:
    """Train on the school with a trap in it; return what was printed, None where the audit stopped it."""
    path = project / "cauce.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('["additive", "forest", "mlp"]', '["tuned", "mlp"]'))
    pa.csv.write_csv(trap(students(N), np.random.default_rng(1)), project / "students.csv")
    found = cauce("train", "passed", "--json", timeout=300)
    assert found.returncode in {0, 3}, found.stdout + found.stderr
    return json.loads(found.stdout) if found.returncode == 0 else None


@pytest.mark.parametrize("trap", [after_the_fact, from_the_target, in_order_of_the_target])
def test_a_model_that_would_know_the_answer_is_not_trained(trap: Trap, project: Path, cauce: Cauce) -> None:
    assert trained(trap, project, cauce) is None


def test_codes_and_copies_flatter_no_rung(project: Path, cauce: Cauce) -> None:
    honest = trained(idle, project, cauce)
    losses = {rung["name"]: rung["mean_loss"] for rung in honest["choice"]["rungs"] if rung["mean_loss"] is not None}
    assert set(losses) == {"prior", "linear", "additive", "forest", "boosting"}
    for trap in (code_of_its_own, copies):
        found = trained(trap, project, cauce)
        for rung in found["choice"]["rungs"]:
            if rung["name"] in losses:
                assert rung["mean_loss"] > losses[rung["name"]] - 0.02, (trap.__name__, rung["name"])
        assert found["held_out_loss"] > honest["held_out_loss"] - 0.04, trap.__name__
