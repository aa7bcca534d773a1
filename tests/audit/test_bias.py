"""Gaps in outcomes and in what a model says: proven ones warn or block, small groups are named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from cauce.audit import AuditContext, NotApplicable, OutOfFold
from cauce.audit.bias import calibration_gap, error_gap, held_out_gap, model_gap, outcome_gap
from cauce.core.artefacts import Finding
from cauce.core.specs import DataSpec, FairnessSpec, ModelSpec

Maker = Callable[..., AuditContext]
N = 2000


def people(share: tuple[float, float] = (0.5, 0.3), *, seed: int = 0, small: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, N)
    group[:small] = 2
    given = rng.random(N) < np.array([*share, 0.9])[group]
    return pa.table(
        {"sex": np.array(["f", "m", "x"])[group], "age": rng.integers(10, 90, N), "x": rng.normal(size=N),
         "hired": np.where(given, "yes", "no")}
    )  # fmt: skip


def model(**fairness: object) -> ModelSpec:
    keys = FairnessSpec(favoured="yes", **fairness)
    return ModelSpec(task="classify", data="rows", target="hired", sensitive=("sex",), ignore=("sex",), fairness=keys)


def said_by(table: pa.Table, said: np.ndarray) -> OutOfFold:
    truth = np.array([value == "yes" for value in table["hired"].to_pylist()], np.float64)
    chance = np.where(said, 0.8, 0.2)
    return OutOfFold(
        np.arange(N), truth, said.astype(np.float64), np.column_stack([1 - chance, chance]), ("no", "yes"), "made up"
    )


def judged(make: Maker, table: pa.Table, said: np.ndarray, **fairness: object) -> AuditContext:
    context = make(table, model=model(**fairness))
    return replace(context, out_of_fold=lambda: said_by(table, said), mitigated=lambda: said_by(table, said))


def one(outcome: object) -> Finding:
    assert not isinstance(outcome, NotApplicable)
    assert isinstance(outcome, Sequence)
    found = list(outcome)
    assert len(found) == 1
    assert isinstance(found[0], Finding)
    return found[0]


def test_a_proven_gap_in_outcomes_warns_with_every_groups_figure(make_context: Maker) -> None:
    finding = one(outcome_gap(make_context(people((0.7, 0.3)), model=model()), 0.1))
    assert (finding.severity, finding.columns) == ("warn", ("sex",))
    assert finding.value == pytest.approx(0.4, abs=0.05)
    assert {group.group for group in finding.groups} == {"sex = f", "sex = m"}
    assert all(group.lower < group.value < group.upper for group in finding.groups)


def test_equal_outcomes_are_told_and_do_not_warn(make_context: Maker) -> None:
    assert one(outcome_gap(make_context(people((0.4, 0.4)), model=model()), 0.1)).severity == "info"


def test_a_group_too_small_is_named_and_not_passed_over(make_context: Maker) -> None:
    finding = one(outcome_gap(make_context(people((0.4, 0.4), small=40), model=model()), 0.1))
    assert "Cannot be told for sex = x (40)" in finding.message["en"]
    assert "No se puede saber para sex = x (40)" in finding.message["es"]


@pytest.mark.parametrize(
    ("limit", "severity"), [(0.1, "block"), (0.38, "warn"), (0.6, "info"), (None, "warn")], ids=str
)
def test_a_models_gap_blocks_only_where_it_is_proven_larger(
    make_context: Maker, limit: float | None, severity: str
) -> None:
    table = people()
    rng = np.random.default_rng(1)
    said = rng.random(N) < np.where(np.array(table["sex"].to_pylist()) == "f", 0.7, 0.3)
    finding = one(model_gap(judged(make_context, table, said, max_gap=limit), 0.1))
    assert finding.severity == severity
    if severity == "block":
        assert "cauce fairness m" in finding.remedy["en"]
        assert "max_gap = 0.1" in finding.message["es"]


def test_a_mitigated_model_is_the_one_that_is_judged(make_context: Maker) -> None:
    table = people()
    unequal = np.array(table["sex"].to_pylist()) == "f"
    equal = np.arange(N) % 2 == 0
    context = judged(make_context, table, unequal, max_gap=0.1, mitigate="reweigh")
    assert one(model_gap(context, 0.1)).severity == "block"
    mended = replace(
        judged(make_context, table, unequal, max_gap=0.1, mitigate="reweigh"), mitigated=lambda: said_by(table, equal)
    )
    assert one(model_gap(mended, 0.1)).severity == "info"


def test_rows_set_aside_are_judged_by_the_same_check(make_context: Maker) -> None:
    table = people()
    context = make_context(table, model=model(max_gap=0.05))
    unequal = np.array(table["sex"].to_pylist()) == "f"
    assert one(held_out_gap(context, said_by(table, unequal))).severity == "block"
    assert "set aside" in one(held_out_gap(context, said_by(table, unequal))).message["en"]


@pytest.mark.parametrize(("threshold", "severity"), [(None, "warn"), (0.0, "warn"), (0.9, "info")])
def test_rows_set_aside_are_judged_by_the_threshold_of_the_file(
    make_context: Maker, threshold: float | None, severity: str
) -> None:
    table = people()
    rng = np.random.default_rng(3)
    said = rng.random(N) < np.where(np.array(table["sex"].to_pylist()) == "f", 0.9, 0.3)
    finding = one(held_out_gap(make_context(table, model=model()), said_by(table, said), threshold))
    assert finding.severity == severity


def test_errors_on_one_side_are_seen(make_context: Maker) -> None:
    table = people()
    truth = np.array([value == "yes" for value in table["hired"].to_pylist()])
    said = np.where(np.array(table["sex"].to_pylist()) == "f", truth, False)
    outcome = error_gap(judged(make_context, table, said), 0.1)
    assert not isinstance(outcome, NotApplicable)
    warned = [finding for finding in outcome if finding.severity == "warn"]
    assert len(warned) == 2  # errors and misses; there are no false alarms
    assert "missed" in warned[1].message["en"]


def test_a_probability_that_means_less_for_one_group_is_seen(make_context: Maker) -> None:
    table = people((0.8, 0.2))
    finding = one(calibration_gap(judged(make_context, table, np.ones(N, bool)), 0.05))
    assert finding.severity == "warn"
    assert finding.value == pytest.approx(0.6, abs=0.06)


def test_a_crossing_is_told_where_its_columns_show_nothing(make_context: Maker) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, N), rng.integers(0, 2, N)
    given = rng.random(N) < np.where(a == b, 0.7, 0.3)
    table = pa.table({"a": a, "b": b, "hired": np.where(given, "yes", "no")})
    both = model().model_copy(update={"sensitive": ("a", "b")})
    outcome = outcome_gap(make_context(table, model=both), 0.1)
    assert not isinstance(outcome, NotApplicable)
    assert [(finding.columns, finding.severity) for finding in outcome] == [
        (("a", "b"), "warn"), (("a", "b"), "info"),
    ]  # fmt: skip


def test_gaps_of_numbers_are_held_against_standard_deviations(make_context: Maker) -> None:
    rng = np.random.default_rng(0)
    sex = rng.integers(0, 2, N)
    table = pa.table({"sex": sex, "pay": 1000.0 + 300.0 * sex + rng.normal(0, 300.0, N)})
    spec = ModelSpec(task="regress", data="rows", target="pay", sensitive=("sex",))
    finding = one(outcome_gap(make_context(table, model=spec), 0.1))
    assert finding.severity == "warn"
    assert finding.value == pytest.approx(300 / np.sqrt(300**2 + 150**2), abs=0.1)


@pytest.mark.parametrize("check", [outcome_gap, model_gap, error_gap, calibration_gap])
def test_without_sensitive_columns_nothing_applies(make_context: Maker, check: Callable[..., object]) -> None:
    spec = ModelSpec(task="classify", data="rows", target="hired")
    assert isinstance(check(make_context(people(), model=spec), 0.1), NotApplicable)
    assert isinstance(check(make_context(people(), data=DataSpec(source="x")), 0.1), NotApplicable)


def several(n_columns: int) -> tuple[pa.Table, ModelSpec]:
    """Make rows of columns that have nothing to do with the outcome."""
    rng = np.random.default_rng(5)
    groups = {f"s{i}": rng.integers(0, 2, N) for i in range(n_columns)}
    table = pa.table({**groups, "sex": groups["s0"], "hired": np.where(rng.random(N) < 0.4, "yes", "no")})
    return table, model().model_copy(update={"sensitive": tuple(groups)})


@pytest.mark.parametrize("check", [outcome_gap, model_gap, error_gap, calibration_gap])
def test_all_that_is_not_proven_is_one_finding_with_the_groups_of_the_largest_gap(
    make_context: Maker, check: Callable[..., object]
) -> None:
    table, spec = several(3)
    said = np.random.default_rng(6).random(N) < 0.4
    context = replace(make_context(table, model=spec), out_of_fold=lambda: said_by(table, said))
    finding = one(check(context, 0.2))
    assert (finding.severity, finding.columns) == ("info", ("s0", "s1", "s2"))
    assert "By 's0', 's1' and 's2', no gap is proven larger than 20 points" in finding.message["en"]
    assert "Según «s0», «s1» y «s2», no se ha probado ninguna diferencia mayor que 20 puntos" in finding.message["es"]
    assert len({group.group.split(" = ")[0] for group in finding.groups}) == 1
    assert finding.value is not None
    assert f"differs by {100 * finding.value:.1f} points" in finding.message["en"]


def test_a_proven_gap_stands_by_itself_beside_what_is_not_proven(make_context: Maker) -> None:
    table, spec = several(3)
    unequal = np.where(np.array(table["s1"].to_pylist()) == 1, "yes", table["hired"].to_pylist())
    table = table.set_column(table.schema.get_field_index("hired"), "hired", pa.array(unequal))
    outcome = outcome_gap(make_context(table, model=spec), 0.1)
    assert isinstance(outcome, Sequence)
    alone = [(finding.columns, finding.severity) for finding in outcome if isinstance(finding, Finding)]
    assert alone[0] == (("s1",), "warn")
    assert alone[-1] == (("s0", "s2"), "info")
    assert sum(severity == "info" for _, severity in alone) == 1


def test_columns_with_too_few_rows_are_told_together_and_gather_more(make_context: Maker) -> None:
    table, spec = several(2)
    finding = one(outcome_gap(make_context(table.slice(0, 20), model=spec), 0.1))
    assert "nothing can be told" in finding.message["en"]
    assert "no se puede saber nada" in finding.message["es"]
    assert "Gather more rows" in finding.remedy["en"]


def test_a_remedy_names_the_model(make_context: Maker) -> None:
    finding = one(outcome_gap(make_context(people((0.7, 0.3)), model=model()), 0.1))
    assert "[models.m.fairness]" in finding.remedy["en"]
    assert "[models.m.fairness]" in finding.remedy["es"]


def test_nothing_has_to_be_done_only_where_the_gap_could_be_none(make_context: Maker) -> None:
    remedies = [
        one(outcome_gap(make_context(people(shares), model=model()), 0.3)).remedy["en"]
        for shares in ((0.4, 0.4), (0.6, 0.4))
    ]
    assert ["Nothing has to be done" in remedy for remedy in remedies] == [True, False]
