"""Targets that cannot be learned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.artefacts import Audit, Finding
from cauce.core.specs import ModelSpec

Auditor = Callable[..., Audit]
N = 300


def judged(audit: Auditor, target: object, task: str = "classify") -> Audit:
    table = pa.table({"x": np.random.default_rng(0).normal(size=N), "y": pa.array(target)})
    return audit(table, model=ModelSpec(task=task, data="rows", target="y"))


def found(audit: Audit, code: str) -> list[Finding]:
    return [finding for finding in audit.findings if finding.code == code]


def test_two_classes_pass(audit: Auditor) -> None:
    assert judged(audit, ["a", "b"] * 150).findings == ()


def test_missing_targets_warn_with_their_rows_and_block_from_half(audit: Auditor) -> None:
    (finding,) = found(judged(audit, [None, "a", None] + ["a", "b", "a"] * 99), "missing_target")
    assert (finding.severity, finding.n_rows, finding.rows) == ("warn", 2, (0, 2))
    (finding,) = found(judged(audit, [None] * 151 + ["a", "b"] * 74 + ["a"]), "missing_target")
    assert finding.severity == "block"
    result = judged(audit, pa.nulls(N, pa.string()))
    assert {"missing_target", "too_few_rows"} == {finding.code for finding in result.blocking}


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_a_target_with_one_value_blocks(audit: Auditor, task: str) -> None:
    values = ["yes"] * N if task == "classify" else [1.5] * N
    (finding,) = found(judged(audit, values, task), "one_class")
    assert finding.severity == "block"


def test_rare_classes_are_named_with_their_rows(audit: Auditor) -> None:
    target = ["a", "b"] * 145 + ["rare"] * 4 + ["c"] * 6
    (finding,) = found(judged(audit, target), "rare_class")
    assert (finding.severity, finding.n_rows, finding.value) == ("warn", 10, 4.0)
    assert finding.rows == tuple(range(290, 300))
    assert "'rare' (4)" in finding.message["en"]
    assert "«rare» (4)" in finding.message["es"]


def test_a_class_too_small_for_the_folds_blocks_when_only_one_is_left(audit: Auditor) -> None:
    assert found(judged(audit, ["a"] * 295 + ["b"] * 5), "rare_class")[0].severity == "block"
    assert found(judged(audit, ["a"] * 294 + ["b"] * 6), "rare_class")[0].severity == "warn"


def test_rare_whole_number_classes_are_found_too(audit: Auditor) -> None:
    (finding,) = found(judged(audit, [0, 1] * 148 + [2.0] * 4), "rare_class")
    assert finding.rows == (296, 297, 298, 299)


def test_a_regression_of_words_blocks(audit: Auditor) -> None:
    (finding,) = found(judged(audit, ["1,5", "2,5"] * 150, "regress"), "target_type")
    assert finding.severity == "block"


def test_classes_that_are_measurements_block(audit: Auditor) -> None:
    (finding,) = found(judged(audit, np.arange(N) / 7), "target_type")
    assert "regress" in finding.remedy["en"]
    assert "target_type" in judged(audit, np.arange(N) / 7, "regress").passed
