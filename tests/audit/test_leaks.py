"""Leaks that no single column shows: in pairs, in gaps, in the order, from the future, across the split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.audit import CHECKS, AuditContext
from cauce.audit.check import NotApplicable, Sides
from cauce.audit.grouping import told_by_group
from cauce.core.artefacts import Finding
from cauce.core.specs import DataSpec, JoinSpec, ModelSpec

Contexts = Callable[..., AuditContext]
N = 2_000
RNG = np.random.default_rng(11)
A, B = RNG.normal(10, 2, N), RNG.gamma(3, 2, N) + 0.1
REGRESS = ModelSpec(task="regress", data="rows", target="y")
SPLIT = Sides("random", np.arange(N) % 5 == 0, np.where(np.arange(N) % 5 == 0, -1, np.arange(N) % 4))


def checked(context: AuditContext, code: str) -> list[Finding]:
    found = CHECKS[code].function(context, CHECKS[code].threshold or 0.0)
    assert not isinstance(found, NotApplicable), found.reason
    return list(found)


def of(
    make: Contexts, code: str, task: str = "classify", data: DataSpec | None = None, **columns: object
) -> list[Finding]:
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    context = make(table, data=data, model=ModelSpec(task=task, data="rows", target="y"))
    return checked(replace(context, sides=lambda: SPLIT), code)


@pytest.mark.parametrize(
    ("y", "how"),
    [(A + B, "a + b"), (A - 0.8 * B, "a + b"), (A * B, "a × b"), (A / B, "a × b"), (B / A + 0.0, "a × b")],
    ids=["sum", "weighted difference", "product", "ratio", "inverse ratio"],
)
def test_a_number_computed_from_two_columns_is_named(make_context: Contexts, y: object, how: str) -> None:
    (finding,) = of(make_context, "pair_leakage", "regress", other=RNG.normal(size=N), a=A, b=B, y=y)
    assert (finding.severity, finding.columns) == ("warn", ("a", "b"))
    assert how in finding.message["en"]
    assert finding.value is not None
    assert finding.value > 0.97


@pytest.mark.parametrize(
    "y",
    [np.where(A > 2 * B, "yes", "no"), np.where(A * B > 55, "yes", "no"), np.digitize(A - B, [0, 5])],
    ids=["which is larger", "product", "three steps"],
)
def test_a_class_computed_from_two_numbers_is_named(make_context: Contexts, y: object) -> None:
    (finding,) = of(make_context, "pair_leakage", a=A, b=B, noise=RNG.normal(size=N), y=y)
    assert finding.columns == ("a", "b")


@pytest.mark.parametrize("as_text", [False, True])
def test_a_code_in_two_parts_is_named(make_context: Contexts, as_text: bool) -> None:
    y = RNG.integers(0, 3, N)
    one = RNG.integers(0, 3, N)
    other = (y - one) % 3
    parts = [[f"k{v}" for v in part] for part in (one, other)] if as_text else [one, other]
    (finding,) = of(make_context, "pair_leakage", one=parts[0], other=parts[1], x=A, y=[f"c{v}" for v in y])
    assert finding.columns == ("one", "other")


def test_two_strong_honest_columns_are_no_leak(make_context: Contexts) -> None:
    logit = 2 * (A - 10) / 2 + 1.5 * (B - B.mean()) / B.std()
    y = np.where(RNG.random(N) < 1 / (1 + np.exp(-3 * logit)), "yes", "no")
    assert of(make_context, "pair_leakage", a=A, b=B, y=y) == []
    amount = A + B + RNG.normal(0, 1.5, N)
    assert of(make_context, "pair_leakage", "regress", a=A, b=B, y=amount) == []


def test_a_leak_alone_is_not_told_again_in_pairs(make_context: Contexts) -> None:
    assert of(make_context, "pair_leakage", "regress", copy=A + 1, b=B, y=A) == []


def test_four_hundred_columns_are_screened(make_context: Contexts) -> None:
    noise = {f"n{i}": RNG.normal(size=N) for i in range(400)}
    context = make_context(pa.table({**noise, "a": A, "b": B, "y": A + B}), model=REGRESS)
    (finding,) = checked(context, "pair_leakage")
    assert finding.columns == ("a", "b")


@pytest.mark.parametrize("fill", [np.nan, np.inf, 0.0])
def test_odd_numbers_are_no_crash(make_context: Contexts, fill: float) -> None:
    odd = np.where(np.arange(N) % 3 == 0, fill, A)
    of(make_context, "pair_leakage", "regress", odd=odd, same=np.full(N, fill), b=B, y=RNG.normal(size=N))
    of(make_context, "pair_leakage", odd=odd, same=np.full(N, fill), b=B, y=np.where(B > 5, "a", "b"))


@pytest.mark.parametrize(
    "values",
    [
        np.arange(N),
        1_000 + 7 * np.arange(N),
        np.arange(N)[::-1],
        RNG.permutation(N) + 5_000,
        [f"r{i:05d}" for i in RNG.permutation(N)],
        [f"{i:032x}" for i in RNG.integers(0, 2**62, N)],
    ],
    ids=["counter", "steps", "falling", "shuffled", "code", "hash"],
)
def test_names_of_rows_are_found(make_context: Contexts, values: object) -> None:
    (finding,) = of(make_context, "id_like", ref=values, x=A, y=np.where(B > 5, "a", "b"))
    assert (finding.severity, finding.columns) == ("warn", ("ref",))


@pytest.mark.parametrize(
    "values",
    [A, RNG.integers(0, 10**9, N), np.arange(N) % 50, [f"a note of {i} words on row {i * 7}" for i in range(N)]],
    ids=["measurement", "amount in cents", "repeating", "text"],
)
def test_measurements_and_texts_are_no_names(make_context: Contexts, values: object) -> None:
    assert of(make_context, "id_like", ref=values, y=np.where(B > 5, "a", "b")) == []


def test_a_named_key_is_no_feature(make_context: Contexts) -> None:
    data = DataSpec(source="x", key="ref")
    assert of(make_context, "id_like", data=data, ref=np.arange(N), x=A, y=np.where(B > 5, "a", "b")) == []


def test_rows_sorted_by_the_target_are_seen_and_a_counter_makes_it_a_warning(make_context: Contexts) -> None:
    y = np.sort(np.where(B > 5, "a", "b"))
    (finding,) = of(make_context, "row_order_leak", x=A, y=y)
    assert (finding.severity, finding.columns) == ("info", ("y",))
    (finding,) = of(make_context, "row_order_leak", x=A, line=np.arange(N), y=y)
    assert (finding.severity, finding.columns) == ("warn", ("y", "line"))
    (finding,) = of(make_context, "row_order_leak", "regress", x=A, y=np.sort(B))
    assert finding.severity == "info"
    assert of(make_context, "row_order_leak", x=A, y=np.where(B > 5, "a", "b")) == []


def test_an_order_with_many_rows_out_of_place_matters_where_a_column_counts_it(make_context: Contexts) -> None:
    rng = np.random.default_rng(1)  # its own: the rows do not depend on which tests ran before
    loose = rng.random(N) < 0.18
    y = np.sort(B)
    y[loose] = rng.permutation(y[loose])
    (finding,) = of(make_context, "row_order_leak", "regress", x=A, line=np.arange(N), y=y)
    assert 0.5 <= (finding.value or 0.0) < 0.75
    assert of(make_context, "row_order_leak", "regress", x=A, y=y) == []


def test_people_with_their_own_outcome_are_named_as_a_group(make_context: Contexts) -> None:
    who = RNG.permutation(np.repeat(np.arange(N // 5), 5))
    level = RNG.normal(size=N // 5)[who]
    names = [f"u{i:04d}" for i in who]
    y = np.where(level + RNG.normal(0, 0.5, N) > 0, "yes", "no")
    (finding,) = of(make_context, "undeclared_group", student=names, x=A, y=y)
    assert (finding.severity, finding.columns) == ("warn", ("student",))
    assert 'group = "student"' in finding.remedy["es"]
    (finding,) = of(make_context, "undeclared_group", "regress", user_id=who, x=A, y=level + RNG.normal(0, 0.5, N))
    assert finding.columns == ("user_id",)


def test_people_without_an_outcome_of_their_own_and_measurements_pass(make_context: Contexts) -> None:
    who = RNG.permutation(np.repeat(np.arange(N // 3 + 1), 3))[:N]
    y = np.where(RNG.random(N) > 0.5, "yes", "no")
    assert of(make_context, "undeclared_group", student=[f"u{i:04d}" for i in who], y=y) == []
    age = RNG.integers(18, 90, N)
    assert of(make_context, "undeclared_group", age=age, y=np.where(age > 50, "yes", "no")) == []


def test_a_declared_group_and_a_split_by_time_ask_for_none(make_context: Contexts) -> None:
    who = np.repeat(np.arange(N // 5), 5)
    y = np.where(RNG.normal(size=N // 5)[who] > 0, "yes", "no")
    table = pa.table({"student": who, "x": A, "y": y})
    model = ModelSpec(task="classify", data="rows", target="y")
    declared = make_context(table, data=DataSpec(source="x", group="student"), model=model)
    assert isinstance(CHECKS["undeclared_group"].function(declared, 0.15), NotApplicable)
    by_time = replace(make_context(table, model=model), sides=lambda: replace(SPLIT, kind="time"))
    assert checked(by_time, "undeclared_group") == []


@given(st.integers(2, 40), st.floats(0.0, 3.0), st.integers(0, 1_000))
@settings(max_examples=30, deadline=None)
def test_the_groups_share_is_the_intraclass_correlation(n_groups: int, spread: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), 30)
    y = spread * rng.normal(size=n_groups)[groups] + rng.normal(size=len(groups))
    told = told_by_group(pa.table({"g": groups, "y": y}), "g", "y", "regress")
    means = y.reshape(n_groups, 30).mean(axis=1)
    between = 30 * means.var(ddof=1)
    within = y.reshape(n_groups, 30).var(axis=1, ddof=1).mean()
    assert told == pytest.approx(max((between - within) / (between + 29 * within), 0.0))


DAYS = [date(2023, 1, 1) + timedelta(days=i // 4) for i in range(N)]
TIMED = DataSpec(source="x", time="day")


@pytest.mark.parametrize("as_text", [False, True])
def test_dates_after_the_rows_own_time_are_found(make_context: Contexts, as_text: bool) -> None:
    later = [day + timedelta(days=1 + i % 9) if i % 3 else None for i, day in enumerate(DAYS)]
    values: list[object] = [d.isoformat() if d else None for d in later] if as_text else [*later]
    y = np.where(B > 5, "a", "b")
    (finding,) = of(make_context, "future_information", data=TIMED, day=DAYS, settled=values, y=y)
    assert (finding.severity, finding.columns, finding.value) == ("warn", ("settled", "day"), 1.0)
    assert finding.rows[:3] == (1, 2, 4)


def test_earlier_dates_and_the_same_day_pass(make_context: Contexts) -> None:
    earlier = [day - timedelta(days=i % 30) for i, day in enumerate(DAYS)]
    y = np.where(B > 5, "a", "b")
    assert of(make_context, "future_information", data=TIMED, day=DAYS, born=earlier, y=y) == []


def test_a_joined_column_is_named_with_its_data_set(make_context: Contexts) -> None:
    data = TIMED.model_copy(update={"join": {"visits": JoinSpec(by=("user",))}})
    later = [day + timedelta(days=3) for day in DAYS]
    (finding,) = of(make_context, "future_information", data=data, day=DAYS, visits_last=later, y=np.where(B > 5, 0, 1))
    assert "'visits'" in finding.message["en"]


def gaps(filled: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array([f"n{i % 7}" if is_filled else None for i, is_filled in enumerate(filled)])


def test_a_column_filled_for_one_outcome_is_found(make_context: Contexts) -> None:
    churned = RNG.random(N) < 0.3
    y = np.where(churned, "left", "stays")
    both = churned ^ (RNG.random(N) < 0.02)
    (finding,) = of(make_context, "missingness_leak", closing_note=gaps(both), x=A, y=y)
    assert (finding.severity, finding.columns) == ("warn", ("closing_note",))
    assert "name says so too" in finding.why["en"]
    one_sided = churned & (RNG.random(N) < 0.3)  # a date of leaving, known for some of those who left
    (finding,) = of(make_context, "missingness_leak", left_at=gaps(one_sided), x=A, y=y)
    assert finding.value == 1.0
    (finding,) = of(make_context, "missingness_leak", "regress", paid=gaps(np.median(B) < B), x=A, y=B)
    assert finding.value == pytest.approx(1.0, abs=0.01)


def test_honest_gaps_pass(make_context: Contexts) -> None:
    churned = RNG.random(N) < 0.3
    y = np.where(churned, "left", "stays")
    more_often = RNG.random(N) < np.where(churned, 0.8, 0.4)
    assert of(make_context, "missingness_leak", phone=gaps(more_often), x=A, y=y) == []
    rare = np.where(RNG.random(N) < 0.02, "fraud", "fine")  # nearly every row is fine, filled in or not
    assert of(make_context, "missingness_leak", note=gaps((RNG.random(N) < 0.1) & (rare == "fine")), x=A, y=rare) == []
    assert of(make_context, "missingness_leak", x=A, y=y) == []


def test_rows_that_teach_and_judge_are_counted_with_their_target(make_context: Contexts) -> None:
    a, y = A.copy(), np.where(B > 5, "a", "b")
    held = np.flatnonzero(SPLIT.held_out)[:40]
    a[held] = a[held + 1]
    y[held[:30]] = y[held[:30] + 1]
    y[held[30:]] = np.where(y[held[30:] + 1] == "a", "b", "a")
    (finding,) = of(make_context, "rows_on_both_sides", a=a, also=np.where(a > 10, "x", "z"), y=y)
    assert (finding.severity, finding.n_rows, finding.value) == ("warn", 40, 0.1)
    assert finding.rows == tuple(held[:20].tolist())
    assert "75%" in finding.message["en"]
    assert of(make_context, "rows_on_both_sides", a=A, y=y) == []


def test_few_possible_rows_must_repeat_and_only_inform(make_context: Contexts) -> None:
    kind = [f"k{i % 4}" for i in range(N)]
    (finding,) = of(make_context, "rows_on_both_sides", kind=kind, y=np.where(B > 5, "a", "b"))
    assert finding.severity == "info"
