"""Classes and groups by size, populations, and columns that stand for a sensitive one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from cauce.audit import AuditContext, NotApplicable
from cauce.audit.balance import class_balance, rare_in_training, small_group
from cauce.audit.check import Sides
from cauce.audit.proxies import sensitive_proxy
from cauce.audit.represent import population_coverage
from cauce.core.errors import UserError
from cauce.core.specs import DataSpec, ModelSpec, PopulationSpec
from cauce.profile import summarise

Maker = Callable[..., AuditContext]
N = 1000
MODEL = ModelSpec(task="classify", data="rows", target="y", sensitive=("sex",), ignore=("sex",))


def table(n_rare: int = 100, n_small: int = 200) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {"x": rng.normal(size=N), "sex": ["f"] * n_small + ["m"] * (N - n_small),
         "y": ["b"] * n_rare + ["a"] * (N - n_rare)}
    )  # fmt: skip


def found(outcome: object) -> list[object]:
    assert isinstance(outcome, Sequence)
    return list(outcome)


def test_a_majority_is_told_with_what_it_gives_away(make_context: Maker) -> None:
    outcome = class_balance(make_context(table(100), model=MODEL), 3.0)
    assert not isinstance(outcome, NotApplicable)
    assert outcome[0].value == 9.0
    assert "is right in 90%" in outcome[0].message["en"]
    assert not found(class_balance(make_context(table(400), model=MODEL), 3.0))


@pytest.mark.parametrize(("n", "seen"), [(92, True), (93, False)])
def test_a_group_is_small_by_the_width_of_its_interval(make_context: Maker, n: int, seen: bool) -> None:
    assert bool(found(small_group(make_context(table(n_small=n), model=MODEL), 0.1))) == seen


def test_a_class_that_only_the_judging_rows_have_is_seen(make_context: Maker) -> None:
    context = make_context(table(100), model=MODEL)
    late = np.arange(N) < 250
    sides = Sides("time", late, np.where(late, -1, 0))
    outcome = rare_in_training(replace(context, sides=lambda: sides), 0.5)
    assert not isinstance(outcome, NotApplicable)
    assert [finding.columns for finding in outcome] == [("y",), ("sex",)]
    mixed = np.random.default_rng(1).random(N) < 0.2
    fair = Sides("random", mixed, np.where(mixed, -1, 0))
    assert not found(rare_in_training(replace(context, sides=lambda: fair), 0.5))


def test_shares_off_the_declared_population_are_named_with_their_weights(make_context: Maker) -> None:
    population = PopulationSpec(shares={"sex": {"f": 0.5, "m": 0.5}})
    context = make_context(table(), data=DataSpec(source="x", population=population))
    outcome = population_coverage(context, 0.1)
    assert not isinstance(outcome, NotApplicable)
    assert "'f' under: 20% instead of 50%" in outcome[0].message["en"]
    assert "f 2.50" in outcome[0].remedy["en"]


def test_a_sample_of_the_reference_is_covered_and_a_part_of_it_is_not(make_context: Maker) -> None:
    rng = np.random.default_rng(0)
    whole = pa.table({"age": rng.normal(40, 10, 4000), "town": rng.choice(["a", "b", "c"], 4000, p=[0.6, 0.3, 0.1])})
    reference = summarise(whole.to_batches())
    fair = replace(make_context(whole.take(pa.array(rng.permutation(4000)[:800]))), reference=lambda: reference)
    assert not found(population_coverage(fair, 0.1))
    young = whole.filter(pa.compute.less(whole["age"], 40))
    part = replace(make_context(young), reference=lambda: reference)
    outcome = population_coverage(part, 0.1)
    assert not isinstance(outcome, NotApplicable)
    assert [finding.columns for finding in outcome] == [("age",)]


def test_chance_alone_is_seldom_called_uncovered(make_context: Maker) -> None:
    rng = np.random.default_rng(5)
    data = DataSpec(source="x", population=PopulationSpec(shares={"town": {"a": 0.6, "b": 0.3, "c": 0.1}}))
    wrong = 0
    for _ in range(60):
        sample = pa.table({"town": rng.choice(["a", "b", "c"], 60, p=[0.6, 0.3, 0.1])})
        wrong += len(found(population_coverage(make_context(sample, data=data), 0.0)))
    assert wrong <= 3


@pytest.mark.parametrize("shares", [{"nosuch": {"a": 1.0}}, {"sex": {"f": 0.8, "m": 0.8}}], ids=["column", "sum"])
def test_a_population_that_cannot_be_is_refused(make_context: Maker, shares: dict[str, dict[str, float]]) -> None:
    context = make_context(table(), data=DataSpec(source="x", population=PopulationSpec(shares=shares)))
    with pytest.raises(UserError, match=r"population\.shares"):
        population_coverage(context, 0.1)


def test_a_column_that_gives_the_sensitive_one_away_is_named(make_context: Maker) -> None:
    rng = np.random.default_rng(0)
    sex = np.array(["f", "m"])[rng.integers(0, 2, N)]
    told = np.where(rng.random(N) < 0.9, sex, np.where(sex == "f", "m", "f"))
    rows = pa.table({"x": rng.normal(size=N), "title": told, "sex": sex, "y": rng.integers(0, 2, N)})
    outcome = sensitive_proxy(make_context(rows, model=MODEL), 0.2)
    assert not isinstance(outcome, NotApplicable)
    assert [(finding.severity, finding.columns) for finding in outcome] == [("warn", ("sex", "title"))]
    assert not found(sensitive_proxy(make_context(rows.drop(["title"]), model=MODEL), 0.2))
