"""A column that gives the target away alone is caught in whatever disguise; strong honest columns are not blocked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cauce.core.artefacts import Audit, Finding
from cauce.core.specs import AuditSpec, CheckSpec, DataSpec, ModelSpec

Auditor = Callable[..., Audit]
RNG = np.random.default_rng(7)
N = 2_000
HONEST = RNG.normal(size=N)
CLASSES = np.where(HONEST + RNG.normal(size=N) > 1.0, "yes", "no")
AMOUNT = np.exp(HONEST + RNG.normal(size=N))
RARE = np.where(RNG.random(N) < 0.02, "fraud", "fine")
THREE = RNG.choice(["a", "b", "c"], N)


def leaks(audit: Auditor, target: object, column: object, task: str) -> list[Finding]:
    table = pa.table({"honest": HONEST, "leak": pa.array(column), "y": pa.array(target)})
    result = audit(table, model=ModelSpec(task=task, data="rows", target="y"))
    return [finding for finding in result.findings if finding.code == "target_leakage"]


def is_one(target: npt.NDArray[np.str_], value: str) -> npt.NDArray[np.float64]:
    flags: npt.NDArray[np.float64] = (target == value).astype(float)
    return flags


@pytest.mark.parametrize(
    ("target", "column"),
    [
        (CLASSES, CLASSES),
        (CLASSES, is_one(CLASSES, "yes")),
        (CLASSES, CLASSES == "yes"),
        (CLASSES, 3 - 7 * is_one(CLASSES, "yes") + RNG.normal(0, 0.1, N)),
        (CLASSES, np.where(CLASSES == "yes", "Ja", "Nein")),
        (CLASSES, pa.array(RNG.normal(size=N), mask=CLASSES == "yes")),
        (CLASSES, pa.array(["seen"] * N, mask=CLASSES == "yes")),
        (CLASSES, [f"{c[0]}-{i:06}" for i, c in enumerate(CLASSES)]),
        (CLASSES, [f"2024/{i:06}{c[0]}" for i, c in enumerate(CLASSES)]),
        (CLASSES, np.argsort(np.argsort(CLASSES, kind="stable"))),
        (CLASSES, [f"{c} {i % 20}" for i, c in enumerate(CLASSES)]),
        (RARE, is_one(RARE, "fraud")),
        (RARE, is_one(RARE, "fraud") + RNG.uniform(0, 0.9, N)),
        (THREE, np.array([{"a": 2, "b": 0, "c": 1}[c] for c in THREE])),
        (THREE, THREE),
    ],
    ids=[
        "copy",
        "number",
        "flag",
        "affine and noise",
        "translated",
        "gaps",
        "text gaps",
        "beginning of an id",
        "end of an id",
        "order of the file",
        "finer categories",
        "rare class",
        "rare class with noise",
        "coded classes",
        "three classes",
    ],
)
def test_a_column_that_tells_the_class_blocks(audit: Auditor, target: object, column: object) -> None:
    (finding,) = leaks(audit, target, column, "classify")
    assert (finding.columns, finding.severity) == (("leak",), "block")
    assert finding.value is not None
    assert finding.value >= 0.98


@pytest.mark.parametrize(
    "column",
    [
        AMOUNT,
        -3.0 * AMOUNT + 100,
        np.log(AMOUNT),
        AMOUNT.astype(np.float32),
        pa.array(AMOUNT, mask=np.arange(N) % 50 == 0),
        (AMOUNT * 100).round(),
    ],
    ids=["copy", "affine", "logarithm", "single precision", "with gaps", "in cents"],
)
def test_a_column_that_tells_the_amount_blocks(audit: Auditor, column: object) -> None:
    (finding,) = leaks(audit, AMOUNT, column, "regress")
    assert (finding.columns, finding.severity) == (("leak",), "block")


def test_a_class_known_with_few_errors_warns(audit: Auditor) -> None:
    flags = CLASSES == "yes"
    wrong = RNG.permutation(N)[: N // 150]
    flags[wrong] = ~flags[wrong]
    (finding,) = leaks(audit, CLASSES, flags, "classify")
    assert finding.severity == "warn"


def test_an_amount_known_nearly_warns(audit: Auditor) -> None:
    target = HONEST * 10
    (finding,) = leaks(audit, target, target + RNG.normal(0, 2.2, N), "regress")[-1:]
    assert "leak" in finding.columns


def test_the_remedy_in_spanish_agrees_with_its_column(audit: Auditor) -> None:
    (finding,) = leaks(audit, CLASSES, CLASSES, "classify")
    assert "si se puede conocer la columna «leak» al predecir. Si no, ponla en" in finding.remedy["es"]


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_honest_columns_pass(audit: Auditor, task: str) -> None:
    noise = [f"user {i}" for i in range(N)]
    assert leaks(audit, CLASSES if task == "classify" else AMOUNT, noise, task) == []


def test_key_time_group_and_ignored_columns_are_not_judged(audit: Auditor) -> None:
    table = pa.table(
        {"honest": HONEST, "id": [f"{c}{i}" for i, c in enumerate(CLASSES)], "leak": CLASSES, "y": CLASSES}
    )
    model = ModelSpec(task="classify", data="rows", target="y", ignore=("leak",))
    result = audit(table, model=model, data=DataSpec(source="x", key="id"))
    assert "target_leakage" in result.passed


def test_a_column_that_knows_its_group_leaks_nothing_where_groups_are_named(audit: Auditor) -> None:
    school = np.repeat(np.arange(N // 10), 10)
    result = np.repeat(RNG.normal(size=N // 10), 10) + RNG.normal(0, 0.01, N)
    town = [f"town {s}" for s in school]
    table = pa.table({"school": school, "town": town, "honest": HONEST, "y": result})
    model = ModelSpec(task="regress", data="rows", target="y")
    assert "target_leakage" in audit(table, model=model, data=DataSpec(source="x", group="school")).passed
    assert [f.code for f in audit(table, model=model).blocking] == ["target_leakage"]


@pytest.mark.parametrize("n_groups", [1, 2, 3])
@pytest.mark.parametrize("task", ["classify", "regress"])
def test_few_groups_are_no_crash(audit: Auditor, task: str, n_groups: int) -> None:
    table = pa.table({"g": np.arange(N) % n_groups, "x": HONEST, "y": CLASSES if task == "classify" else AMOUNT})
    model = ModelSpec(task=task, data="rows", target="y")
    assert "target_leakage" in audit(table, model=model, data=DataSpec(source="x", group="g")).passed


def test_the_threshold_moves_both_severities(audit: Auditor) -> None:
    table = pa.table({"x": HONEST, "y": np.where(HONEST + RNG.normal(0, 0.3, N) > 0, "a", "b")})
    model = ModelSpec(task="classify", data="rows", target="y")
    spec = AuditSpec(checks={"target_leakage": CheckSpec(threshold=0.3)})
    assert "target_leakage" in audit(table, model=model).passed
    (finding,) = [f for f in audit(table, model=model, spec=spec).findings if f.code == "target_leakage"]
    assert (finding.severity, finding.threshold) == ("warn", 0.3)


def test_the_same_data_give_the_same_figure(audit: Auditor) -> None:
    values = [leaks(audit, CLASSES, CLASSES == "yes", "classify")[0].value for _ in range(2)]
    assert values[0] == values[1]


def test_fewer_than_fifty_rows_are_not_judged(audit: Auditor) -> None:
    table = pa.table({"x": CLASSES[:40], "y": CLASSES[:40]})
    result = audit(table, model=ModelSpec(task="classify", data="rows", target="y"))
    assert "target_leakage" in result.not_applicable
