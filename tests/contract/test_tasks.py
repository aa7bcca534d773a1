"""Every task of the registry, and every mitigation around one, passes every check of the public conformance suite."""

from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest

from cauce.core import registry
from cauce.core.protocols import Example, Task
from cauce.core.specs import FairnessSpec, Mitigation, ModelSpec
from cauce.fairness import Mitigated, make_plan
from cauce.profile import summarise
from cauce.tasks.tabular import Classify
from cauce.testing import TASK_CHECKS


@pytest.mark.parametrize("check", TASK_CHECKS)
@pytest.mark.parametrize("name", registry.TASKS)
def test_task_conforms(name: str, check: str, tmp_path: Path) -> None:
    TASK_CHECKS[check](registry.task(name), tmp_path)


class TwoClasses(Classify):
    """The example with two of its classes: the exponentiated gradient knows no more."""

    def example(self) -> Example:
        """Call every class but one by one name."""
        table, spec = super().example()
        labels = ["pass" if label == "pass" else "other" for label in table[spec.target].to_pylist()]
        place = table.column_names.index(spec.target)
        return Example(table.set_column(place, spec.target, pa.array(labels)), spec)


@pytest.mark.parametrize("check", TASK_CHECKS)
@pytest.mark.parametrize("method", ["reweigh", "thresholds", pytest.param("reductions", marks=pytest.mark.slow)])
def test_a_mitigated_task_conforms(
    method: Mitigation, check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if method == "reductions":
        pytest.importorskip("fairlearn")
        monkeypatch.setattr("cauce.fairness.reductions.ROUNDS", 2)
    plain = cast("Task", TwoClasses()) if method == "reductions" else registry.task("classify")
    table, spec = plain.example()
    asked = ModelSpec(
        task="classify",
        data="d",
        target=spec.target,
        sensitive=("works",),
        ignore=("works",),
        fairness=FairnessSpec(mitigate=method, favoured="pass", at_prediction=True),
    )
    plan = make_plan("m", asked, summarise(table.to_batches()))
    assert plan is not None
    TASK_CHECKS[check](Mitigated(plain, plan), tmp_path)
