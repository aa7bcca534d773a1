"""Clean real data are not stopped at the gate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cauce.core.artefacts import Audit
from cauce.core.specs import ModelSpec

Auditor = Callable[..., Audit]
DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
SETS = [
    ("adult/adult", "income", "classify"),
    ("student_dropout/student_dropout", "Status", "classify"),
    ("bike_sharing/hour", "cnt", "regress"),
    ("bike_sharing/day", "cnt", "regress"),
    ("california_housing/california_housing", "median_house_value", "regress"),
    ("german_credit/german_credit", "class-label", "classify"),
    *((f"keel_dev/{name}", "target", "classify") for name in ("titanic", "iris", "wisconsin", "spambase", "segment")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target", "task"), SETS, ids=[name for name, _, _ in SETS])
def test_a_clean_real_set_is_not_blocked(audit: Auditor, name: str, target: str, task: str) -> None:
    path = DATA / f"{name}.parquet"
    if not path.exists():
        pytest.skip("the shared data sets are not here")
    result = audit(pq.read_table(path), model=ModelSpec(task=task, data="rows", target=target))
    assert [(f.code, f.columns, f.value) for f in result.blocking] == []


def test_the_registered_part_of_all_riders_is_warned_of(audit: Auditor) -> None:
    path = DATA / "bike_sharing" / "hour.parquet"
    if not path.exists():
        pytest.skip("the shared data sets are not here")
    result = audit(pq.read_table(path), model=ModelSpec(task="regress", data="rows", target="cnt"))
    assert [f.columns for f in result.findings if f.code == "target_leakage"] == [("registered",)]
