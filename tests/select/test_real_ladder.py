"""The rule on the ladders that users have: prior, linear model, boosting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cauce.core.artefacts import Choice, Column, Schema, TaskSpec
from cauce.core.registry import task as task_named
from cauce.select import choose, climb
from cauce.testing import TableProfile

SCHEMA = Schema((Column("a", "number"), Column("b", "number")))


def chosen_on(task: str, target: list[Any], a: Any, b: Any, cache: Path | None = None) -> Choice:
    table = pa.table({"a": a, "b": b, "y": target})
    spec = TaskSpec("m", task, "y", SCHEMA, {"classify": "log", "regress": "squared"}[task])
    rows: npt.NDArray[np.int64] = np.arange(table.num_rows)
    folds = tuple((rows[rows % 4 != i], rows[rows % 4 == i]) for i in range(4))
    named = task_named(task)
    return choose(
        climb(named, spec, named.candidates(spec, TableProfile(table)), table, folds, cache=cache), margin=0.01
    )


@pytest.fixture
def columns() -> npt.NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(2, 600))


def test_xor_needs_boosting(columns: npt.NDArray[np.float64]) -> None:
    a, b = columns
    choice = chosen_on("classify", np.where((a > 0) ^ (b > 0), "yes", "no").tolist(), a, b)
    assert choice.chosen == "boosting"
    below = [rung.why for rung in choice.rungs[: [rung.name for rung in choice.rungs].index("boosting")]]
    assert below
    assert set(below) == {"worse_than_best"}


def test_a_line_needs_the_linear_model(columns: npt.NDArray[np.float64], tmp_path: Path) -> None:
    a, b = columns
    target = (2 * a - b + np.random.default_rng(1).normal(size=600)).tolist()
    choice = chosen_on("regress", target, a, b, tmp_path)
    assert choice.chosen == "linear"
    again = chosen_on("regress", target, a, b, tmp_path)
    assert replace(again, seconds=choice.seconds) == choice


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_noise_needs_nothing(task: str, columns: npt.NDArray[np.float64]) -> None:
    a, b = columns
    rng = np.random.default_rng(2)
    target = rng.normal(size=600).tolist() if task == "regress" else rng.choice(["yes", "no"], 600).tolist()
    assert chosen_on(task, target, a, b).chosen == "prior"
